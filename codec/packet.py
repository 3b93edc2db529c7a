"""The bytes before a motion's code: kind, source picture, bundle, K' or reference, capture time, acknowledgement.

Knows the header's bits, not the code behind them.
"""

from dataclasses import dataclass
from enum import IntEnum

from codec.errors import BitstreamError
from codec.time import TICK_BITS, TICK_CYCLE

HEADER_BYTES = 3
MAX_HEADER_BYTES = 6  # of a far reference and with an acknowledgement
MAX_PACKET_BYTES = 1100
MAX_SOURCES = 4
MAX_FRAMES = 4
MAX_DISTANCE = 31 + 255

_SOURCE_SHIFT = 19
_FRAMES_SHIFT = 17
_DETAIL_SHIFT = TICK_BITS
_KIND_SHIFT = 21
_FAR = 31  # a distance from here on has a byte of its own
_ACKNOWLEDGES = 4
_ACKNOWLEDGEMENT_BYTES = 2
_ACKNOWLEDGEMENT_SPARE = 16 - TICK_BITS  # bits that are zero and not looked at


class Kind(IntEnum):
    """What a packet's second and third bit say; numbers are never used again for something else.

    3 is a motion packet with a residual flow in front of it (`codec.flow_packet`): no kind of its own, so that none is
    found within another.
    """

    STATIC = 0
    STATIC_EXACT = 1
    PREDICTIVE = 2


@dataclass(frozen=True)
class Header:
    """The header of a packet.

    Parameters
    ----------
    kind
        How the code was made.
    source
        Which of the receiver's source pictures to draw from, 0..3.
    left_out
        Offsets not coded, K - K', 0..31; 0 in predictive packets.
    ticks
        Capture time of the (first) motion, 0..4095 in 1/60 s.
    frames
        Motions in the packet, 1..4; 1 in static ones.
    distance
        How many ticks, 1..286, the reference is before `ticks`; 0 where there is none, and in static packets.
    acknowledged
        Capture time, 0..4095, of the newest motion of the other direction that this side holds; None to say nothing.
    """

    kind: Kind
    source: int
    left_out: int
    ticks: int
    frames: int = 1
    distance: int = 0
    acknowledged: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.source < MAX_SOURCES:
            raise ValueError(f"a source picture's number is 0..{MAX_SOURCES - 1}, not {self.source}")
        if not 0 <= self.left_out < 32:
            raise ValueError(f"0 to 31 offsets can be left out, not {self.left_out}")
        for ticks in (self.ticks, self.acknowledged or 0):
            if not 0 <= ticks < TICK_CYCLE:
                raise ValueError(f"a capture time is 0..{TICK_CYCLE - 1} ticks, not {ticks}")
        predictive = self.kind is Kind.PREDICTIVE
        if not 1 <= self.frames <= (MAX_FRAMES if predictive else 1):
            raise ValueError(f"a packet of the kind {self.kind.name} cannot hold {self.frames} motions")
        if not 0 <= self.distance <= (MAX_DISTANCE if predictive else 0):
            raise ValueError(
                f"a packet of the kind {self.kind.name} has no reference {self.distance} ticks away"
            )
        if predictive and self.left_out:
            raise ValueError("a predictive packet leaves no offset out")


def write_header(header: Header) -> bytes:
    """Return the header's three bytes, one more for a far reference, two more for an acknowledgement."""
    near = min(header.distance, _FAR)
    kind = header.kind | (0 if header.acknowledged is None else _ACKNOWLEDGES)
    bits = kind << _KIND_SHIFT | header.source << _SOURCE_SHIFT | (header.frames - 1) << _FRAMES_SHIFT
    bits |= (near or header.left_out) << _DETAIL_SHIFT | header.ticks
    data = bits.to_bytes(HEADER_BYTES, "big")
    if near == _FAR:
        data += bytes([header.distance - _FAR])
    if header.acknowledged is not None:
        data += (header.acknowledged << _ACKNOWLEDGEMENT_SPARE).to_bytes(_ACKNOWLEDGEMENT_BYTES, "big")
    return data


def read_header(packet: bytes) -> tuple[Header, bytes]:
    """Return the header and the code that follows it.

    Raises BitstreamError for a packet that is too short or too long, of an unknown kind, or static and of several
    frames.
    """
    if not HEADER_BYTES <= len(packet) <= MAX_PACKET_BYTES:
        raise BitstreamError(
            f"a motion packet has {HEADER_BYTES} to {MAX_PACKET_BYTES} bytes, not {len(packet)}"
        )
    bits = int.from_bytes(packet[:HEADER_BYTES], "big")
    number = bits >> _KIND_SHIFT & ~_ACKNOWLEDGES
    if number not in list(Kind):
        raise BitstreamError(f"motion packets of kind {number} are not known here")
    kind, frames = Kind(number), (bits >> _FRAMES_SHIFT & 3) + 1
    if frames != 1 and kind is not Kind.PREDICTIVE:
        raise BitstreamError(f"a static packet holds one frame, not {frames}")
    detail, source, ticks = bits >> _DETAIL_SHIFT & 31, bits >> _SOURCE_SHIFT & 3, bits & (TICK_CYCLE - 1)
    far = kind is Kind.PREDICTIVE and detail == _FAR
    acknowledges = bool(bits >> _KIND_SHIFT & _ACKNOWLEDGES)
    rest = packet[HEADER_BYTES:]
    if len(rest) < far + acknowledges * _ACKNOWLEDGEMENT_BYTES:
        raise BitstreamError("a motion packet ends within its header")
    if far:
        detail, rest = _FAR + rest[0], rest[1:]
    acknowledged = None
    if acknowledges:
        acknowledged = int.from_bytes(rest[:_ACKNOWLEDGEMENT_BYTES], "big") >> _ACKNOWLEDGEMENT_SPARE
        rest = rest[_ACKNOWLEDGEMENT_BYTES:]
    left_out, distance = (0, detail) if kind is Kind.PREDICTIVE else (detail, 0)
    return Header(kind, source, left_out, ticks, frames, distance, acknowledged), rest
