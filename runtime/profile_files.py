"""Whether a profile's files are those that its toml names, and what brings back one that is not. Knows no graph."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runtime.installed import how_to_mend, is_ours


class ProfileError(Exception):
    """A profile that is not there, or not whole; its text is a sentence for the user, and what to do.

    damaged: something is there, and not what it should be.
    """

    def __init__(self, what: str, advice: str = "", *, damaged: bool = False) -> None:
        super().__init__(f"{what} {advice}".rstrip())
        self.what = what
        self.advice = advice
        self.damaged = damaged


@dataclass(frozen=True)
class NamedFile:
    """A file that a profile.toml names. `digest` is its SHA-256 as it stands there, None where it does not; `made_by`
    the arguments of `visavis` that make it after a training."""

    path: Path
    digest: str | None
    made_by: str


def check(file: NamedFile) -> bytes:
    """Return a file's SHA-256; raises ProfileError where it is not there, or not the one that was named."""
    digest = int8_digest(file.path) if file.path.suffix == ".xml" else _digest(file.path)
    if digest and digest == file.digest:
        return bytes.fromhex(digest)
    what = f"{file.path} or its .bin" if file.path.suffix == ".xml" else str(file.path)
    if not digest:
        raise ProfileError(f"{what} is missing.", how_to_get(file.path, file.made_by))
    raise ProfileError(
        f"{what} is damaged or of another version: its SHA-256 is not the one in profile.toml.",
        how_to_get(file.path, file.made_by),
        damaged=True,
    )


def list_faults(files: Iterable[NamedFile]) -> list[ProfileError]:
    """Return what is wrong with each of the files that is not whole."""
    faults = []
    for file in files:
        try:
            check(file)
        except ProfileError as fault:
            faults.append(fault)
    return faults


def how_to_get(path: Path, made_by: str) -> str:
    """Say how to get a profile's file back: from where it came, or made again where it is of one's own training."""
    again = f" (or, of your own training, make it again: visavis {made_by})" if is_ours(path) else ""
    return f"{how_to_mend(path)}{again}"


def int8_digest(path: Path) -> str:
    """Return the SHA-256 of an 8-bit graph's .xml and .bin; empty where one is missing."""
    return _digest(path, path.with_suffix(".bin"))


def _digest(*paths: Path) -> str:
    """Return the SHA-256 of files one after the other; empty where one cannot be read."""
    try:
        return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    except OSError:
        return ""
