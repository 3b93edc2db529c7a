"""What passes at the two ends of a loopback call: when each frame was captured and shown, and the pictures.

Hangs on the sender's and the receiver's hooks, on their threads; frames are known by their capture time on the
wire. Knows no bytes and no connection.
"""

import statistics
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Literal

from call.pairs import Pairs, Picture
from codec.time import TICK_CYCLE

if TYPE_CHECKING:
    from receiver.playout import Shown

# The newest frames over which latencies are taken: ten minutes at 30 frames a second.
MEASURED = 18_000


class Watch:
    """Follows frames from the camera to the screen. `pairs` None keeps no pictures.

    Where frames do not come in real time (`live` False) their times are the clip's own, and there is no latency.
    """

    def __init__(self, pairs: Pairs | None, *, live: bool = True) -> None:
        self._pairs = pairs
        self._live = live
        self._lock = threading.Lock()
        # By the capture time on the wire, which comes again every 68 s: each frame's number and capture time.
        self._captured: dict[int, tuple[int, float]] = {}
        self._latencies_s: deque[float] = deque(maxlen=MEASURED)
        self._fresh_s: deque[tuple[float, float]] = deque(maxlen=MEASURED)  # when captured, and when shown
        self.first_shown_s: float | None = None  # the first picture, of whatever kind
        self._first_s: float | None = None
        self._last_s = 0.0
        self._frames = 0
        self._source: Picture | None = None

    def on_frame(self, index: int, ticks: int, captured_s: float, picture: Picture) -> None:
        """Take the sender's hook: a frame is about to be sent."""
        # Both ends count ticks on, but not always from the same cycle; within one they agree.
        key = ticks % TICK_CYCLE
        with self._lock:
            number = self._frames
            self._captured[key] = number, captured_s
            self._frames += 1
            self._first_s = captured_s if self._first_s is None else self._first_s
            self._last_s = captured_s
        if self._pairs is not None:
            self._pairs.add_original(number, picture)

    def on_shown(self, shown: "Shown", picture: Picture, shown_s: float) -> None:
        """Take the receiver's hook: a picture is on the screen."""
        self.first_shown_s = shown_s if self.first_shown_s is None else self.first_shown_s
        if shown.kind != "fresh":
            return
        key = shown.ticks % TICK_CYCLE
        with self._lock:
            captured = self._captured.pop(key, None)
            if captured is None:
                return
            number, captured_s = captured
            if self._live:
                self._latencies_s.append(shown_s - captured_s)
                self._fresh_s.append((captured_s, shown_s))
        if self._pairs is not None:
            self._pairs.add_redrawn(number, picture)

    def on_source(self, slot: int, picture: Picture) -> None:
        """Take the receiver's hook: this is what faces are drawn from."""
        self._source = picture

    @property
    def source(self) -> Picture | None:
        """The source picture as the receiver has it; None before it came."""
        return self._source

    @property
    def began(self) -> bool:
        """Whether a frame has been sent."""
        return self._first_s is not None

    @property
    def seconds(self) -> float:
        """For how long frames were sent: from the first one's capture to the end of the last one."""
        if self._first_s is None or self._frames < 2:
            return 0.0
        return (self._last_s - self._first_s) * self._frames / (self._frames - 1)

    @property
    def frame_rate(self) -> float:
        """Frames a second as they were sent; 25 before there are two."""
        return self._frames / self.seconds if self.seconds > 0 else 25.0

    def latency_ms(self, which: Literal["median", "p95"]) -> float | None:
        """Return capture-to-shown latency in milliseconds; None where nothing was shown live."""
        with self._lock:
            latencies_s = list(self._latencies_s)
        if len(latencies_s) < 2:
            return 1000 * latencies_s[0] if latencies_s else None
        if which == "median":
            return 1000 * statistics.median(latencies_s)
        return 1000 * statistics.quantiles(latencies_s, n=20, method="inclusive")[-1]

    def newest_latency_ms(self) -> float | None:
        """Return the latency of the frame shown last."""
        return 1000 * self._latencies_s[-1] if self._latencies_s else None

    def recovery_s(self, began_s: float, ended_s: float) -> float | None:
        """Return how long after the end of an outage a motion from its time or later was shown fresh; None: never."""
        with self._lock:
            times_s = list(self._fresh_s)
        after_s = (shown - ended_s for captured, shown in times_s if captured > began_s and shown > ended_s)
        return next(after_s, None)

    def age_s(self) -> float:
        """Return how long ago the first frame was captured."""
        return 0.0 if self._first_s is None else time.monotonic() - self._first_s
