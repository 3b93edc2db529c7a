"""Which of the things that there are an option names. It knows names alone."""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import BenchError


def choose(wanted: str, there: Sequence[str], what: str) -> list[str]:
    """Read an option of names with commas between, all where it is empty; raise BenchError for one not there."""
    names = [name.strip() for name in wanted.split(",") if name.strip()] or list(there)
    missing = [name for name in names if name not in there]
    if missing:
        raise BenchError(f"There is no {what} {missing[0]!r}; there are: {', '.join(there) or 'none'}.")
    return names
