"""Stand-ins for the mirror's neighbours: source pictures with a posture, and a talker that draws what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from codec.motion import Motion
from runtime.talker import Source
from sender.held import Held
from sender.posture import posture_in
from sender.source import SourcePicture
from tests.sender.sender_fakes import FakeFace, K, level_face

SIZE = 64


def source(*, yaw: float = 0.0, picture: np.ndarray | None = None) -> SourcePicture:
    """Return a source picture of a head turned by `yaw` degrees."""
    shown = face() if picture is None else picture
    rotation = np.array([yaw, 0, 0], np.float32)
    nothing = np.zeros((K, 3), np.float32)
    translation = np.array([0, 0, 1], np.float32)
    prepared = Source({}, level_face(), level_face() / 3, rotation, translation, nothing)
    return SourcePicture(shown, b"x" * 3000, prepared)


def held(slot: int, *, yaw: float = 0.0, scene: int = 0, picture: np.ndarray | None = None) -> Held:
    """Return a picture in a slot."""
    its = source(yaw=yaw, picture=picture)
    return Held(slot, its, posture_in(its.prepared), scene)


def motion(*, yaw: float = 0.0) -> Motion:
    """Return the motion of a head turned by `yaw` degrees."""
    return Motion([yaw, 0, 0], [0, 0, 1], np.zeros((K, 3)))


def face(*, seed: int = 3) -> np.ndarray:
    """Return a sharp picture, uint8 64x64x3."""
    cells = np.random.default_rng(seed).integers(0, 256, (8, 8, 1)).astype(np.uint8)
    return np.ascontiguousarray(cells.repeat(8, 0).repeat(8, 1).repeat(3, 2))  # grey, which survives coding


def turned(picture: np.ndarray, yaw: float) -> np.ndarray:
    """Return a picture whose corner says the yaw."""
    marked = picture.copy()
    marked[:4, :4] = round(2 * yaw)
    return marked


@dataclass
class MirrorTalker:
    """Draws every source as its own picture, whatever the motion; reads the yaw from `turned`'s mark."""

    bends = False  # what is drawn knows no residual flow

    located: bool = True
    pictures: dict[int, np.ndarray] = field(default_factory=dict)

    def prepare(self, picture: np.ndarray) -> Source:
        prepared = source(yaw=float(picture[:4, :4].mean()) / 2, picture=picture).prepared
        self.pictures[id(prepared)] = picture
        return prepared

    def knows(self, picture: Held) -> Held:
        """Remember what a source looks like."""
        self.pictures[id(picture.source.prepared)] = picture.source.picture
        return picture

    def draw(
        self,
        prepared: Source,
        rotation: np.ndarray,
        translation: np.ndarray,
        expression: np.ndarray,
        flow: object = None,
    ) -> np.ndarray:
        return self.pictures[id(prepared)]

    def rebase(self, rotation: np.ndarray, expression: np.ndarray, *, of: Source, to: Source) -> np.ndarray:
        return expression

    def keypoints_of(self, prepared: Source, *pose: np.ndarray) -> np.ndarray:
        return prepared.keypoints

    def locate(self, frame: np.ndarray) -> FakeFace | None:
        return FakeFace(32, 32, 40) if self.located else None
