"""Names for what is written, and never one that is taken unless its owner says so: while it is being written it lies
beside its target, and a recording that was cut off stays there and plays as it is."""

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


def spare(target: Path) -> None:
    """Raise OutputError where there is something that a file written to `target` would replace."""
    if target.exists():
        raise OutputError(f"{target} exists already: name another, or replace it with --overwrite.")


def free_name(path: Path) -> Path:
    """Return `path`, or where that is taken the first of call-2.mp4, call-3.mp4, ... that is not."""
    free = path
    for number in count(2):
        if not free.exists():
            break
        free = path.with_stem(f"{path.stem}-{number}")
    return free


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
