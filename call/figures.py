"""What a call costs and gives right now: rates over the last second, from the counters of its two ends and its line."""

from __future__ import annotations

import time
from dataclasses import dataclass

from call.duplex import Duplex
from call.state import Figures

PERIOD_S = 1.0
# What x264 takes for the same LPIPS at 256 pixels, without packet headers: the median clip of `visavis bench rd`.
H264_BYTES_A_FRAME = 191
# Fewer pictures a second are a call in trouble, and what another codec would take for them says nothing.
LEAST_COMPARED_FPS = 10.0


@dataclass(frozen=True)
class _Counts:
    at_s: float
    sent_bytes: int
    received_bytes: int
    frames_sent: int
    frames_shown: int
    faceless: int
    filmed: int


class Gauge:
    """Reads a call's counters once a second."""

    def __init__(self) -> None:
        self.away = False  # the own camera shows frames, and no face in them
        self._before: _Counts | None = None

    def read(self, duplex: Duplex, *, filmed: int = 0) -> Figures | None:
        """Return the figures of the last second, or None where it is not over.

        `filmed` pictures of ordinary video have been shown so far; while they come, they are what is counted, and how
        old they are is not known. `latency_ms` is half the round trip and the time from a motion's arrival to its
        picture; what the other side's camera and coding take is not known here.
        """
        now_s = time.monotonic()
        if self._before is not None and now_s - self._before.at_s < PERIOD_S:
            return None
        line, sending, shown = duplex.line.stats(), duplex.sender.stats, duplex.receiver.stats()
        counts = _Counts(
            now_s,
            line.sent_bytes,
            line.received_bytes,
            sending.frames_sent,
            shown.frames_fresh + shown.frames_interpolated,
            sending.no_face_frames,
            filmed,
        )
        before, self._before = self._before, counts
        if before is None:
            return None
        self.away = counts.frames_sent == before.frames_sent and counts.faceless > before.faceless
        passed_s = now_s - before.at_s
        added_ms, round_trip_s = shown.added_ms_p50, line.round_trip_s
        shown_rate = (counts.frames_shown - before.frames_shown) / passed_s
        sent_kbps = _kbps(counts.sent_bytes - before.sent_bytes, passed_s)
        received_kbps = _kbps(counts.received_bytes - before.received_bytes, passed_s)
        if counts.filmed > before.filmed:
            return Figures(sent_kbps, received_kbps, frames_per_s=(counts.filmed - before.filmed) / passed_s)
        return Figures(
            sent_kbps=sent_kbps,
            received_kbps=received_kbps,
            # For the pictures that are seen here: beside it stands what is received for them.
            h264_kbps=_h264_kbps(shown_rate),
            frames_per_s=shown_rate,
            latency_ms=None if added_ms is None or round_trip_s is None else added_ms + 500 * round_trip_s,
        )


def _h264_kbps(shown_rate: float) -> float | None:
    return H264_BYTES_A_FRAME * 8 * shown_rate / 1000 if shown_rate >= LEAST_COMPARED_FPS else None


def _kbps(size: int, passed_s: float) -> float:
    return size * 8 / passed_s / 1000
