"""What the receiver's feedback says of the line, together with what was sent: rates, loss and queueing.

Sans-IO: packets that leave and feedback that comes go in with their times, reports come out. Knows no channels, and
not what is made of a report.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from codec.feedback import BITS, BYTES_CYCLE, MS_CYCLE, PACKETS_CYCLE, Feedback, Transit
from codec.time import TICK_CYCLE
from sender.coding import Packet
from sender.rate import QUEUE_LIMIT_S, Report

RATE_WINDOW_S = 1.0
SHORTEST_WINDOW_S = 0.4  # two feedbacks apart: rates of less are noise
LOSS_WINDOW_S = 5.0
# Runs of losses come and go, so that five seconds may see too few: loss is remembered for longer than it is waited for.
LONG_LOSS_WINDOW_S = 20.0
# So many lost packets are taken to have been followed by one that came, so that one run alone proves nothing.
DOUBTED = 3.0
LEAST_COUNTED = 8  # packets, before a share of them means something
# A call's first feedbacks come too close together for rates. That a line loses packets shows by then: so many lost of
# so many known.
EARLY_LOST, EARLY_KNOWN = 2, 5
# Nothing new for so long is no overfull line, from which some of it always comes, but a dead one, or nobody before the
# camera. It says nothing of the rate, and what was measured before it no longer holds.
SILENCE_S = 1.0
KEPT = 512  # packets sent: 20 s of them at 25 a second

# The shortest way of the last minute is the empty line's: two clocks drift apart by 12 ms in that time at most (200
# parts in a million), and no queue stands for so long before it is noticed.
BASE_BUCKET_S = 10.0
BASE_BUCKETS = 6
# A queue of our own is gone within seconds of our sending less. What neither grows nor shrinks for so long, while next
# to nothing is lost, is a way that has become longer: another network's, or one behind somebody else's bytes.
STANDING_S = 5.0
STANDING_SPREAD_S = 0.02  # between the shortest ways of the two halves of it
STANDING_LOSS = 0.03
# The shortest of the last two feedbacks' ways counts: jitter adds to a packet, a queue to all.
FILTERED = 2
LONGEST_QUEUE_S = 3.0  # more than any router holds: the receiver counts anew
# After so long without a way the line may be another one, whose empty way is longer. And of half a cycle of capture
# times (34 s) the receiver counts one cycle too few: that moves ways by 2.7 s, as their own cycle is another.
ANOTHER_LINE_S = 2.0


@dataclass
class _Sent:
    ticks: int
    captured_s: float
    at_s: float
    count: int  # packets sent until then, this one with them
    copies: int
    came: bool | None = None  # in any copy; None: nothing has been said of it


@dataclass(frozen=True)
class _Counted:
    """Packets sent between the newest motions of two feedbacks, and those of them that came."""

    at_s: float
    sent: int
    arrived: int


@dataclass(frozen=True)
class _Sample:
    """What stood fast when a feedback came; `count` packets had been sent when the newest that had come was."""

    at_s: float
    count: int
    arrived_packets: int
    arrived_bytes: int
    sent_bytes: int


class LineMeter:
    """Turns feedback into reports."""

    def __init__(self) -> None:
        self._count = 0
        self._sent: deque[_Sent] = deque(maxlen=KEPT)
        self._samples: deque[_Sample] = deque()
        self._counted: deque[_Counted] = deque()
        self._queue = QueueMeter()
        self._queueing_s = 0.0
        self._began = False  # there has been a report with rates

    def sent(self, packet: Packet, *, taken: bool, at_s: float, copies: int = 1) -> None:
        """Note a packet that was given to the line, and will be so `copies` times in all; where it was not `taken`, one
        was lost before the line."""
        self._count += taken
        self._sent.append(_Sent(packet.ticks, packet.captured_s, at_s, self._count, copies))

    def sent_again(self) -> None:
        """Note that another copy of a packet was given to the line."""
        self._count += 1

    def take(self, feedback: Feedback, *, at_s: float, sent_bytes: int) -> Report | None:
        """Return what a feedback says that came just now; None where it says nothing new, or too little yet.

        `sent_bytes` is all that has been sent, at the IP layer.
        """
        newest = next(self._captured(feedback.newest_ticks), None)
        # Where no motion came since the feedback before, what else it says is old, be that one lost or not.
        if newest is None or feedback.transit is None:
            return None
        last = self._samples[-1] if self._samples else None
        if last is not None and newest.count <= last.count:
            return None
        if last is not None and at_s - last.at_s > SILENCE_S:
            self._samples.clear()
        self._note_fates(feedback, newest)
        self._note_transit(feedback.transit, newest, at_s)
        sample = _Sample(
            at_s, newest.count, feedback.arrived_packets, feedback.arrived_bytes % BYTES_CYCLE, sent_bytes
        )
        self._count_losses(sample)
        self._samples.append(sample)
        while self._samples[0].at_s < at_s - 2 * RATE_WINDOW_S:
            self._samples.popleft()
        # The window reaches back to the sample next to its length, be it a little longer.
        before = min(self._samples, key=lambda one: abs(at_s - one.at_s - RATE_WINDOW_S))
        elapsed_s = at_s - before.at_s
        if elapsed_s < SHORTEST_WINDOW_S:
            return None if self._began else self._early(at_s)
        self._began = True
        lately, long = self._loss(at_s - LOSS_WINDOW_S), self._loss(at_s - LONG_LOSS_WINDOW_S)
        loss, counted = max(lately, long)
        if self._queueing_s > QUEUE_LIMIT_S and loss < STANDING_LOSS and self._queue.settle(at_s):
            self._queueing_s = 0.0
        arrived_bytes = (sample.arrived_bytes - before.arrived_bytes) % BYTES_CYCLE
        return Report(
            at_s=at_s,
            sent_bps=8 * (sample.sent_bytes - before.sent_bytes) / elapsed_s,
            arrived_bps=8 * arrived_bytes / elapsed_s,
            loss=loss,
            queueing_s=self._queueing_s,
            burst=self._burst(at_s),
            counted=counted,
        )

    def _early(self, at_s: float) -> Report | None:
        """Report what is lost, if that is clear, before anything is known of rates and queues."""
        fates = [sent.came for sent in self._sent if sent.came is not None]
        lost = fates.count(False)
        if lost < EARLY_LOST or len(fates) < EARLY_KNOWN:
            return None
        return Report(
            at_s=at_s,
            sent_bps=0.0,
            arrived_bps=0.0,
            loss=lost / len(fates),
            queueing_s=0.0,
            burst=self._burst(at_s),
            counted=len(fates),
        )

    def _captured(self, ticks: int | None) -> Iterator[_Sent]:
        """Yield the packets whose last motion has this time, the newest first."""
        return (sent for sent in reversed(self._sent) if sent.ticks == ticks)

    def _note_transit(self, transit: Transit, newest: _Sent, at_s: float) -> None:
        quickest = next(self._captured((newest.ticks - transit.behind) % TICK_CYCLE), None)
        if quickest is not None:
            # What the motion waited for before it was sent is no queue of the line's.
            own_ms = 1000 * (quickest.at_s - quickest.captured_s)
            self._queueing_s = self._queue.update(transit.ms - own_ms, at_s)

    def _note_fates(self, feedback: Feedback, newest: _Sent) -> None:
        """Note which of the packets up to the newest that came have come as well."""
        for sent in reversed(self._sent):
            behind = (newest.ticks - sent.ticks) % TICK_CYCLE
            if sent.captured_s > newest.captured_s:
                continue
            if behind > BITS:
                return
            came = behind == 0 or bool(feedback.bitmap >> (behind - 1) & 1)
            sent.came = came or bool(sent.came)  # an overtaken feedback takes nothing back

    def _count_losses(self, sample: _Sample) -> None:
        if self._samples:
            last = self._samples[-1]
            arrived = (sample.arrived_packets - last.arrived_packets) % PACKETS_CYCLE
            self._counted.append(_Counted(sample.at_s, sample.count - last.count, arrived))
        while self._counted and self._counted[0].at_s < sample.at_s - LONG_LOSS_WINDOW_S:
            self._counted.popleft()

    def _loss(self, since_s: float) -> tuple[float, int]:
        """Return the share of packets lost since then, and of how many."""
        counted = [one for one in self._counted if one.at_s > since_s]
        sent = sum(one.sent for one in counted)
        if sent < LEAST_COUNTED:
            return 0.0, sent
        return min(max(1 - sum(one.arrived for one in counted) / sent, 0.0), 1.0), sent

    def _burst(self, at_s: float) -> float:
        """Return how many packets are lost in a row, in the mean.

        What is known is of which packets no copy came. After such a one the next is lost as well, in all of its copies,
        with the chance that a run goes on for so many packets.
        """
        lost, again, copies = DOUBTED, 0.0, 0.0
        for before, sent in pairwise(self._sent):
            if before.came is False and sent.came is not None and before.at_s > at_s - LONG_LOSS_WINDOW_S:
                lost, again, copies = lost + 1, again + (not sent.came), copies + sent.copies
        if not again:
            return 1.0
        return 1 / (1 - (again / lost) ** ((lost - DOUBTED) / copies))


class QueueMeter:
    """How much longer the way is than on the empty line, from ways in milliseconds with an unknown offset, modulo
    2**16."""

    def __init__(self) -> None:
        self._origin_ms: float | None = None
        self._measured_s = 0.0  # the last time
        self._bases: deque[tuple[float, float]] = deque(maxlen=BASE_BUCKETS)  # since when, and the shortest
        self._newest: deque[float] = deque(maxlen=FILTERED)
        self._lately: deque[tuple[float, float]] = deque()  # ways of the last `STANDING_S`, and when

    def update(self, way_ms: float, at_s: float) -> float:
        """Take a way as it was measured, and return the queueing delay in seconds."""
        if at_s - self._measured_s > ANOTHER_LINE_S:
            self._origin_ms = None
        self._measured_s = at_s
        if self._origin_ms is not None:
            way_s = self._continued(way_ms, self._origin_ms)
            if abs(way_s - self._base()) > LONGEST_QUEUE_S:
                self._origin_ms = None
        if self._origin_ms is None:
            self._origin_ms, way_s = way_ms, 0.0
            self._bases.clear()
            self._newest.clear()
            self._lately.clear()
        if not self._bases or at_s - self._bases[-1][0] > BASE_BUCKET_S:
            self._bases.append((at_s, way_s))
        elif way_s < self._bases[-1][1]:
            self._bases[-1] = self._bases[-1][0], way_s
        self._newest.append(way_s)
        self._lately.append((at_s, way_s))
        while self._lately[0][0] < at_s - STANDING_S:
            self._lately.popleft()
        return min(self._newest) - self._base()

    def settle(self, at_s: float) -> bool:
        """Take the way as it is for the empty line's, where it has been as long for `STANDING_S`; returns whether it
        has."""
        middle_s = at_s - STANDING_S / 2
        before = [way_s for when_s, way_s in self._lately if when_s < middle_s]
        after = [way_s for when_s, way_s in self._lately if when_s >= middle_s]
        if not before or self._lately[0][0] > at_s - STANDING_S + ANOTHER_LINE_S / 4:
            return False
        shortest_s = min(*before, *after)
        if (
            max(min(before), min(after)) - shortest_s > STANDING_SPREAD_S
            or shortest_s - self._base() < QUEUE_LIMIT_S
        ):
            return False
        self._bases.clear()
        self._bases.append((at_s, shortest_s))
        return True

    def _base(self) -> float:
        return min(shortest for _, shortest in self._bases)

    @staticmethod
    def _continued(way_ms: float, origin_ms: float) -> float:
        """Return by how many seconds a way is longer than the first one, at most half a cycle either way."""
        return ((way_ms - origin_ms + MS_CYCLE / 2) % MS_CYCLE - MS_CYCLE / 2) / 1000
