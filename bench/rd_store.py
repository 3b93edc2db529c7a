"""Finished measurements, kept under a hash of what they were made from, so that a run that was killed goes on where it
stopped. It knows files and hashes; it does not know what is measured."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from bench.report import to_json


@dataclass(frozen=True)
class Store:
    """A folder of results, a JSON file each."""

    folder: Path

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what was kept under a key; None where there is nothing, or nothing whole."""
        try:
            found = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a result; it is never seen half written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{key}.{os.getpid()}.partial"
        try:
            partial.write_text(to_json(value), encoding="utf-8")
            os.replace(partial, self._path(key))
        finally:
            partial.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def default_folder() -> Path:
    """Return where results are kept when no output folder is named."""
    return Path(platformdirs.user_cache_dir("visavis")) / "bench-rd"


def key_of(inputs: Mapping[str, Any]) -> str:
    """Return the hash under which a result made from `inputs` (plain values) is kept."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:32]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
