"""`visavis models`: which profiles are installed, and whether they run. Loads graphs, never networks."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from call import console
from call.ends import load_ends
from call.errors import CallError
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
            console.output.print(f"– {row['profile']}: {row['why']}", markup=False)


def _row(name: str) -> dict[str, Any]:
    from runtime.profile import ProfileError, load_profile, outline_profile, profiles_folder

    try:
        outline = outline_profile(profiles_folder() / name)
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
        profile = load_profile(name)
    except ProfileError as error:
        return {"profile": name, "why": str(error)}
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
    """Load the named profile, or each that is built, prepare a picture, draw it and estimate its motion.

    Raises CallError if one fails.
    """
    from runtime.profile import list_built_profiles

    rows, broken = [], []
    for each in [name] if name else list_built_profiles():
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
