"""Capture times to a recording's time stamps: from 0 on, always rising, across gaps and restarts."""

from codec.time import TICK_CYCLE, TICKS_PER_SECOND
from receiver.playout import RESTART_S, Shown

# Two pictures of a recording are at least this far apart (one step of the video files' time base).
MIN_STEP_S = 1 / 600
CYCLE_S = TICK_CYCLE / TICKS_PER_SECOND


class Timeline:
    """Gives each shown picture its time in the recording, in seconds."""

    def __init__(self) -> None:
        self._origin_s: float | None = None  # the time stamp of tick 0
        self._stamp_s = 0.0
        self._ahead_s = 0.0  # of the last picture: its time stamp less when it was shown
        self._stamped = False

    def stamp_s(self, shown: Shown, shown_s: float) -> float:
        """Return the time of a picture shown at `shown_s` of any steady clock; each is later than the last.

        A fresh picture stands at its capture time; what fills a gap stands as long after the picture before
        as it was shown after it. Where capture times leap (a sender that starts anew), the time that passed
        here counts. A face that idles was captured at no time, and its ticks stand still.
        """
        if shown.kind == "idle":
            return self.pass_s(shown_s)
        captured_s = shown.ticks / TICKS_PER_SECOND
        if not self._stamped:
            self._origin_s = -captured_s
            stamp_s = 0.0
        else:
            passed_s = shown_s + self._ahead_s
            if self._origin_s is None or abs(self._origin_s + captured_s - passed_s) > RESTART_S:
                self._origin_s = passed_s - captured_s
            stamp_s = self._origin_s + captured_s if shown.kind == "fresh" else passed_s
            stamp_s = max(stamp_s, self._stamp_s + MIN_STEP_S)
        self._stamp_s, self._ahead_s, self._stamped = stamp_s, stamp_s - shown_s, True
        return stamp_s

    def pass_s(self, shown_s: float) -> float:
        """Return the time of a picture that has no capture time, shown at `shown_s` of the same clock."""
        if self._stamped:
            self._stamp_s = max(shown_s + self._ahead_s, self._stamp_s + MIN_STEP_S)
        self._stamped, self._ahead_s = True, self._stamp_s - shown_s
        return self._stamp_s

    def begin(self, ticks: float) -> None:
        """Let this moment of capture be that of the last picture, where none has had a capture time so far."""
        if self._stamped and self._origin_s is None:
            self._origin_s = self._stamp_s - ticks / TICKS_PER_SECOND

    def place_s(self, ticks: float, shown_s: float) -> float | None:
        """Return where in the recording a moment of capture lies, in seconds; None before the first picture.

        For what goes with the pictures and comes at `shown_s` of the same clock; before the recording's beginning it is
        negative. Counts that no motion has kept right for half a cycle of the wire's 12 bits leave out whole cycles, so
        the place nearest to that of a picture shown now is the one, whatever the other side says of its clock.
        """
        if self._origin_s is None:
            return None
        place_s = self._origin_s + ticks / TICKS_PER_SECOND
        return place_s + CYCLE_S * round((shown_s + self._ahead_s - place_s) / CYCLE_S)
