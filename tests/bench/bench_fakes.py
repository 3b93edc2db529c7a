"""A talker without networks for the bench's tests: its motion is where the brightest spot lies, and it draws the source
picture shifted there. Good enough to be better than a frozen picture wherever the whole picture moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from bench.talk import Setup
from codec.motion import Motion
from codec.tables import fit_tables
from runtime.talker import Face, Source

SIZE = 192
KEYPOINTS = 20
# Keypoints in a row through the middle of the picture.
LEVEL = np.linspace((-0.3, -0.3, 0), (0.3, 0.3, 0), KEYPOINTS, dtype=np.float32)


class FakeTalker:
    """Knows the motion of `scene` pictures: a pattern that shifts as a whole."""

    bends = False  # what is drawn knows no residual flow

    def __init__(self, *, frozen: bool = False) -> None:
        self.frozen = frozen

    def prepare(self, picture: np.ndarray) -> Source:
        """Return the picture and where its spot is."""
        features = {"picture": picture, "spot": _spot(picture)}
        return Source(features, LEVEL, LEVEL, *self.estimate(picture, None))

    def estimate(self, picture: np.ndarray, source: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the spot's place as the translation."""
        x, y = _spot(picture) / picture.shape[0]
        return np.zeros(3, np.float32), np.array([x, y, 0], np.float32), np.zeros((KEYPOINTS, 3), np.float32)

    def draw(
        self,
        source: Any,
        rotation: np.ndarray,
        translation: np.ndarray,
        expression: np.ndarray,
        flow: object = None,
    ) -> np.ndarray:
        """Return the source shifted to where the spot went, or as it was."""
        picture, spot = source.features["picture"], source.features["spot"]
        if self.frozen:
            return np.array(picture)
        x, y = translation[:2] * picture.shape[0] - spot
        return np.asarray(shifted(picture, x, y), np.uint8)

    def keypoints_of(
        self, source: Any, rotation: np.ndarray, translation: np.ndarray, expression: np.ndarray
    ) -> np.ndarray:
        """Return keypoints that say nothing."""
        return LEVEL

    def rebase(self, rotation: np.ndarray, expression: np.ndarray, *, of: Source, to: Source) -> np.ndarray:
        """Return the expression: every source has the same geometry."""
        return expression

    def locate(self, frame: np.ndarray) -> Face:
        """See a face everywhere."""
        return Face(frame.shape[1] / 2, frame.shape[0] / 2, frame.shape[0] / 2, 1.0)


def setup(talker: FakeTalker | None = None, *, size: int = SIZE) -> Setup:
    """Return what runs a bench with the fake talker."""
    generator = np.random.default_rng(1)
    motions = [
        Motion(np.zeros(3), np.append(generator.uniform(0, 1, 2), 0), np.zeros((KEYPOINTS, 3)))
        for _ in range(50)
    ]
    steps = np.full((KEYPOINTS, 3), 2.0**-8)
    return Setup("fake", "none", size, talker or FakeTalker(), fit_tables(motions, expression_steps=steps))


def scene(count: int, *, size: int = SIZE, step: float = 2.0) -> list[np.ndarray]:
    """Return pictures of a soft pattern with one white spot, that shifts by `step` pixels a frame."""
    generator = np.random.default_rng(7)
    noise = generator.integers(0, 200, (size // 8, size // 8, 3)).astype(np.uint8)
    base = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    base = np.minimum(base, 200)
    cv2.circle(base, (size // 3, size // 2), 6, (255, 255, 255), -1)
    return [shifted(base, step * index, 0) for index in range(count)]


def shifted(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    """Return the picture moved by x and y pixels, its borders repeated."""
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (picture.shape[1], picture.shape[0])
    moved = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def write_film(path: Path, pictures: list[np.ndarray], *, rate: int = 25) -> None:
    """Write a lossless film."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _spot(picture: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(picture.min(2) > 240)
    return np.array([columns.mean(), rows.mean()]) if len(rows) else np.zeros(2)
