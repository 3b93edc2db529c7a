"""Which of the newest motions came, how many packets, how quickly, and which source pictures are ready: what the
feedback tells the sender. Knows when no message is due, and clocks only as numbers."""

from codec.feedback import BITS, EARLIER, FARTHEST_TICKS, MS_CYCLE, PACKETS_CYCLE, ReadyTransfers, Transit
from codec.time import RESTART_TICKS, TICK_CYCLE, TICKS_PER_SECOND
from codec.transfer import TRANSFERS_CYCLE

# Feedback is due so often, but where few packets come: it should not cost as much as they do. Many packets come where
# many get lost, and feedback too.
FEEDBACK_S, RARE_FEEDBACK_S, DENSE_FEEDBACK_S = 0.25, 0.35, 0.1
FEW_PACKETS, MANY_PACKETS = 3, 8
FEEDBACK_TICK_S = 0.05  # so often somebody asks


class Received:
    """Remembers the newest capture time and, one bit a tick, the 32 before it; counts packets, and keeps the quickest
    of those that came since it was asked for last."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._packets = 0
        self._told = 0  # of them, when the feedback before was due
        self._quickest: tuple[float, int] | None = None  # transit in seconds, continuous capture time
        self.ready: ReadyTransfers | None = None
        self.bitmap = 0  # bit i: the motion i + 1 ticks before the newest one came as well

    @property
    def newest_ticks(self) -> int | None:
        """The newest capture time as it stands on the wire, 0..4095; None before the first."""
        return None if self._newest is None else self._newest % TICK_CYCLE

    @property
    def packets(self) -> int:
        """How many packets came, modulo 2**16."""
        return self._packets % PACKETS_CYCLE

    def count(self) -> None:
        """Note a packet, whatever is in it."""
        self._packets += 1

    def is_due(self, since_s: float) -> bool:
        """Say whether feedback is due, `since_s` after the one before; asked every `FEEDBACK_TICK_S`."""
        packets = self._packets - self._told
        wait_s = RARE_FEEDBACK_S if packets < FEW_PACKETS else FEEDBACK_S
        if since_s < (DENSE_FEEDBACK_S if packets >= MANY_PACKETS else wait_s):
            return False
        self._told = self._packets
        return True

    def time(self, ticks: int, arrived_s: float) -> None:
        """Note when a packet came whose last motion has this continuous capture time."""
        transit_s = arrived_s - ticks / TICKS_PER_SECOND
        if self._quickest is None or transit_s < self._quickest[0]:
            self._quickest = transit_s, ticks

    def take_transit(self) -> Transit | None:
        """Return the shortest transit since this was asked for last; None where nothing came."""
        quickest, self._quickest = self._quickest, None
        if quickest is None or self._newest is None:
            return None
        behind = self._newest - quickest[1]
        if not 0 <= behind <= FARTHEST_TICKS:
            return None
        return Transit(behind, round(1000 * quickest[0]) % MS_CYCLE)

    def add_ready(self, transfer: int) -> None:
        """Note that the picture of a transfer, 0..65535, can be drawn from."""
        newest, earlier = (transfer, 0) if self.ready is None else (self.ready.newest, self.ready.earlier)
        ahead = (transfer - newest) % TRANSFERS_CYCLE
        behind = TRANSFERS_CYCLE - ahead
        if 0 < ahead < TRANSFERS_CYCLE // 2:
            newest, earlier = transfer, (2 * earlier + 1) << min(ahead - 1, EARLIER)
        elif behind <= EARLIER:
            earlier |= 1 << (behind - 1)
        self.ready = ReadyTransfers(newest, earlier % (1 << EARLIER))

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
