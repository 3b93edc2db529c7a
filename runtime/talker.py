"""The talker: source picture + motion -> picture, and picture -> motion. What receiver, mirror and sender share.

The paper's section 3 as a call runs it: features of the source once, motion of every camera frame, a picture of every
shown frame. Knows nothing of bytes, peers or files.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.engine import Graphs, as_input, as_picture
from runtime.geometry import Floats, head_linear, keypoints, rotation_matrix

Picture = NDArray[np.uint8]
LOCATE_SIZE = 128
PRESENT = 0.5  # probability from which a face counts as seen
CELL = 4  # pixels that the laptop's graphs look at, for each of their motion field's


@dataclass(frozen=True)
class Source:
    """A source picture, prepared; distances between the irises unless said otherwise."""

    features: dict[str, NDArray[Any]]  # what the frame graph wants of it
    canonical: Floats  # [K, 3] neutral geometry
    keypoints: Floats  # [K, 3] image coordinates
    rotation: Floats  # [3] degrees
    translation: Floats  # [3]
    expression: Floats  # [K, 3]


@dataclass(frozen=True)
class Face:
    """A face in a whole frame, in the frame's pixels."""

    centre_x: float
    centre_y: float
    size: float  # height from forehead to chin
    score: float  # 0 to 1


class Talker:
    """Runs the graphs of a profile; each method may be called from any thread."""

    def __init__(self, graphs: Graphs, *, picture_size: int) -> None:
        self.graphs = graphs
        self.picture_size = picture_size
        level = self._estimate(np.zeros((picture_size, picture_size, 3), np.uint8), None)
        self._level_canonical = level["level"][0]
        self._absolute = "placed" not in level  # the graph gives the expression itself
        self.bends = not self._absolute  # the generator takes a residual flow; the paper's knows none
        # One array for all pictures without a flow: an engine need not copy it again.
        self._no_flow = np.zeros((1, 2, graphs.seen_size // CELL, graphs.seen_size // CELL), np.float32)

    def prepare(self, picture: Picture) -> Source:
        """Extract what is drawn from of a source picture, uint8 [S, S, 3]."""
        self._check(picture)
        out = self.graphs.source({"picture": self._seen(picture)})
        # The motion graph sees the source as it sees every frame, so that a source at rest is drawn as it is.
        motion = self._estimate(picture, out["canonical"])
        rotation, translation, expression = (
            motion["rotation"][0],
            motion["translation"][0],
            motion["expression"][0],
        )
        canonical = out.pop("canonical")[0]
        placed = keypoints(canonical, rotation, translation, expression)
        features = out | {
            "picture": as_input(picture),
            "source_keypoints": placed[None],
            "source_linear": head_linear(rotation, translation)[None],
            "source_shift": _shift(translation)[None],
        }
        return Source(features, canonical, placed, rotation, translation, expression)

    def estimate(self, picture: Picture, source: Source | None) -> tuple[Floats, Floats, Floats]:
        """Return rotation [3], translation [3] and expression [K, 3] of a picture, uint8 [S, S, 3].

        The expression is relative to the source's neutral geometry, to the level face's without a source.
        """
        self._check(picture)
        out = self._estimate(picture, None if source is None else source.canonical[None])
        return out["rotation"][0], out["translation"][0], out["expression"][0]

    def draw(
        self,
        source: Source,
        rotation: Floats,
        translation: Floats,
        expression: Floats,
        flow: Floats | None = None,
    ) -> Picture:
        """Redraw a source with a motion; returns uint8 [S, S, 3].

        flow: [n, n, 2] a residual flow (`runtime.residual_flow`), image coordinates, where the profile's generator
        `bends`; others draw without it.
        """
        placed = keypoints(source.canonical, rotation, translation, expression)
        inputs = source.features | {
            "driving_keypoints": placed[None],
            "driving_linear": head_linear(rotation, translation)[None],
            "driving_shift": _shift(translation)[None],
            "residual_flow": self._no_flow if flow is None else self._enlarged(flow),
        }
        drawn = self.graphs.frame(inputs)["drawn"]
        return as_picture(drawn)

    def locate(self, frame: Picture) -> Face | None:
        """Find the face in a whole frame, uint8 [H, W, 3] of any size; None where there is none."""
        height, width = frame.shape[:2]
        side = max(height, width)
        scale = LOCATE_SIZE / side
        small = cv2.resize(
            frame,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        )
        canvas = np.zeros((LOCATE_SIZE, LOCATE_SIZE, 3), np.uint8)
        top, left = (LOCATE_SIZE - small.shape[0]) // 2, (LOCATE_SIZE - small.shape[1]) // 2
        canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
        out = self.graphs.locate({"picture": as_input(canvas)})
        score = float(out["present"].reshape(-1)[0])
        if score < PRESENT:
            return None
        x, y = (float(value + 1) * LOCATE_SIZE / 2 for value in out["centre"].reshape(-1)[:2])
        size = float(out["size"].reshape(-1)[0]) * LOCATE_SIZE / 2
        return Face((x - left) / scale, (y - top) / scale, size / scale, score)

    def rebase(self, rotation: Floats, expression: Floats, *, of: Source, to: Source) -> Floats:
        """Return the expression [K, 3] with which `to` has its keypoints where `of` has them with this motion.

        An expression is relative to the neutral geometry of the source that is drawn from, and two pictures of one
        person give two estimates of it; the paper's delta is the same for every source.
        """
        if self._absolute:
            return expression
        turned = (of.canonical - to.canonical) @ rotation_matrix(rotation).T
        return np.asarray(expression + turned, np.float32)

    def keypoints_of(
        self, source: Source | None, rotation: Floats, translation: Floats, expression: Floats
    ) -> Floats:
        """Place a motion's keypoints [K, 3] in its picture, image coordinates."""
        canonical = self._level_canonical if source is None else source.canonical
        return keypoints(canonical, rotation, translation, expression)

    def _enlarged(self, flow: Floats) -> NDArray[np.float32]:
        """Return a flow [n, n, 2] as large as the motion field, as the frame graph takes it."""
        side = self._no_flow.shape[-1]
        larger = cv2.resize(flow, (side, side), interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(larger.transpose(2, 0, 1)[None], np.float32)

    def _seen(self, picture: Picture) -> NDArray[Any]:
        """Return a picture as the graphs that look at one take it, smaller where they are a smaller profile's."""
        size = self.graphs.seen_size
        if size == self.picture_size:
            return as_input(picture)
        return as_input(np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), np.uint8))

    def _estimate(self, picture: Picture, canonical: Floats | None) -> dict[str, NDArray[Any]]:
        out = self.graphs.motion({"picture": self._seen(picture)})
        if "expression" in out:  # the paper's delta, whatever the source
            return out
        if canonical is None:
            canonical = out["level"]
        # delta = (x - t) e^(t_z) - R x_c: against the geometry of the very source that will be drawn from.
        turned = keypoints(
            canonical, out["rotation"], np.zeros_like(out["translation"]), np.zeros_like(out["placed"])
        )
        out["expression"] = out["placed"] - turned
        return out

    def _check(self, picture: Picture) -> None:
        size = self.picture_size
        if picture.shape != (size, size, 3) or picture.dtype != np.uint8:
            raise ValueError(f"a picture must be uint8 {size}x{size}x3, not {picture.dtype} {picture.shape}")


def _shift(translation: Floats) -> Floats:
    return np.array([translation[0], translation[1], 0], np.float32)
