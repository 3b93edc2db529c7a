"""When sound was captured: a microphone's samples, numbered as RTP counts them, against the machine's clock.

Sans-IO: when blocks were read goes in, times of samples come out. It knows no microphone and no network.
"""

import math
from collections import deque

from codec.time import TICK_CYCLE, TICKS_PER_SECOND, Clock
from transport.rtp import TIME_CYCLE
from transport.sound import BLOCK_SAMPLES
from transport.sound_packet import SAMPLE_RATE

# A microphone that stays so far behind its own count for so long has left samples out (or the machine slept). Where
# only this process was away for a moment, the blocks that waited come quickly, and nothing is missing.
LEAP_S = 0.1
PATIENCE_S = 1.0
WINDOW = 256  # blocks, 5 s: among so many the quickest one tells when samples were really captured


class CaptureClock:
    """Numbers a microphone's samples, and knows when each was captured."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self._latency_s = latency_s
        self._count = 0  # of samples given so far
        self._offsets_s: deque[float] = deque(maxlen=WINDOW)  # of monotonic time over sample 0's
        self._behind_s = math.inf  # since it was late first, at the least
        self._late_from_s: float | None = None

    def take(self, read_s: float) -> int:
        """Return the RTP time of the block that was read at `read_s` (monotonic seconds)."""
        ended_s = read_s - self._latency_s
        offset_s = ended_s - (self._count + BLOCK_SAMPLES) / SAMPLE_RATE
        behind_s = offset_s - min(self._offsets_s, default=offset_s)
        if behind_s < LEAP_S:
            self._offsets_s.append(offset_s)
            self._behind_s, self._late_from_s = math.inf, None
        else:
            self._behind_s = min(self._behind_s, behind_s)
            self._late_from_s = self._late_from_s or read_s
            if read_s - self._late_from_s > PATIENCE_S:
                self._count += round(self._behind_s * SAMPLE_RATE)
        began = self._count
        self._count += BLOCK_SAMPLES
        return began % TIME_CYCLE

    def rtp_at(self, captured_s: float) -> int | None:
        """Return the RTP time of what was captured at a monotonic time; None before the first block."""
        if not self._offsets_s:
            return None
        return round((captured_s - min(self._offsets_s)) * SAMPLE_RATE) % TIME_CYCLE

    def pair(self, captured_s: float) -> Clock | None:
        """Return what the other side needs for lip sync: the motions' time and the sound's of about that moment."""
        # At the very beginning of a tick, so that nothing is lost by a tick's length.
        ticks = int(captured_s * TICKS_PER_SECOND)
        rtp = self.rtp_at(ticks / TICKS_PER_SECOND)
        return None if rtp is None else Clock(ticks % TICK_CYCLE, rtp)
