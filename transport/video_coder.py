"""aiortc's VP8 encoder, kept under a rate (touches private parts of aiortc 1.16).

The receiving side's estimate of the line (REMB) steers aiortc's encoder, but between bounds of aiortc's own, the lower
of which is far above a limit that a person may set. Here the limit counts as well. Each change of rate costs a whole
picture, so the rate goes in steps and rises seldom. It knows no packets and no line.
"""

import time

from aiortc.codecs.vpx import Vp8Encoder

START_BPS = 500_000
MOST_BPS = 1_500_000
LEAST_BPS = 60_000
STEP = 1.25
RISE_S = 5.0  # so long a rate is kept before a higher one is tried


class LimitedEncoder(Vp8Encoder):
    """Encodes to the smaller of what the line was found to carry and `ceiling_bps`."""

    def __init__(self, ceiling_bps: float) -> None:
        super().__init__()
        self._ceiling_bps = ceiling_bps
        self._carried_bps = float(START_BPS)
        self._chosen_s = float("-inf")
        self._choose(at_once=True)

    @property
    def ceiling_bps(self) -> float:
        """What is coded takes no more; changed by a person, so it holds at once."""
        return self._ceiling_bps

    @ceiling_bps.setter
    def ceiling_bps(self, ceiling_bps: float) -> None:
        self._ceiling_bps = ceiling_bps
        self._choose(at_once=True)

    @property
    def target_bitrate(self) -> int:
        """The rate that is coded to, bit/s; set by the sender with what the other side estimates."""
        return self._Vp8Encoder__target_bitrate

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        self._carried_bps = float(bitrate)
        self._choose(at_once=False)

    def _choose(self, *, at_once: bool) -> None:
        # What a person allows is no estimate, and is taken whole.
        is_free = self._carried_bps >= self._ceiling_bps
        wanted_bps = round(self._ceiling_bps) if is_free else stepped(self._carried_bps)
        wanted_bps = min(max(wanted_bps, LEAST_BPS), MOST_BPS)
        now_s = time.monotonic()
        if not at_once and wanted_bps > self.target_bitrate and now_s - self._chosen_s < RISE_S:
            return
        if wanted_bps != self.target_bitrate:
            self._chosen_s = now_s
        self._Vp8Encoder__target_bitrate = wanted_bps


def stepped(rate_bps: float) -> int:
    """Return the highest step that is no more than a rate, from `LEAST_BPS` to `MOST_BPS`."""
    step = float(LEAST_BPS)
    while step * STEP <= min(rate_bps, MOST_BPS):
        step *= STEP
    return round(step)
