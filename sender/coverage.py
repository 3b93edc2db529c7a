"""Which frames are worth a place in the gallery: those from which most of what the face has lately done is drawn better
than from what is there. A greedy choice of medoids over the postures of the last minute. It knows postures and what
codes cost; it draws nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from sender.held import FINE_LOSS, Held
from sender.posture import Posture, Postures

REMEMBERED = 240  # postures; with five a second the last 48 s
EVERY_TICKS = 12
FEWEST = 8  # before which nothing is known of what the face does


class Coverage:
    """The postures of the last minute; `note` may be called from another thread than the rest."""

    def __init__(self) -> None:
        self._postures: deque[Posture] = deque(maxlen=REMEMBERED)
        self._noted_ticks: int | None = None

    def note(self, posture: Posture, ticks: int) -> None:
        """Take what the face does now, at a time in continuous ticks."""
        if self._noted_ticks is None or ticks - self._noted_ticks >= EVERY_TICKS:
            self._noted_ticks = ticks
            self._postures.append(posture)

    def forget(self) -> None:
        """Begin anew: somebody else is there."""
        self._postures.clear()

    def gain(self, held: Sequence[Held], candidate: Posture, *, without: Held | None = None) -> float:
        """Return by how much LPIPS over the face would fall, in the mean over what was noted, were there a finely coded
        picture of `candidate` beside those `held`, or in the place of that of them named `without`."""
        noted = list(self._postures)
        if len(noted) < FEWEST:
            return 0.0
        postures = Postures(noted)
        costs = {each.slot: postures.apart(each.posture) + each.loss for each in held}
        now = np.min(list(costs.values()), axis=0)
        staying = [cost for slot, cost in costs.items() if without is None or slot != without.slot]
        then = np.min([*staying, postures.apart(candidate) + FINE_LOSS], axis=0)
        return float((now - then).mean())
