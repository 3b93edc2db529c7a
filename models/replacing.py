"""How a profile's files are written: beside those that are there, which they replace once all of them are whole."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder: the files written there then take the place of those of their names in `folder`.

    Raises OSError where one cannot be written, as on a full disk; those of before then stay.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            yield Path(scratch)
            for file in Path(scratch).iterdir():
                file.replace(folder / file.name)
    except OSError as error:
        raise OSError(
            f"{folder} could not be written: {error.strerror or error}; it stays as it was"
        ) from None
