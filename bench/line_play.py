"""A call over a bad line in simulated time: the sender's rate controller, the receiver's feedback and playout, and
what both put on the wire, so that minutes take a moment and every run is the same.

The controller, its meter, the feedback, the playout and the line are the call's own; packets have the sizes of the
controller's table and motions are all alike, since neither codec nor networks are run.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from codec.decoder import DecodedMotion
from codec.feedback import BYTES_CYCLE, SHOWN_CYCLE, Feedback
from codec.motion import Motion
from codec.predictive_encoder import LONGEST_REFERENCE
from codec.time import TICKS_PER_SECOND
from receiver.playout import Playout
from receiver.received import FEEDBACK_TICK_S, Received
from receiver.stats import ReceiverStats, ShowMeter
from sender.adapting import Adapting, Wanted
from sender.coding import Packet
from sender.operating_points import HEADER_BYTES, PACKET_BYTES
from sender.present import HEADERS_BYTES
from sender.rate import Decision, packet_bytes
from transport.impairment import ImpairedLine, Impairment

FEEDBACK_BYTES = PACKET_BYTES + 28
PIECE_BYTES = 1_000
PICTURE_BYTES = 4_000  # a repair, so often:
PICTURE_EVERY_S = 15.0
DRAWING_S = 0.015  # from due to shown
AWAKE_S = 0.001  # the screen is never asked twice for the same moment

_STILL = Motion(np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros((1, 3), np.float32))


@dataclass(frozen=True)
class SentPacket:
    """A packet in the direction of motion: when it was given to the line, its bytes at the IP layer, and when it
    arrives; None: lost."""

    at_s: float
    size: int
    arrives_s: float | None


class LineCall:
    """Both sides of the call, from the first motion on; `run_until` lets time pass."""

    def __init__(
        self,
        impairment: Impairment,
        *,
        wanted: Wanted,
        predictive: bool = True,
        pictures: bool = True,
        seed: int = 0,
    ) -> None:
        self.now_s = 0.0
        self.line = ImpairedLine(impairment, seed=f"{seed} forward")
        self.back = ImpairedLine(impairment, seed=f"{seed} back")
        self.adapting = Adapting(wanted, at_s=0.0)
        self.playout = Playout()
        self.shows = ShowMeter()
        self.sent: list[SentPacket] = []
        self.sent_back: list[SentPacket] = []
        self._camera_fps = wanted.camera_fps
        self._able = predictive
        self._pictures = pictures
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._coded: list[int] = []  # capture times of the motions sent, in ticks
        self._waiting: list[int] = []
        self._received = Received()
        self._held: set[int] = set()
        self._arrived_bytes = 0
        self._known_ticks: int | None = None
        self._pending, self._allowance = 0, 0.0
        self._asked_s: float | None = None
        self._frame(0)
        self._fed_back_s = 0.0
        self._sent_bytes = 0
        self._at(FEEDBACK_TICK_S, self._feed_back)

    def run_until(self, end_s: float) -> None:
        """Let everything happen that happens before this moment, in seconds."""
        while self._events and self._events[0][0] < end_s:
            self.now_s, _, happens = heapq.heappop(self._events)
            happens()
        self.now_s = end_s

    def show_stats(self) -> ReceiverStats:
        """Return the receiver's figures as they are now; there are no bad packets and no pictures in them."""
        return self.shows.stats(
            self.playout.counts,
            playout_delay_s=self.playout.delay_s,
            frames_unwritten=0,
            packets_bad=0,
            packets_early=0,
            pictures_received=0,
            ended=None,
        )

    @property
    def decision(self) -> Decision:
        """What is sent now."""
        return self.adapting.decision

    def _at(self, at_s: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), happens))

    def _frame(self, index: int) -> None:
        """Take a frame of the camera's, and send what there is to send now."""
        captured_s = index / self._camera_fps
        self._at((index + 1) / self._camera_fps, lambda: self._frame(index + 1))
        if self._pictures:
            self._send_pictures(index)
        if not self.adapting.wants(captured_s):
            return
        predicts = self._able and self._predicts(captured_s)
        self.adapting.depend(predictive=predicts, at_s=self.now_s)
        decision = self.adapting.decision
        self._waiting.append(round(captured_s * TICKS_PER_SECOND))
        if decision.mode == "static" or len(self._waiting) >= decision.bundle:
            self._send_motions(decision)

    def _predicts(self, captured_s: float) -> bool:
        newest = self._known_ticks
        return captured_s < 1 or (
            newest is not None and captured_s * TICKS_PER_SECOND - newest < LONGEST_REFERENCE
        )

    def _send_motions(self, decision: Decision) -> None:
        new, self._waiting = self._waiting, []
        again = self._coded[-decision.back :: -decision.back][: decision.repeat] if decision.repeat else []
        self._coded = [*self._coded[-16:], *new]
        size = packet_bytes(decision)
        newest_s = new[-1] / TICKS_PER_SECOND
        packet = Packet(bytes(HEADER_BYTES), len(new), newest_s)
        for copy in range(decision.copies):
            post = partial(self._post, packet, size, new, again, first=copy == 0)
            self._at(self.now_s + copy * decision.copies_apart_s, post)

    def _post(self, packet: Packet, size: int, new: list[int], again: list[int], *, first: bool) -> None:
        if not first:
            self.adapting.sent_again()
        else:
            self.adapting.sent(packet, taken=True, at_s=self.now_s, copies=self.decision.copies)
        self._send(size, lambda: self._arrive(new, again))

    def _send(self, size: int, arrives: Callable[[], None]) -> None:
        self._sent_bytes += size
        arrivals_s = self.line.arrivals_s(size, self.now_s)
        self.sent.append(SentPacket(self.now_s, size, min(arrivals_s, default=None)))
        for at_s in arrivals_s:
            self._at(at_s, lambda: self._count(size, arrives))

    def _count(self, size: int, arrives: Callable[[], None]) -> None:
        self._arrived_bytes += size
        arrives()

    def _arrive(self, new: list[int], again: list[int]) -> None:
        self._received.count()
        for ticks in new:
            self._received.add(ticks)
        self._received.time(new[-1], self.now_s)
        lacking = [ticks for ticks in again if ticks not in self._held]
        self._held.update(new)
        for ticks in (*lacking, *new):
            self.playout.push(DecodedMotion(ticks, 0, _STILL), self.now_s)
        self._show()

    def _show(self) -> None:
        """Draw what is due, and come back when something will be."""
        if self._asked_s is not None and self.now_s >= self._asked_s:
            self._asked_s = None
        while (shown := self.playout.next(self.now_s)) is not None:
            self.shows.add(shown, began_s=self.now_s, shown_s=self.now_s + DRAWING_S)
        due_s = self.playout.due_s()
        if due_s is not None and (self._asked_s is None or due_s < self._asked_s):
            self._asked_s = max(due_s, self.now_s + AWAKE_S)
            self._at(self._asked_s, self._show)

    def _feed_back(self) -> None:
        self._at(self.now_s + FEEDBACK_TICK_S, self._feed_back)
        if not self._received.is_due(self.now_s - self._fed_back_s + AWAKE_S):
            return
        self._fed_back_s = self.now_s
        received, counts = self._received, self.playout.counts
        feedback = Feedback(
            newest_ticks=received.newest_ticks,
            bitmap=received.bitmap,
            playout_delay_ms=round(1000 * self.playout.delay_s),
            shown=(counts.fresh + counts.interpolated) % SHOWN_CYCLE,
            source=0,
            arrived_packets=received.packets,
            arrived_bytes=self._arrived_bytes % BYTES_CYCLE,
            transit=received.take_transit(),
        )
        for at_s in self._send_back(FEEDBACK_BYTES):
            self._at(at_s, lambda: self._learn(feedback))

    def _send_back(self, size: int) -> list[float]:
        arrivals_s = self.back.arrivals_s(size, self.now_s)
        self.sent_back.append(SentPacket(self.now_s, size, min(arrivals_s, default=None)))
        return arrivals_s

    def _learn(self, feedback: Feedback) -> None:
        if feedback.newest_ticks is None:
            return
        now = round(self.now_s * TICKS_PER_SECOND)
        self._known_ticks = now - (now - feedback.newest_ticks) % 4096
        self.adapting.take(
            feedback,
            at_s=self.now_s,
            sent_bytes=self._sent_bytes,
            predictive=self._able,
        )

    def _send_pictures(self, index: int) -> None:
        """Send what the decision leaves for pictures, a piece a frame at most."""
        if index % round(PICTURE_EVERY_S * self._camera_fps) == 0:
            self._pending += PICTURE_BYTES
        whole = PIECE_BYTES + HEADERS_BYTES
        self._allowance = min(
            self._allowance + self.decision.repair_bytes_per_s / self._camera_fps, 2.0 * PIECE_BYTES
        )
        if self._pending and self._allowance >= whole:
            self._allowance -= whole
            self._pending -= PIECE_BYTES
            self._send(whole, lambda: None)
