"""`visavis models`: which profiles are installed, and whether they run. Loads graphs, never networks."""

from pathlib import Path
from typing import Any

import numpy as np

from call import console
from call.ends import load_ends
from call.errors import CallError
from call.options import Engine


def list_all(*, as_json: bool) -> None:
    """Print each profile's name, sizes, weights' hash and the size of its folder."""
    from runtime.profile import ProfileError, list_profiles, load_profile

    rows: list[dict[str, Any]] = []
    for name in list_profiles():
        try:
            profile = load_profile(name)
        except ProfileError as error:
            rows.append({"profile": name, "why": str(error)})
            continue
        megabytes = sum(file.stat().st_size for file in Path(profile.folder).glob("*.onnx")) / 1e6
        rows.append(
            {
                "profile": profile.name,
                "picture_size": profile.picture_size,
                "keypoints": profile.keypoints,
                "graphs_mb": megabytes,
                "graphs_hash": profile.graphs_hash.hex()[:12],
            }
        )
    if as_json:
        console.print_json(rows)
        return
    columns = ("profile", "picture_size", "keypoints", "graphs_mb", "graphs_hash", "why")
    shown = [column for column in columns if any(column in row for row in rows)]
    console.print_table("Profiles", shown, [[row.get(column) for column in shown] for row in rows])


def verify(name: str | None, engine: str, *, as_json: bool) -> None:
    """Load each profile, prepare a picture, draw it and estimate its motion; raises CallError if one fails."""
    from runtime.profile import list_profiles

    rows, broken = [], []
    for each in [name] if name else list_profiles():
        try:
            _run_once(Engine(each, engine))
            rows.append({"profile": each, "works": True, "why": None})
        # Each folder has its own exception for what it finds missing or damaged; all of them are the answer.
        except Exception as error:
            rows.append({"profile": each, "works": False, "why": str(error)})
            broken.append(f"{each}: {error}")
    if as_json:
        console.print_json(rows)
    else:
        console.print_table("Profiles", ("profile", "works", "why"), [list(row.values()) for row in rows])
    if broken:
        raise CallError(" ".join(broken))


def _run_once(wanted: Engine) -> None:
    ends = load_ends(wanted)
    size = ends.profile.picture_size
    shades = np.linspace(0, 255, size, dtype=np.uint8)
    picture = np.ascontiguousarray(np.broadcast_to(shades[:, None, None], (size, size, 3)))
    source = ends.talker.prepare(picture)
    rotation, translation, expression = ends.talker.estimate(picture, source)
    drawn = ends.talker.draw(source, rotation, translation, expression)
    if drawn.shape != picture.shape:
        raise CallError(f"The graphs draw pictures of {drawn.shape} where {picture.shape} is due.")
    if ends.motion_format.keypoints != len(expression):
        raise CallError(
            f"The tables are for {ends.motion_format.keypoints} keypoints and the graphs have {len(expression)}."
        )
