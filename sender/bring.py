"""What a mirror is shown, what it asks for, and what it counts: a frame as it went out, a picture on its way to the
receiver, and what codes residuals. Plain data; what it is good for is the mirror's business, how it travels the
presentation's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from codec.motion import Motion
from sender.held import Held
from sender.posture import Posture, posture_of
from sender.source import SourcePicture

Asked = Literal["picture", "repair"]  # by somebody, whatever the mirror sees
Coded = Literal["picture", "residual"]


@dataclass(frozen=True)
class Seen:
    """A frame as it went out: the crop (uint8 SxSx3), its motion as the receiver decodes it, and what it is drawn
    from."""

    picture: np.ndarray
    motion: Motion
    held: Held
    captured_s: float
    ticks: int

    @property
    def posture(self) -> Posture:
        """What the face does in it."""
        motion, source = self.motion, self.held.source.prepared
        return posture_of(motion.rotation, motion.translation, motion.expression, source)


@dataclass(frozen=True)
class Bring:
    """A picture on its way to a slot: coded by itself, or as a residual (`codec.repair`). A repair is drawn from as
    soon as it is there."""

    slot: int
    source: SourcePicture
    scene: int
    repairs: bool
    coded: Coded = "picture"


@dataclass(frozen=True)
class Correction:
    """A coded repair (`codec.repair.encode_repair`), and the picture (uint8 SxSx3) that it makes of the redrawn one."""

    data: bytes
    picture: np.ndarray


class Corrector(Protocol):
    """Codes what a redrawn picture (uint8 SxSx3) lacks of the frame seen, over cells bool [16, 16]; None where it
    cannot."""

    def __call__(self, seen: Seen, drawn: np.ndarray, where: np.ndarray) -> Correction | None: ...


@dataclass
class MirrorCounts:
    """What the mirror did. distance: of the last look's cells, in the mean; face: over the face."""

    looks: int = 0
    skipped: int = 0  # the machine was busy
    distance: float | None = None
    face: float | None = None
    repairs: int = 0  # by a new picture
    corrections: int = 0  # by a residual code
    returns: int = 0  # by a picture that was there already
    added: int = 0  # to the gallery
    told: int = 0
    vain: int = 0  # repairs that were asked for where nothing would have been better
