"""Capture times to a recording's time stamps: from 0 on, always rising, across gaps and restarts."""

from receiver.clock import TICKS_PER_SECOND
from receiver.playout import RESTART_S, Shown

# Two pictures of a recording are at least this far apart (one step of the video files' time base).
MIN_STEP_S = 1 / 600


class Timeline:
    """Gives each shown picture its time in the recording, in seconds."""

    def __init__(self) -> None:
        self._origin_s: float | None = None  # the time stamp of tick 0
        self._stamp_s = 0.0
        self._shown_s = 0.0

    def stamp_s(self, shown: Shown, shown_s: float) -> float:
        """Return the time of a picture shown at `shown_s` of any steady clock; each is later than the last.

        A fresh picture stands at its capture time; what fills a gap stands as long after the picture before
        as it was shown after it. Where capture times leap (a sender that starts anew), the time that passed
        here counts.
        """
        captured_s = shown.ticks / TICKS_PER_SECOND
        if self._origin_s is None:
            self._origin_s = -captured_s
            stamp_s = 0.0
        else:
            passed_s = self._stamp_s + shown_s - self._shown_s
            if abs(self._origin_s + captured_s - passed_s) > RESTART_S:
                self._origin_s = passed_s - captured_s
            stamp_s = self._origin_s + captured_s if shown.kind == "fresh" else passed_s
            stamp_s = max(stamp_s, self._stamp_s + MIN_STEP_S)
        self._stamp_s, self._shown_s = stamp_s, shown_s
        return stamp_s

    def place_s(self, ticks: float) -> float | None:
        """Return where in the recording a moment of capture lies, in seconds; None before the first picture.

        For what goes with the pictures; before the recording's beginning it is negative.
        """
        return None if self._origin_s is None else self._origin_s + ticks / TICKS_PER_SECOND
