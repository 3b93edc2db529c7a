"""A face that carries its own landmarks: a portrait with a green and a magenta dot on its irises, and what reads them.

Everything here travels to worker processes, so it stands at the top of a module.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from call.film import write_clip
from call.portrait import load_portrait
from models.prepare.level import twin_rows
from models.prepare.mesh import CHIN, FOREHEAD, IRISES, MESH, VERTICES

Picture = NDArray[np.uint8]
FPS = 25.0
WIDTH, HEIGHT = 640, 360
# In the portrait of 256 x 256: its irises, right and left.
EYES = ((110, 108), (156, 110))


def nod(index: int) -> tuple[float, float]:
    """How far the person has moved right and down by a frame, pixels."""
    return 3 * float(np.sin(index / 4)), 4 * float(np.sin(index / 6))


def person(index: int, *, mirrored: bool = False) -> Picture:
    """A portrait of 256 x 256 that nods a little, with its dots."""
    face = load_portrait(256)[:, :: -1 if mirrored else 1].copy()
    for (x, y), colour in zip(EYES, ((0, 255, 0), (255, 0, 255)), strict=True):
        cv2.circle(face, (255 - x if mirrored else x, y), 4, colour, -1)
    shift = np.column_stack([np.eye(2), nod(index)])
    return np.asarray(cv2.warpAffine(face, shift, (256, 256), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def scene(face: Picture | None, left: int, tone: int) -> Picture:
    """A frame of 640 x 360 with the face in it."""
    shade = np.linspace(tone, tone + 60, WIDTH, dtype=np.uint8)
    frame = np.ascontiguousarray(np.broadcast_to(shade[None, :, None], (HEIGHT, WIDTH, 3)))
    if face is not None:
        frame[60:316, left : left + 256] = face
    return frame


def one_person(path: Path, *, frames: int = 30) -> None:
    """A person who stays."""
    _write(path, (scene(person(index), 180, 60) for index in range(frames)))


def two_people(path: Path, *, frames: int = 25) -> None:
    """A person, a cut, and another person elsewhere."""

    def pictures() -> Iterator[Picture]:
        for index in range(frames):
            yield scene(person(index), 40, 60)
        for index in range(frames):
            yield scene(person(index, mirrored=True), 350, 150)

    _write(path, pictures())


def nobody(path: Path, *, frames: int = 25) -> None:
    """A wall."""
    _write(path, (scene(None, 0, 90) for _ in range(frames)))


def _write(path: Path, pictures: Iterator[Picture]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(path, pictures, frame_rate=FPS)


def find_dots(picture: Picture) -> NDArray[np.float64] | None:
    """Return the middles [2, 2] of the green and the magenta dot, pixels; None where one is missing."""
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    found = []
    for strength in (green - np.maximum(red, blue), np.minimum(red, blue) - green):
        rows, columns = np.nonzero(strength > 100)
        if len(rows) < 3:
            return None
        found.append([columns.mean() + 0.5, rows.mean() + 0.5])
    return np.array(found)


def flat_mesh() -> NDArray[np.float64]:
    """A symmetric mesh [478, 3] whose irises lie at (-0.5, -0.45, 0) and (0.5, -0.45, 0)."""
    rng = np.random.default_rng(3)
    mesh = rng.uniform([-0.9, -1.1, -0.4], [0.9, 1.2, 0.4], (MESH, 3))
    kept = mesh[list(VERTICES)]
    mesh[list(VERTICES)] = (kept + kept[twin_rows()] * [-1, 1, 1]) / 2
    mesh[list(IRISES)] = [[-0.5, -0.45, 0], [0.5, -0.45, 0]]
    mesh[[FOREHEAD, CHIN]] = [[0, -1.3, 0], [0, 1.4, 0]]
    return mesh


class DotMesh:
    """Places the flat mesh where the dots are: a real reading of the picture, down to its place and size."""

    def __init__(self, *, misses: frozenset[int] = frozenset()) -> None:
        self._misses = misses  # pictures in which it sees nothing
        self._at = -1
        self._mesh = flat_mesh()

    def find(self, picture: Picture) -> NDArray[np.float64] | None:
        self._at += 1
        dots = None if self._at in self._misses else find_dots(picture)
        if dots is None:
            return None
        dots = dots[np.argsort(dots[:, 0])] / len(picture)
        across = dots[1] - dots[0]
        turn = np.array([[across[0], -across[1]], [across[1], across[0]]])
        origin = dots.mean(0) + turn @ [0, 0.45]
        plane = self._mesh[:, :2] @ turn.T + origin
        return np.column_stack([plane, self._mesh[:, 2] * np.hypot(*across)])

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class OpenDotMesh:
    """Opens meshes that miss the same pictures."""

    misses: frozenset[int] = frozenset()

    def __call__(self) -> DotMesh:
        return DotMesh(misses=self.misses)


def refuse() -> DotMesh:
    """Open no mesh: for videos that must not be done again."""
    raise AssertionError("a finished video was done again")


@dataclass(frozen=True)
class OpenOnce:
    """Opens one mesh that works, then one that never comes to an end and says so by a file."""

    folder: Path

    def __call__(self) -> DotMesh:
        if (self.folder / "opened").exists():
            (self.folder / "stuck").touch()
            return EndlessMesh()
        (self.folder / "opened").touch()
        return DotMesh()


class EndlessMesh(DotMesh):
    """Looks at its eleventh picture for good."""

    def find(self, picture: Picture) -> NDArray[np.float64] | None:
        while self._at >= 10:
            time.sleep(0.1)
        return super().find(picture)
