"""A disk that takes no more, without one: files of this process may not grow beyond a size."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes meanwhile; skips the test where the system cannot."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what a folder's files hold, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
