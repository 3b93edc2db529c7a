"""When the next piece of a large control message may go, so that motion does not wait behind it.

A piece that is on its way stands in front of every later motion in the routers of a narrow line, so pieces are held
back here and go a few at a time. Sans-IO: the clock and the state of the line are arguments.
"""

import math
from collections import deque

TICK_S = 1 / 30  # how often the owner asks: once a frame
PIECES_A_TICK = 2
RATE_BPS = 480_000.0  # two pieces of 1000 bytes a tick
BURST_BYTES = 2_200  # two of the largest pieces
BURST_S = 0.1  # and no more than goes in this time, or one piece and what a tick adds
FRAMING_BYTES = 107  # what the layers down to IP add to a piece
# What may go at once under a limit on everything: a small share of the five seconds over which it is judged.
LIMIT_DEPTH_S = 0.4
WINDOW_PIECES = 3  # with so many unacknowledged no more go: it bounds what a slow line has yet to carry

QUEUEING_LIMIT_S = 0.1  # the line holds our bytes back for longer: it carries less than we send
TRICKLE_S = 0.5  # even then one piece goes this often, so that a picture always arrives in the end
MEMORY_S = 10.0  # the shortest round trip of the last 10 to 20 s counts as the empty line's


class Pacer:
    """A first-in first-out queue of pieces that gives them out at `rate_bps` while the line is free.

    `limit_bps` holds for all that this side sends, at the IP layer: pieces go with what the rest leaves of it.
    """

    def __init__(self, *, rate_bps: float = RATE_BPS, limit_bps: float | None = None) -> None:
        self.rate_bps = rate_bps
        self.limit_bps = limit_bps
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._allowance = float(BURST_BYTES)
        self._spare = 0.0  # bytes below the limit, less than 0 where it was exceeded
        self._sent_bytes: int | None = None
        self._asked_s: float | None = None
        self._gave_s = float("-inf")

    @property
    def waiting(self) -> int:
        """Pieces that have not been given out yet."""
        return len(self._pieces)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that have not been given out yet."""
        return self._waiting_bytes

    def push(self, piece: bytes) -> None:
        """Queue one piece of at most `BURST_BYTES`."""
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)

    def clear(self) -> None:
        """Forget what is queued."""
        self._pieces.clear()
        self._waiting_bytes = 0

    def take(self, now_s: float, *, idle: bool, queueing_s: float, sent_bytes: int = 0) -> list[bytes]:
        """Give out the pieces that may go now: at most `PIECES_A_TICK`.

        `idle` says that the association has sent what it was given and has most of it acknowledged;
        `queueing_s` is by how much the round trip is longer than on the empty line, `sent_bytes` is all that has been
        sent so far, at the IP layer.
        """
        elapsed_s = 0.0 if self._asked_s is None else now_s - self._asked_s
        self._asked_s = now_s
        # A narrow line has not carried two pieces by the next tick, so it is not given two at once.
        piece = len(self._pieces[0]) + TICK_S * self.rate_bps / 8 if self._pieces else 0.0
        burst = max(BURST_S * self.rate_bps / 8, piece)
        self._allowance = min(burst, BURST_BYTES, self._allowance + elapsed_s * self.rate_bps / 8)
        self._account(elapsed_s, sent_bytes)
        limit = PIECES_A_TICK
        if not idle:
            limit = 0
        elif queueing_s > QUEUEING_LIMIT_S:
            limit = 1 if now_s - self._gave_s >= TRICKLE_S else 0
        given: list[bytes] = []
        spare = self._spare  # what is given now is in `sent_bytes` the next time
        while self._pieces and len(given) < limit:
            size = len(self._pieces[0])
            # A piece that is larger than what may go at once is paid for after it has gone.
            if size > self._allowance or min(size + FRAMING_BYTES, self._depth) > spare:
                break
            given.append(self._pieces.popleft())
            self._waiting_bytes -= size
            self._allowance -= size
            spare -= size + FRAMING_BYTES
        if given:
            self._gave_s = now_s
        return given

    def _account(self, elapsed_s: float, sent_bytes: int) -> None:
        """Take what was sent since the last time off what the limit has allowed since; at first the whole meeting."""
        if self.limit_bps is None:
            self._spare = math.inf
            return
        if self._sent_bytes is None:
            self._spare, self._sent_bytes, elapsed_s = self._depth, 0, 0.0
        self._spare += elapsed_s * self.limit_bps / 8 - (sent_bytes - self._sent_bytes)
        self._spare = min(self._spare, self._depth)
        self._sent_bytes = sent_bytes

    @property
    def _depth(self) -> float:
        return math.inf if self.limit_bps is None else LIMIT_DEPTH_S * self.limit_bps / 8


class QueueingDelay:
    """How much longer the round trip is now than on the empty line, from round-trip times as they are measured."""

    def __init__(self) -> None:
        self._shortest_s = float("inf")
        self._earlier_s = float("inf")
        self._since_s = float("-inf")

    def update(self, now_s: float, round_trip_s: float | None) -> float:
        """Take the newest round-trip time and return the delay in seconds; 0 while nothing is known."""
        if round_trip_s is None:
            return 0.0
        if now_s - self._since_s > MEMORY_S:
            self._earlier_s, self._shortest_s, self._since_s = self._shortest_s, round_trip_s, now_s
        self._shortest_s = min(self._shortest_s, round_trip_s)
        return round_trip_s - min(self._shortest_s, self._earlier_s)
