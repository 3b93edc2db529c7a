"""Files that a training keeps for the next time: whole, or not there, whenever and however it is stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from models.training.footage import DataError


def keep(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file, which has its name once it is whole. Raises DataError: a full disk and the like."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            write(file)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path} could not be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
