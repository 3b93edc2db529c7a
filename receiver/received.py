"""Which of the newest motions came: what the feedback tells the sender. Knows no messages and no clock."""

from codec.time import TICK_CYCLE

BITS = 32
# A capture time this far (in ticks) behind the newest belongs to a sender that has started anew.
RESTART_TICKS = 120


class Received:
    """Remembers the newest capture time and, one bit a tick, the 32 before it."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self.bitmap = 0  # bit i: the motion i + 1 ticks before the newest one came as well

    @property
    def newest_ticks(self) -> int | None:
        """The newest capture time as it stands on the wire, 0..4095; None before the first."""
        return None if self._newest is None else self._newest % TICK_CYCLE

    def add(self, ticks: int) -> None:
        """Note a motion by its continuous capture time."""
        behind = 0 if self._newest is None else self._newest - ticks
        if self._newest is None or behind > RESTART_TICKS or -behind > BITS:
            self._newest, self.bitmap = ticks, 0
        elif behind < 0:
            self.bitmap = (self.bitmap << -behind | 1 << (-behind - 1)) & ((1 << BITS) - 1)
            self._newest = ticks
        elif 0 < behind <= BITS:
            self.bitmap |= 1 << (behind - 1)
