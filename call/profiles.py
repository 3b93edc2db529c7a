"""`visavis models`: which profiles are installed, and whether they run. Loads graphs, never networks."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from call import console
from call.ends import load_ends
from call.errors import CallError, explain
from call.options import Engine

# GMAC: billions of multiplications and additions.
TITLE = "Profiles (source picture, camera frame, shown frame: GMAC each; LPIPS: of the face, over the frozen picture's)"
# What it takes besides is said by each command's --help and, for data, in the README.
NOT_BUILT = (
    "not built: no weights yet. Train it with visavis train --profile {name} --data FOLDER, "
    "then visavis models build {name}"
)
COLUMNS = ("profile", "px", "K", "M par.", "source", "camera", "shown", "LPIPS", "graphs")


def list_all(*, as_json: bool) -> None:
    """Print each profile's name, sizes, work a picture and a frame, measured quality, weights' hash, and the size
    of its graphs."""
    from runtime.profile import list_profiles

    rows = [_row(name) for name in list_profiles()]
    if as_json:
        console.print_json(rows)
        return
    console.print_table(TITLE, COLUMNS, [_cells(row) for row in rows])
    for row in rows:
        if "why" in row:
            console.print_line(f"– {row['profile']}: {row['why']}")


def _row(name: str) -> dict[str, Any]:
    from runtime.profile import ProfileError, load_profile, outline_profile, profiles_folder

    try:
        outline = outline_profile(profiles_folder() / name)
    except ProfileError as error:
        return {"profile": name, "why": f"{'damaged' if error.damaged else 'not whole'}: {error}"}
    row: dict[str, Any] = {
        "profile": name,
        "picture_size": outline.picture_size,
        "keypoints": outline.keypoints,
        "quality": outline.quality or None,
    }
    if outline.cost is not None:
        row |= asdict(outline.cost)
    if not outline.built:
        return row | {"why": NOT_BUILT.format(name=name)}
    try:
        profile = load_profile(name)
    except ProfileError as error:
        return row | {"why": f"{'damaged' if error.damaged else 'not whole'}: {error}"}
    megabytes = sum(file.stat().st_size for file in Path(profile.folder).glob("*.onnx")) / 1e6
    return row | {"graphs_mb": megabytes, "graphs_hash": profile.graphs_hash.hex()[:12]}


def _cells(row: dict[str, Any]) -> list[Any]:
    return [
        row["profile"],
        row.get("picture_size"),
        row.get("keypoints"),
        row["parameters"] / 1e6 if "parameters" in row else None,
        *(row.get(name) for name in ("source_gmac", "motion_gmac", "frame_gmac")),
        (row.get("quality") or {}).get("face_lpips_ratio"),
        (row.get("graphs_hash") or "")[:8] or row["why"].partition(":")[0],
    ]


def verify(name: str | None, engine: str, *, as_json: bool) -> None:
    """Look at every file of the named profile, or of each that is built, then prepare a picture with it, draw it and
    estimate its motion.

    Raises CallError if one fails.
    """
    from runtime.profile import list_built_profiles

    rows = []
    for each in [name] if name else list_built_profiles():
        with console.waiting(f"Verifying {each}"):
            why = _why_not(each, engine)
        rows.append({"profile": each, "works": not why, "why": " ".join(why) or None})
    if as_json:
        console.print_json(rows)
    else:
        console.print_table(
            "Profiles", ("profile", "works"), [(row["profile"], row["works"]) for row in rows]
        )
    broken = [f"{row['profile']}: {row['why']}" for row in rows if not row["works"]]
    if broken:
        raise CallError("\n".join(broken))


def _why_not(name: str, engine: str) -> list[str]:
    """Say what is wrong with a profile, a sentence for each fault."""
    from runtime.profile import find_faults

    try:
        faults = find_faults(name)
        if not faults:
            _run_once(Engine(name, engine))
    # Each folder has its own exception for what it finds missing or damaged; all of them are the answer.
    except Exception as error:
        return [explain(error)]
    return [str(fault) for fault in faults]


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
