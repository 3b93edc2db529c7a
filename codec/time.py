"""Capture time on the wire: 12 bits in units of 1/60 s, which are also a motion's sequence number, and the message that
ties it to the time of sound.

Knows nothing of packets or of the receiver's clock; what a jump in time means is for the playout to decide.
"""

import math
import struct
from dataclasses import dataclass

from codec.fields import within

TICKS_PER_SECOND = 60
TICK_BITS = 12
TICK_CYCLE = 1 << TICK_BITS  # wraps after 68.3 s
RESTART_TICKS = 2 * TICKS_PER_SECOND  # a time this far behind the newest is of a sender that has started anew

_CLOCK_FIELDS = struct.Struct(">HI")


def ticks_of(captured_s: float) -> int:
    """Return the 12-bit tick, 0..4095, nearest to a capture time in seconds.

    Raises ValueError for a time that is not finite.
    """
    if not math.isfinite(captured_s):
        raise ValueError(f"a capture time must be finite, not {captured_s}")
    return math.floor(captured_s * TICKS_PER_SECOND + 0.5) % TICK_CYCLE


class Unwrapper:
    """Turns 12-bit ticks into integers that go on counting when the 12 bits wrap.

    Each value is read as the integer nearest to the newest one so far, so order and repetition do not matter
    within half a cycle (34 s).
    """

    def __init__(self) -> None:
        self._newest: int | None = None

    def peek(self, ticks: int) -> int:
        """Return the continuous count of `ticks`, 0..4095, without taking note of it."""
        if self._newest is None:
            return ticks
        half = TICK_CYCLE // 2
        return self._newest + (ticks - self._newest + half) % TICK_CYCLE - half

    def unwrap(self, ticks: int) -> int:
        """Return the continuous count of `ticks`, 0..4095; the first one stands for itself."""
        count = self.peek(ticks)
        self._newest = count if self._newest is None else max(self._newest, count)
        return count


@dataclass(frozen=True)
class Clock:
    """What was captured at the beginning of tick `ticks` (0..4095) has the time `rtp` (0..2**32 - 1) in the sound."""

    ticks: int
    rtp: int

    def __post_init__(self) -> None:
        within("ticks", self.ticks, TICK_CYCLE - 1)
        within("sound's time", self.rtp, 0xFFFFFFFF)


def encode_clock(clock: Clock) -> bytes:
    """Return a clock's bytes behind the type."""
    return _CLOCK_FIELDS.pack(clock.ticks, clock.rtp)


def decode_clock(body: bytes) -> Clock:
    """Return the clock; raises struct.error or ValueError for anything else."""
    return Clock(*_CLOCK_FIELDS.unpack(body))
