"""The data folder that preparation makes: its claim, its index, its manifest and its level face."""

import csv
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.prepare.job import PARTIAL, landmarks_path, read_record, write_whole
from models.prepare.level import mean_face, sample_frames, write_level_face
from models.prepare.settings import PrepareError, Record, Settings
from models.prepare.sources import Source
from models.training.footage import LevelFace, image_coordinates

COLUMNS = (
    "name", "split", "identity", "size", "crop_side", "face_px", "fps", "frames", "audio", "licence", "repo",
    "path", "commit", "note",
)  # fmt: skip
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Outcome:
    """What became of a video in this run: its record, or the sentence that says what is wrong with it."""

    source: Source
    record: Record | None
    error: str | None = None


def claim(output: Path) -> None:
    """Make the output folder, and sweep out of an earlier run's what no record names."""
    if output.exists() and not (output / MANIFEST).is_file() and any(output.iterdir()):
        raise PrepareError(
            f"{output} holds other things: --output wants a new folder, or one of an earlier run"
        )
    shutil.rmtree(output / PARTIAL, ignore_errors=True)
    for folder in ("train/clips", "train/landmarks", "videos"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    if not (output / MANIFEST).is_file():
        write_whole(output / MANIFEST, "{}")
    named = {
        clip.name
        for path in (output / "videos").glob("*.json")
        if (record := read_record(output, path.stem))
        for clip in record.clips
    }
    for path in [*(output / "train" / "clips").iterdir(), *(output / "train" / "landmarks").iterdir()]:
        if path.stem not in named:
            path.unlink()


def write_index(output: Path, outcomes: Sequence[Outcome], settings: Settings) -> None:
    """Write index.csv: a row for each clip of the outcomes."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for outcome in outcomes:
        for clip in outcome.record.clips if outcome.record else ():
            table.writerow(
                {
                    "name": clip.name,
                    "split": "train",
                    "identity": outcome.source.identity,
                    "size": settings.size,
                    "crop_side": clip.crop_side,
                    "face_px": clip.face_height,
                    "fps": round(clip.fps, 3),
                    "frames": clip.frames,
                    "audio": int(clip.sound),
                    "licence": outcome.source.licence,
                    "path": outcome.source.path,
                    "note": f"from {clip.start_s:.2f} s",
                }
            )
    write_whole(output / "index.csv", text.getvalue())


def write_manifest(output: Path, videos: Path, outcomes: Sequence[Outcome], settings: Settings) -> None:
    """Write manifest.json: each video's origin, hash, licence, clips, and what was dropped and why."""
    entries = []
    for outcome in outcomes:
        source, record = outcome.source, outcome.record
        entry: dict[str, Any] = {
            "path": source.path,
            "identity": source.identity,
            "licence": source.licence,
            "error": outcome.error,
        }
        if record is not None:
            entry |= {name: value for name, value in record.to_json().items() if name not in entry}
        entries.append(entry)
    manifest = {
        "videos": str(videos.resolve()),
        "settings": {**asdict(settings), "digest": settings.digest()},
        "sources": entries,
    }
    write_whole(output / MANIFEST, json.dumps(manifest, indent=1))


def give_level_face(output: Path, outcomes: Sequence[Outcome], level_face: LevelFace | None) -> None:
    """Write canonical_face.npz: the given one, or one made from the clips where there is none yet."""
    path = output / "canonical_face.npz"
    if level_face is not None:
        write_level_face(path, level_face)
        return
    clips = [clip.name for outcome in outcomes if outcome.record for clip in outcome.record.clips]
    if path.is_file() or not clips:
        return  # one level face for all that is ever prepared here: poses are measured against it
    stored = []
    for clip in clips:
        with np.load(landmarks_path(output, clip)) as file:
            stored.append(image_coordinates(file["landmarks"]))
    write_level_face(path, mean_face(sample_frames(stored)))
