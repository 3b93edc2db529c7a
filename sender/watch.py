"""When the mirror looks: once or twice a second, on a thread of its own, later while the machine is busy. It carries
frames to the mirror and what the mirror asks for away from it, and knows what neither is for."""

from __future__ import annotations

import time
from collections.abc import Callable

from sender.beside import Beside
from sender.bring import Bring, Seen
from sender.mirror import Mirror

PERIOD_S = 0.5
AGAIN_S = 0.15  # after a look that found a fault: it has to be confirmed
SLOWEST_S = 4.0  # however busy the machine is
MOST_DROPPED = 2  # frames since the last look: more is a busy machine
COSTLY_S = 0.2  # a look that takes longer makes them rarer


class Watch(Beside):
    """Lets a mirror look at what is offered. on_wish: is told what the mirror asks for, on the mirror's thread."""

    def __init__(
        self,
        mirror: Mirror,
        *,
        dropped: Callable[[], int],
        on_wish: Callable[[Bring], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        super().__init__("mirror", dropped=dropped, on_error=on_error)
        self._mirror = mirror
        self._on_wish = on_wish
        self._period_s = PERIOD_S
        self._took_s = 0.0

    def due(self, captured_s: float) -> bool:
        """Say whether the frame captured now should be offered; a busy machine's is not."""
        if self.looking or not self._thread.is_alive():
            return False
        if captured_s < self._next_s and not self._mirror.curious:
            return False
        dropped = self._dropped()
        busy = dropped - self._dropped_before > MOST_DROPPED or self._took_s > COSTLY_S
        self._dropped_before, self._took_s = dropped, 0.0
        if not busy:
            self._period_s = max(self._period_s / 2, PERIOD_S)
        elif self._period_s < SLOWEST_S:
            self._next_s = captured_s + self._period_s
            self._period_s = 2 * self._period_s
            self._mirror.counts.skipped += 1
            return False
        return True

    def offer(self, seen: Seen) -> None:
        """Let the mirror look at a frame."""
        self._next_s = seen.captured_s + self._period_s
        super().offer(seen)

    def _look(self, seen: Seen) -> None:
        began_s = time.monotonic()
        wish = self._mirror.look(seen)
        self._took_s = time.monotonic() - began_s
        if self._mirror.alarmed:
            self._next_s = seen.captured_s + AGAIN_S
        self.looking = False
        if wish is not None:
            self._on_wish(wish)
