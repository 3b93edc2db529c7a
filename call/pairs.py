"""The pictures of a loopback call in pairs: what the camera saw and what was shown for it, by the frame's number.

Keeps the first few hundred and no more, so that a long call costs no more memory than a short one. Knows
pictures and numbers; what is measured on them is `call.quality`'s business.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from call.film import write_film

Picture = NDArray[np.uint8]

# Ten seconds at 30 frames a second: 120 MB at 256 x 256, both sides together.
MOST_PAIRS = 300


@dataclass(frozen=True)
class PairedFilms:
    """Two films of the same frames, frame by frame, and the picture that the receiver drew from."""

    original: Path
    redrawn: Path
    source: Path
    frames: int


class Pairs:
    """Collects pictures from the sender's and the receiver's threads."""

    def __init__(self, most: int = MOST_PAIRS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._originals: dict[int, Picture] = {}
        self._redrawn: dict[int, Picture] = {}

    def add_original(self, number: int, picture: Picture) -> None:
        """Keep what the sender cut out of its frame `number` (each given once), while there is room."""
        with self._lock:
            if len(self._originals) < self._most:
                self._originals[number] = picture.copy()

    def add_redrawn(self, number: int, picture: Picture) -> None:
        """Keep what the receiver drew for the frame `number`, if its original was kept."""
        with self._lock:
            if number in self._originals:
                self._redrawn[number] = picture.copy()

    def matched(self) -> tuple[list[Picture], list[Picture]]:
        """Return originals and redrawn pictures of the frames that have both, in their order."""
        with self._lock:
            both = [number for number in self._originals if number in self._redrawn]
            return [self._originals[number] for number in both], [self._redrawn[number] for number in both]

    def as_shown(self) -> tuple[list[Picture], list[Picture]]:
        """Return every original, in order, and beside each what the screen showed: the newest redrawn picture.

        Originals before the first redrawn picture are left out, when the screen was still empty.
        """
        originals, shown = [], []
        with self._lock:
            newest: Picture | None = None
            for number, original in self._originals.items():
                newest = self._redrawn.get(number, newest)
                if newest is not None:
                    originals.append(original)
                    shown.append(newest)
        return originals, shown

    def write(self, folder: Path, *, source: Picture, frame_rate: float) -> PairedFilms | None:
        """Write the matched frames as two lossless films and the source picture as PNG; None without frames."""
        import cv2

        originals, redrawn = self.matched()
        if not originals:
            return None
        films = PairedFilms(
            folder / "original.mkv", folder / "redrawn.mkv", folder / "source.png", len(originals)
        )
        write_film(films.original, originals, frame_rate=frame_rate)
        write_film(films.redrawn, redrawn, frame_rate=frame_rate)
        films.source.write_bytes(cv2.imencode(".png", source[:, :, ::-1])[1].tobytes())
        return films
