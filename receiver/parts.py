"""Names for what is still being written: beside its target, and never one that is taken, since a recording that was cut
off lies under such a name and plays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import av

from receiver.errors import OutputError


def claim_part(target: Path, *, folder: bool = False) -> Path:
    """Make an empty file, or folder, beside `target` under a free name (call.part.mp4); raises OSError."""
    for number in count(1):
        part = target.with_name(f"{target.stem}.part{'' if number == 1 else f'-{number}'}{target.suffix}")
        try:
            if folder:
                part.mkdir(parents=True)
            else:
                part.touch(exist_ok=False)
        except FileExistsError:
            if not part.exists():  # it is the parent that is no folder
                raise
        else:
            return part
    raise AssertionError("numbers do not end")


def left_over(target: Path) -> list[Path]:
    """Return the parts that lie beside a target: of recordings that were cut off, or are being written."""
    return sorted(target.parent.glob(f"{_literal(target.stem)}.part*{_literal(target.suffix)}"))


def _literal(name: str) -> str:
    """Write a name as a pattern that matches it alone."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


@contextmanager
def told(target: Path) -> Iterator[None]:
    """Turn the system's and FFmpeg's errors into an OutputError, a sentence that names the target."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"{target} cannot be written ({reason}): check the folder and the free space."
        ) from error
