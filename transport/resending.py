"""Reliable data that got lost goes again soon: a part of `reliable`, and with it tied to aiortc's private parts.

aiortc 1.16 sends again what three acknowledgements have left out, or what a second or more has brought nothing of. Here
messages are few, and with them acknowledgements, so the first counts that tells of something sent clearly later, and
where nothing was sent later the oldest goes again after some round trips: RACK and its tail loss probe (RFC 8985), for
an association whose other side answers at once. It does not know what the messages carry.
"""

import asyncio
import time
from collections import deque
from typing import Any

from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import DataChunk, SackChunk
from aiortc.utils import uint32_gte

STRIKES = 3  # so many acknowledgements upstream waits for
# What is sent closer together than this may overtake each other; a quarter of the round trip as in RFC 8985.
OVERTAKING_S, OVERTAKING_SHARE = 0.03, 0.25
PROBE_S, PROBE_ROUND_TRIPS = 0.1, 2.0  # as long as nothing is answered, until the oldest goes again
FIRST_PROBE_S = 0.4  # before a round trip is known; upstream's 3 s are the RFC's
# Each wait is longer, to some five times the first: probes are small enough for any line, and what has returned is
# found out soon. From the second one on it may be the answer that got lost, so that what was sent after goes along.
PROBE_GROWTH, PROBE_LONGER = 1.5, 4
# A narrow line takes long for what is large, and must not be given it twice for that: before one was answered, it is
# counted at this rate.
LARGE_BYTES = 400
NARROW_BPS = 20_000.0
ROUND_TRIPS = 8
REMEMBERED = 32  # chunks that went again and are answered


class Resending:
    """Watches the chunks of one association. Times are not upstream's clock, which is set now and then, but monotonic:
    a chunk's `_went_s` says when it was sent last."""

    def __init__(self, sctp: RTCSctpTransport) -> None:
        self._sctp: Any = sctp
        # By TSN: when the chunks under way were sent first and last, and what those took that went again.
        self._first_s: dict[int, float] = {}
        self._sent_s: dict[int, float] = {}
        self._took_s: dict[int, float] = {}
        self._round_trips_s: deque[float] = deque(maxlen=ROUND_TRIPS)
        self._large_answered = False
        self._tries = 0
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Send nothing again any more."""
        self._sent_s.clear()
        self._first_s.clear()
        self._disarm()

    def sent(self, chunk: DataChunk) -> None:
        """Note that a chunk goes out, for the first time or again."""
        now_s = time.monotonic()
        self._first_s.setdefault(chunk.tsn, now_s)
        self._sent_s[chunk.tsn] = chunk._went_s = now_s  # type: ignore[attr-defined]
        if self._timer is None:
            self._arm()

    def heard(self, sack: SackChunk) -> None:
        """Learn from an acknowledgement, before upstream does, and have upstream send again what must be lost."""
        self._learn_waits(sack)
        if not self._sent_s:
            return
        told = {
            (sack.cumulative_tsn + place) % 2**32
            for first, last in sack.gaps
            for place in range(first, last + 1)
        }
        now_s, newest_s, answered = time.monotonic(), 0.0, False
        missing: list[DataChunk] = []
        for chunk in self._sctp._sent_queue:
            known = uint32_gte(sack.cumulative_tsn, chunk.tsn) or chunk.tsn in told
            if not known and chunk.tsn in self._sent_s:
                missing.append(chunk)
            elif known:
                newest_s = max(newest_s, chunk._went_s)
            if known and self._sent_s.pop(chunk.tsn, None) is not None:
                answered = True
                took_s = now_s - self._first_s.pop(chunk.tsn)
                # Where something went again, it may be an earlier answer that was lost.
                if not self._tries and chunk._sent_count == 1:
                    self._round_trips_s.append(took_s)
                    self._large_answered |= len(chunk.user_data) >= LARGE_BYTES
                elif chunk._sent_count == 2:
                    self._took_s[chunk.tsn] = took_s
        overtaking_s = max(OVERTAKING_S, OVERTAKING_SHARE * self._slowest_s)
        for chunk in missing:
            if not chunk._retransmit and newest_s - self._sent_s[chunk.tsn] > overtaking_s:
                chunk._misses = STRIKES - 1
        if answered:
            self._tries = 0
            self._arm()

    def _learn_waits(self, sack: SackChunk) -> None:
        """Learn how long round trips are from what came twice although its first answer was on its way: a queue had
        grown before it. Where the answer got lost, the one that tells of the second coming is the first."""
        for tsn in sack.duplicates:
            if (took_s := self._took_s.pop(tsn, None)) is not None:
                self._round_trips_s.append(took_s)
        for tsn in list(self._took_s)[:-REMEMBERED]:
            del self._took_s[tsn]

    @property
    def _slowest_s(self) -> float:
        return max(self._round_trips_s, default=0.0)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Wait anew for an answer, if there is something to be answered."""
        self._disarm()
        waiting = self._oldest(1)
        if not waiting:
            return
        wait_s = PROBE_S + PROBE_ROUND_TRIPS * self._slowest_s if self._round_trips_s else FIRST_PROBE_S
        if not self._large_answered:
            wait_s += 8 * len(waiting[0].user_data) / NARROW_BPS
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(wait_s * PROBE_GROWTH ** min(self._tries, PROBE_LONGER), self._probe)

    def _oldest(self, count: int) -> list[DataChunk]:
        """Return so many of the first chunks that wait for their answers."""
        return [chunk for chunk in self._sctp._sent_queue if chunk.tsn in self._sent_s][:count]

    def _probe(self) -> None:
        self._timer = None
        oldest = self._oldest(2 if self._tries else 1)
        if not oldest or self._sctp._association_state != RTCSctpTransport.State.ESTABLISHED:
            return
        self._tries += 1
        for chunk in oldest:
            chunk._retransmit = True
            self._sctp._flight_size_decrease(chunk)
        self._sctp._fast_recovery_transmit = True  # whatever the window holds
        sending = asyncio.ensure_future(self._sctp._transmit())
        # A line that has gone away meanwhile is noticed elsewhere.
        sending.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._arm()
