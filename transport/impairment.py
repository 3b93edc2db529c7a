"""What a bad line does to datagrams: one direction's losses, delays and limits, decided packet by packet.

Sans-IO: size and time go in, times of arrival come out. The chances of the nth packet (its loss, its jitter, its
double) depend on the seed and on n alone, so a run can be repeated; what the limited rate does depends on when the
packets come. It knows no sockets and nothing of what the packets carry.
"""

import random
from dataclasses import dataclass

QUEUE_S = 1.0  # a router drops what would wait longer; home routers hold about a second
BUCKET_BYTES = 1_500  # one full packet may go at once after a pause
MAX_DELAY_S = 10.0
MIN_RATE_BPS = 1_000.0


@dataclass(frozen=True)
class Impairment:
    """One direction of a line. The defaults do nothing.

    Parameters
    ----------
    loss
        Share of packets lost, 0 to 1.
    burst
        Mean length of a run of lost packets, at least 1. At 1 each packet's loss is independent; above, losses
        follow the model of Gilbert with a bad state that loses everything.
    delay_s, jitter_s
        Every packet takes `delay_s` and up to `jitter_s` more, drawn evenly for each: packets closer together than
        the jitter overtake each other.
    duplicate
        Share of packets that come twice, the second with a jitter of its own.
    rate_bps
        Bits a second at the IP layer, as a token bucket with a queue of at most `QUEUE_S`; None: no limit.
    outage_s
        Beginning and end of a time in which nothing passes, in seconds of the line's own clock; None: never.
    """

    loss: float = 0.0
    burst: float = 1.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    duplicate: float = 0.0
    rate_bps: float | None = None
    outage_s: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {getattr(self, name):g}")
        for name in ("delay_s", "jitter_s"):
            if not 0 <= getattr(self, name) <= MAX_DELAY_S:
                raise ValueError(f"{name} is 0 to {MAX_DELAY_S:g} seconds, not {getattr(self, name):g}")
        # Good runs have a packet at least, so a high loss needs long bad ones. At 1, losses are independent.
        if self.burst < 1 or (
            self.burst > 1 and 0 < self.loss < 1 and self.burst < self.loss / (1 - self.loss)
        ):
            raise ValueError(f"bursts of {self.burst:g} packets do not make a loss of {self.loss:g}")
        if self.rate_bps is not None and not self.rate_bps >= MIN_RATE_BPS:
            raise ValueError(f"a line carries at least {MIN_RATE_BPS:g} bit/s, not {self.rate_bps:g}")
        if self.outage_s is not None and not 0 <= self.outage_s[0] <= self.outage_s[1]:
            raise ValueError("an outage ends after it has begun")


@dataclass
class LineCounts:
    """What became of one direction's packets. Bytes are at the IP layer."""

    packets: int = 0
    offered_bytes: int = 0  # of all packets, whatever became of them
    lost: int = 0  # by chance or in the outage
    overflowed: int = 0  # the queue before the limited rate was full
    doubled: int = 0
    passed_bytes: int = 0

    @property
    def lost_share(self) -> float:
        """Share of packets that did not come through, for whatever reason; 0 where there were none."""
        return (self.lost + self.overflowed) / self.packets if self.packets else 0.0


class ImpairedLine:
    """One direction's state: the random numbers, the good or bad state, and the rate's queue."""

    def __init__(self, impairment: Impairment, *, seed: str) -> None:
        self.counts = LineCounts()
        self.impairment = impairment
        self._random = random.Random(seed)
        self._bad = False
        self._free_s = float("-inf")  # when all that was let in will have left the queue

    def queued_s(self, now_s: float) -> float:
        """Return how long a packet that comes now waits for the limited rate, in seconds."""
        return max(0.0, self._free_s - now_s)

    def arrivals_s(self, size: int, now_s: float) -> list[float]:
        """Decide the fate of the next packet: none, one or two times at which it arrives.

        `size` is in bytes with IP and UDP headers; times are seconds of one clock that begins at 0 and never runs
        backwards.
        """
        self.counts.packets += 1
        self.counts.offered_bytes += size
        # Always as many draws a packet, so that the nth packet's are the same whatever happened before.
        fate, *waits = (self._random.random() for _ in range(4))
        if self._loses(fate) or self._is_out(now_s):
            self.counts.lost += 1
            return []
        leaves_s = self._through_queue(size, now_s)
        if leaves_s is None:
            self.counts.overflowed += 1
            return []
        copies = 1 + (waits[2] < self.impairment.duplicate)
        self.counts.doubled += copies - 1
        self.counts.passed_bytes += copies * size
        took_s = (self.impairment.delay_s + self.impairment.jitter_s * wait for wait in waits[:copies])
        return [leaves_s + each_s for each_s in took_s]

    def _loses(self, fate: float) -> bool:
        """Step the two states of Gilbert's model; with bursts of 1, losses are independent."""
        loss, burst = self.impairment.loss, self.impairment.burst
        if burst == 1 or loss in (0, 1):
            return fate < loss
        self._bad = fate >= 1 / burst if self._bad else fate < loss / (burst * (1 - loss))
        return self._bad

    def _is_out(self, now_s: float) -> bool:
        outage_s = self.impairment.outage_s
        return outage_s is not None and outage_s[0] <= now_s < outage_s[1]

    def _through_queue(self, size: int, now_s: float) -> float | None:
        """Return when the packet has passed the limited rate, None where the queue is full."""
        rate_bps = self.impairment.rate_bps
        if rate_bps is None:
            return now_s
        if self.queued_s(now_s) > QUEUE_S:
            return None
        self._free_s = max(self._free_s, now_s - 8 * BUCKET_BYTES / rate_bps) + 8 * size / rate_bps
        return max(self._free_s, now_s)
