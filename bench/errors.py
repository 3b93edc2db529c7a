"""The one exception of this folder: a sentence for the person at the command line."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement cannot be made; the message says what is missing and what to do."""
