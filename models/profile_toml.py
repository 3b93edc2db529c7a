"""The tables of a profile.toml that commands write, each after what it has made."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from models.replacing import replacing


def write_table(path: Path, name: str, comment: str, values: Mapping[str, str | float]) -> None:
    """Write a table at the end of a profile.toml, in place of the one of that name; none if it is empty.

    Raises OSError where it cannot be written, and leaves it as it was.
    """
    text = re.sub(rf"\n*\[{name}\][^\[]*", "\n\n", path.read_text()).rstrip("\n") + "\n"
    if values:
        lines = "".join(
            f"{key if key.isidentifier() else json.dumps(key)} = {json.dumps(value)}\n"
            for key, value in values.items()
        )
        text += f"\n[{name}] # {comment}\n{lines}"
    with replacing(path.parent) as new:
        (new / path.name).write_text(text)


def note_kept(folder: Path, name: str) -> None:
    """Write a file's SHA-256 into its profile.toml, or take it out where the file is gone: of what is no graph, but
    what training resumes from, and the tables. `visavis models verify` compares it."""
    path, file = folder / "profile.toml", folder / name
    kept = dict(tomllib.loads(path.read_text()).get("kept", {}))
    kept.pop(name, None)
    if file.is_file():
        kept[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    write_table(path, "kept", "SHA-256 of what training resumes from, and of the tables", kept)
