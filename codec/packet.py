"""The three bytes before a motion's code: kind, source picture, bundle, K' and capture time.

Knows the header's bits, not the code behind them. Kinds that later versions define are refused here.
"""

from dataclasses import dataclass
from enum import IntEnum

from codec.errors import BitstreamError
from codec.time import TICK_BITS, TICK_CYCLE

HEADER_BYTES = 3
MAX_PACKET_BYTES = 1100
MAX_SOURCES = 4

_SOURCE_SHIFT = 19
_FRAMES_SHIFT = 17
_LEFT_OUT_SHIFT = TICK_BITS
_KIND_SHIFT = 21


class Kind(IntEnum):
    """What a packet's three top bits say; numbers are never used again for something else.

    2 is set aside for predictive packets, and 4 to 7 for the same kinds with an acknowledgement behind the
    header.
    """

    STATIC = 0
    STATIC_EXACT = 1


@dataclass(frozen=True)
class Header:
    """The header of a static packet.

    Parameters
    ----------
    kind
        How the code was made.
    source
        Which of the receiver's source pictures to draw from, 0..3.
    left_out
        Offsets not coded, K - K', 0..31.
    ticks
        Capture time, 0..4095 in 1/60 s.
    """

    kind: Kind
    source: int
    left_out: int
    ticks: int

    def __post_init__(self) -> None:
        if not 0 <= self.source < MAX_SOURCES:
            raise ValueError(f"a source picture's number is 0..{MAX_SOURCES - 1}, not {self.source}")
        if not 0 <= self.left_out < 32:
            raise ValueError(f"0 to 31 offsets can be left out, not {self.left_out}")
        if not 0 <= self.ticks < TICK_CYCLE:
            raise ValueError(f"a capture time is 0..{TICK_CYCLE - 1} ticks, not {self.ticks}")


def write_header(header: Header) -> bytes:
    """Return the header's three bytes; the bundle field says one frame."""
    bits = header.kind << _KIND_SHIFT | header.source << _SOURCE_SHIFT
    bits |= header.left_out << _LEFT_OUT_SHIFT | header.ticks
    return bits.to_bytes(HEADER_BYTES, "big")


def read_header(packet: bytes) -> tuple[Header, bytes]:
    """Return the header and the code that follows it.

    Raises BitstreamError for a packet that is too short or too long, of an unknown kind, or of several
    frames.
    """
    if not HEADER_BYTES <= len(packet) <= MAX_PACKET_BYTES:
        raise BitstreamError(
            f"a motion packet has {HEADER_BYTES} to {MAX_PACKET_BYTES} bytes, not {len(packet)}"
        )
    bits = int.from_bytes(packet[:HEADER_BYTES], "big")
    kind = bits >> _KIND_SHIFT
    if kind not in (Kind.STATIC, Kind.STATIC_EXACT):
        raise BitstreamError(f"motion packets of kind {kind} are not known here")
    frames = (bits >> _FRAMES_SHIFT & 3) + 1
    if frames != 1:
        raise BitstreamError(f"a static packet holds one frame, not {frames}")
    source, left_out = bits >> _SOURCE_SHIFT & 3, bits >> _LEFT_OUT_SHIFT & 31
    return Header(Kind(kind), source, left_out, bits & (TICK_CYCLE - 1)), packet[HEADER_BYTES:]
