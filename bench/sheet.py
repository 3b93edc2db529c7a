"""The contact sheet: source, original and redrawn side by side, a stranger a row, at the frame where expression or pose
has left the source furthest behind. For looking, since no figure says that a face has melted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.clips import Clip, Footage, Picture, person_of, read_footage
from bench.judge import find_faces, without_forehead
from bench.metrics.faces import landmark_errors
from bench.metrics.landmarks import Box, FaceFinder, Landmarks
from bench.talk import Setup, redraw, take_source

# Every so many frames are candidates: a fifth of a second holds still enough.
CANDIDATE_EVERY = 5
# A head that moves by a tenth of the eyes' distance is as far from the source as a mouth that opens by a twentieth.
POSE_WEIGHT = 0.5
STRIP = 22  # pixels of label above a picture
GAP = 4
INK, PAPER = (30, 30, 30), (245, 245, 245)


@dataclass(frozen=True)
class Row:
    """One stranger: pictures SxSx3 and what stands above each."""

    pictures: tuple[Picture, Picture, Picture]
    labels: tuple[str, str, str]


def pick_strangers(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Return at most `count` clips of different people, spread evenly over `clips`."""
    people: dict[str, Clip] = {}
    for clip in clips:
        people.setdefault(person_of(clip.name), clip)
    chosen = list(people.values())
    places = np.linspace(0, len(chosen) - 1, min(count, len(chosen))).round().astype(int)
    return [chosen[place] for place in places]


def pick_ranked(
    clips: Sequence[Clip], rows: Sequence[Mapping[str, Any]], count: int
) -> dict[str, list[Clip]]:
    """Return the `count` best, median and worst of `clips` by face LPIPS over the frozen picture's (`rows` are the
    quality bench's; by LPIPS where no face was found, and clips without either are left out)."""
    ratios = {row["name"]: row["face_lpips_ratio"] or row["lpips_ratio"] for row in rows}
    ranked = sorted((clip for clip in clips if ratios[clip.name]), key=lambda clip: ratios[clip.name])
    middle = max(0, (len(ranked) - count) // 2)
    parts = {"best": ranked[:count], "median": ranked[middle : middle + count], "worst": ranked[-count:]}
    return {name: part for name, part in parts.items() if part}


def make_sheet(
    setup: Setup,
    clips: Sequence[Clip],
    backbones: Path,
    *,
    source: str,
    on_clip: Callable[[str], None],
) -> Picture:
    """Return the sheet for `clips`, a row each; raises BenchError where a network is missing in `backbones`."""
    landmarks = Landmarks(backbones)
    finder = FaceFinder(backbones, landmarks)
    rows = []
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        origin = take_source(setup, footage, source=source)
        index = furthest_frame(footage, origin.index, landmarks, finder)
        drawn = redraw(setup, footage, [index], source=origin).pictures[index]
        labels = (f"{clip.name}: source", f"original, {index / footage.rate:.1f} s", "redrawn")
        rows.append(Row((origin.picture, footage.pictures[index], drawn), labels))
    return lay_out(rows)


def furthest_frame(footage: Footage, source: int, landmarks: Landmarks, finder: FaceFinder) -> int:
    """Return the frame whose landmarks differ most from those of frame `source`, expression before pose; the middle
    frame where no faces are found."""
    candidates = [source, *range(0, len(footage.pictures), CANDIDATE_EVERY)]
    pictures = [footage.pictures[index] for index in candidates]
    boxes: list[Box | None] = (
        [footage.boxes[index] for index in candidates] if footage.boxes else find_faces(finder, pictures)
    )
    faces = [
        (index, picture, box) for index, picture, box in zip(candidates, pictures, boxes, strict=True) if box
    ]
    if boxes[0] is None or len(faces) < 2:
        return len(footage.pictures) // 2
    points = landmarks.find(
        [picture for _, picture, _ in faces], [without_forehead(box) for _, _, box in faces]
    )
    distances = []
    for shape in points[1:]:
        errors = landmark_errors(points[0], shape)
        expression = errors["mouth_expression"] + errors["eye_expression"]
        distances.append(expression + POSE_WEIGHT * (errors["mouth_akd"] + errors["eye_akd"]))
    return faces[1 + int(np.argmax(distances))][0]


def lay_out(rows: Sequence[Row]) -> Picture:
    """Return the rows below each other in one picture, or in two columns where there are more than four."""
    drawn = [np.hstack([labelled(picture, label) for picture, label in _cells(row)]) for row in rows]
    if len(drawn) <= 4:
        return np.vstack(drawn)
    half = -(-len(drawn) // 2)
    drawn += [np.full_like(drawn[0], PAPER[0])] * (2 * half - len(drawn))
    return np.hstack([np.vstack(drawn[:half]), np.vstack(drawn[half:])])


def _cells(row: Row) -> list[tuple[Picture, str]]:
    return list(zip(row.pictures, row.labels, strict=True))


def labelled(picture: Picture, label: str) -> Picture:
    """Return `picture` with a line of text above it."""
    height, width = picture.shape[:2]
    cell = np.full((height + STRIP + GAP, width + GAP, 3), PAPER, np.uint8)
    cell[STRIP : STRIP + height, :width] = picture
    cv2.putText(cell, label, (2, STRIP - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.4, INK, 1, cv2.LINE_AA)
    return cell
