"""The frames that may become pictures of the gallery: a few that are sharp, and which of them would help most, where.
It knows what the face lately did (`sender.coverage`) and what the slots hold; it draws and sends nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sender.bring import Seen
from sender.choose import sharpness
from sender.coverage import Coverage
from sender.distance import Floats
from sender.held import Held, HeldPictures
from sender.posture import Posture
from sender.source import SourcePicture

# A picture is worth adding where it is expected to save so much of LPIPS over the face in the mean over what the face
# lately did, by `sender.posture`; a face is drawn at some .07. At twice as much, and two and a half times, galleries of
# the 15 training clips whose mouths open widest take 20 % off that and 9 % off the mouth's expression error; so, 21 and
# 11 %, for 8 % more bytes.
WORTH_ADDING, WORTH_REPLACING = 0.001, 0.002
CANDIDATES = 8  # frames that are kept to choose from
SHARP = 0.4  # of the first picture's sharpness: below it a frame is blurred by motion


@dataclass(frozen=True)
class _Candidate:
    picture: np.ndarray
    posture: Posture


class Candidates:
    """The frames of one scene; `note` may be called from another thread than the rest."""

    def __init__(self, first: SourcePicture) -> None:
        self._sharpness = sharpness(first.picture, first.prepared.keypoints)
        self._coverage = Coverage()
        self._candidates: list[_Candidate] = []

    def note(self, posture: Posture, ticks: int) -> None:
        """Take note of what the face does, at a time in continuous ticks."""
        self._coverage.note(posture, ticks)

    def forget(self) -> None:
        """Begin anew with another scene."""
        self._candidates.clear()
        self._coverage.forget()

    def consider(self, seen: Seen, keypoints: Floats, pictures: HeldPictures) -> None:
        """Keep a frame whose face has these keypoints [K, 3], if it is sharp; of too many the one goes that would help
        least."""
        if sharpness(seen.picture, keypoints) < SHARP * self._sharpness:
            return
        self._candidates.append(_Candidate(seen.picture, seen.posture))
        if len(self._candidates) > CANDIDATES:
            present = pictures.of_scene()
            self._candidates.sort(key=lambda each: -self._coverage.gain(present, each.posture))
            del self._candidates[CANDIDATES:]

    def take(self, pictures: HeldPictures) -> tuple[np.ndarray, int] | None:
        """Take out the frame (uint8 SxSx3) that would help most, with the slot for it; None where none is worth it."""
        present = pictures.of_scene()
        empty, held = pictures.spare()
        # Room costs nothing where a slot is empty, or holds a scene that is over.
        free = [*empty, *(each.slot for each in held if each.scene != pictures.scene)]
        places: list[tuple[int, Held | None]] = [(slot, None) for slot in free[:1]]
        places = places or [(each.slot, each) for each in held]
        wishes = [
            (self._coverage.gain(present, candidate.posture, without=without), index, slot)
            for slot, without in places
            for index, candidate in enumerate(self._candidates)
        ]
        gain, index, slot = max(wishes, default=(0.0, 0, 0))
        if gain < (WORTH_ADDING if free else WORTH_REPLACING):
            return None
        return self._candidates.pop(index).picture, slot
