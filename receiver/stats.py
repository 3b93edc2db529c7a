"""What the receiving side counts and measures; bounded memory however long the call. Knows no threads."""

import statistics
from collections import deque
from dataclasses import dataclass

from receiver.playout import PlayoutCounts, Shown

FROZEN_S = 0.2  # a face that stands still for longer is seen to

MEASURED = 1024  # the newest pictures, over which times are taken: 40 s at 25 frames


@dataclass(frozen=True)
class ReceiverStats:
    """A call as the receiving side saw it; times are milliseconds, None where nothing was shown.

    `frames_late` came when something newer was shown or due, `frames_skipped` were due while drawing was behind,
    `frames_unwritten` were drawn but found the output's queue full. `packets_early` came before the hello or
    the source picture that they name. `added_ms` is the time from a motion's arrival to its drawn picture. `frozen_s`
    adds up the gaps of more than 0.2 s between pictures that are fresh or interpolated.

    `shown_share` is that of display ticks, one for each frame of the sender's camera from the first picture to the
    last, with a new picture that is fresh or interpolated: between two such pictures that are n ticks apart, n - 1 lack
    one, and there are never more ticks with a picture than pictures. What stands still or was extrapolated counts as
    lacking.
    """

    frames_fresh: int
    frames_interpolated: int
    frames_extrapolated: int
    frames_relaxed: int
    frames_late: int
    frames_skipped: int
    frames_duplicate: int
    frames_unwritten: int
    packets_bad: int
    packets_early: int
    pictures_received: int
    restarts: int
    shown_s: float
    shown_share: float | None
    longest_gap_ms: float | None
    frozen_s: float
    playout_delay_ms: float
    draw_ms_p50: float | None
    added_ms_p50: float | None
    added_ms_p95: float | None
    ended: str | None


class ShowMeter:
    """Measures pictures as they are shown."""

    def __init__(self) -> None:
        self.frame_s = 1 / 25  # a display tick: a frame of the sender's camera
        self._good = 0  # pictures that are fresh or interpolated
        self._lacking = 0  # ticks without one
        self._first_s: float | None = None
        self._last_s = 0.0
        self._good_s: float | None = None  # the last fresh or interpolated picture
        self._longest_gap_s: float | None = None
        self._frozen_s = 0.0
        self._draw_s: deque[float] = deque(maxlen=MEASURED)
        self._added_s: deque[float] = deque(maxlen=MEASURED)

    def add(self, shown: Shown, *, began_s: float, shown_s: float) -> None:
        """Note a picture whose drawing began and ended at these times (monotonic seconds)."""
        self._first_s = shown_s if self._first_s is None else self._first_s
        self._last_s = shown_s
        self._draw_s.append(shown_s - began_s)
        if shown.arrived_s is not None:
            self._added_s.append(shown_s - shown.arrived_s)
        if shown.kind in ("fresh", "interpolated"):
            if self._good_s is not None:
                gap_s = shown_s - self._good_s
                self._longest_gap_s = max(self._longest_gap_s or 0.0, gap_s)
                self._frozen_s += gap_s if gap_s > FROZEN_S else 0.0
                self._lacking += self._ticks_within(gap_s)
            self._good += 1
            self._good_s = shown_s

    def _ticks_within(self, gap_s: float) -> int:
        """Return how many whole ticks passed between two pictures without one: a picture that comes late by less than a
        tick, and whose follower is on time, lacks none."""
        return max(int(gap_s / self.frame_s + 1e-6) - 1, 0)

    @property
    def shown_share(self) -> float | None:
        """The share of display ticks with a new picture that is fresh or interpolated; None before there are two."""
        if self._first_s is None or self._last_s <= self._first_s:
            return None
        ticks = max(round((self._last_s - self._first_s) / self.frame_s), 1)
        since_s = self._last_s - (self._first_s if self._good_s is None else self._good_s)
        lacking = self._lacking + max(round(since_s / self.frame_s), 0)
        return max(min(1 - lacking / ticks, self._good / ticks), 0.0)

    def stats(
        self,
        counts: PlayoutCounts,
        *,
        playout_delay_s: float,
        frames_unwritten: int,
        packets_bad: int,
        packets_early: int,
        pictures_received: int,
        ended: str | None,
    ) -> ReceiverStats:
        """Put the measured times and everybody's counts together."""
        return ReceiverStats(
            frames_fresh=counts.fresh,
            frames_interpolated=counts.interpolated,
            frames_extrapolated=counts.extrapolated,
            frames_relaxed=counts.relaxed,
            frames_late=counts.late,
            frames_skipped=counts.skipped,
            frames_duplicate=counts.duplicates,
            frames_unwritten=frames_unwritten,
            packets_bad=packets_bad,
            packets_early=packets_early,
            pictures_received=pictures_received,
            restarts=counts.restarts,
            shown_s=0.0 if self._first_s is None else self._last_s - self._first_s,
            shown_share=self.shown_share,
            longest_gap_ms=None if self._longest_gap_s is None else 1000 * self._longest_gap_s,
            frozen_s=self._frozen_s,
            playout_delay_ms=1000 * playout_delay_s,
            draw_ms_p50=_percentile_ms(self._draw_s, 50),
            added_ms_p50=_percentile_ms(self._added_s, 50),
            added_ms_p95=_percentile_ms(self._added_s, 95),
            ended=ended,
        )


def _percentile_ms(times_s: deque[float], percent: int) -> float | None:
    if len(times_s) < 2:
        return 1000 * times_s[0] if times_s else None
    return 1000 * statistics.quantiles(times_s, n=100, method="inclusive")[percent - 1]
