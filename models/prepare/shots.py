"""Which frames of a video make a clip, and the fixed square that each clip shows. Knows no pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.prepare.faces import Seen
from models.prepare.settings import Dropped, Settings

# A face that is not found for so long is bridged; longer, and the clip ends.
LONGEST_GAP_S = 0.5
# One frame's slip of the detector must not widen the square: a median over so many frames.
SMOOTHING = 5
# The square is so many times as wide as the space that the faces of the clip take, as in the usual sets of talking
# heads: it shows hair and chin of everybody, and the face is some 0.57 of a still one's side.
MARGIN = 1.55
# Where in the square the middle of that space lies, from its top.
MIDDLE = 0.545
FACE_WIDTH = 0.8  # of its height from forehead to chin
# A face that wanders until it is less than this part of its square has moved too much for one clip.
LEAST_SHARE = 0.42
# The space of the faces may stick out of a square that the video's edges push aside or hold small by so much of
# the face's height.
LARGEST_CUT_OFF = 0.06


@dataclass(frozen=True)
class Square:
    """A part of the frame, whole pixels."""

    left: int
    top: int
    side: int


@dataclass(frozen=True)
class Stretch:
    """Frames that make a clip: from `first` up to but not including `end`."""

    first: int
    end: int
    square: Square


def find_stretches(
    seen: Sequence[Seen], *, fps: float, width: int, height: int, settings: Settings
) -> tuple[list[Stretch], list[Dropped]]:
    """Split a video into stretches with one face each that stays in one square of the frame.

    Args:
        seen: every frame.
        fps: frames a second.
        width: of the frame, pixels.
        height: likewise.
        settings: what is too short and too small.

    Returns:
        Stretches in their order, and what was dropped and why, longer than half a second.
    """
    stretches: list[Stretch] = []
    dropped: list[Dropped] = []
    at = 0

    def drop(first: int, end: int, why: str) -> None:
        if end - first > LONGEST_GAP_S * fps:
            dropped.append(Dropped(first / fps, end / fps, why))

    for first, end in _runs(seen, longest_gap=max(1, round(LONGEST_GAP_S * fps))):
        drop(at, first, "no face")
        at = end
        boxes = _boxes(seen, first, end)
        for a, b in _still_parts(boxes):
            square = _square(boxes[a:b], width=width, height=height)
            face = float(np.median(boxes[a:b, 3] - boxes[a:b, 1]))
            if (b - a) / fps < settings.least_seconds:
                drop(first + a, first + b, f"shorter than {settings.least_seconds:g} s")
            elif face < settings.least_face:
                drop(first + a, first + b, f"face of {face:.0f} pixels, less than {settings.least_face}")
            elif square is None:
                drop(first + a, first + b, "face at the edge of the picture")
            else:
                stretches.append(Stretch(first + a, first + b, square))
    drop(at, len(seen), "no face")
    return stretches, dropped


def _runs(seen: Sequence[Seen], *, longest_gap: int) -> Iterator[tuple[int, int]]:
    """Yield frames (first, end) between cuts, a face at both ends and no long gap between."""
    first, last = -1, -1
    for index, frame in enumerate(seen):
        if first >= 0 and (frame.cut or index - last > longest_gap):
            yield first, last + 1
            first = -1
        if frame.face is not None:
            first, last = (index if first < 0 else first), index
    if first >= 0:
        yield first, last + 1


def _boxes(seen: Sequence[Seen], first: int, end: int) -> NDArray[np.float64]:
    """Return the faces' boxes [frames, 4] (left, top, right, bottom), smoothed, gaps bridged."""
    known = [index for index in range(first, end) if seen[index].face is not None]
    faces = [face for index in known if (face := seen[index].face) is not None]
    frames = np.arange(first, end)
    x, y, size = (
        _median(np.interp(frames, known, values))
        for values in (
            [face.centre_x for face in faces],
            [face.centre_y for face in faces],
            [face.size for face in faces],
        )
    )
    half = size * FACE_WIDTH / 2
    return np.stack([x - half, y - size / 2, x + half, y + size / 2], 1)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    reach = SMOOTHING // 2
    padded = np.pad(values, reach, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHING), axis=1)


def _still_parts(boxes: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Yield parts (first, end) in which the face stays large in the square that holds them all."""
    first = 0
    union = boxes[0]
    sums = np.concatenate([[0.0], np.cumsum(boxes[:, 3] - boxes[:, 1])])
    for index, box in enumerate(boxes):
        wider = np.concatenate([np.minimum(union[:2], box[:2]), np.maximum(union[2:], box[2:])])
        mean_height = (sums[index + 1] - sums[first]) / (index + 1 - first)
        if mean_height < LEAST_SHARE * _wished_side(wider):
            yield first, index
            first, wider = index, box
        union = wider
    yield first, len(boxes)


def _wished_side(union: NDArray[np.float64]) -> float:
    return MARGIN * float(max(union[2] - union[0], union[3] - union[1]))


def _square(boxes: NDArray[np.float64], *, width: int, height: int) -> Square | None:
    """Return the square that shows all of the boxes, inside the frame; None where it would cut the face off."""
    union = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
    side = min(round(_wished_side(union)), width, height)
    middle_x, middle_y = (union[:2] + union[2:]) / 2
    left = int(np.clip(round(middle_x - side / 2), 0, width - side))
    top = int(np.clip(round(middle_y - MIDDLE * side), 0, height - side))
    allowed = LARGEST_CUT_OFF * float(np.median(boxes[:, 3] - boxes[:, 1]))
    outside = max(left - union[0], top - union[1], union[2] - left - side, union[3] - top - side)
    return None if outside > allowed else Square(left, top, side)
