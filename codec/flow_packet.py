"""A residual flow in front of a motion packet, so that both come or are lost together.

Knows neither the flow's code nor the motion packet's header behind the bits that say its kind.
"""

from dataclasses import dataclass

from codec.errors import BitstreamError
from codec.flow import MAX_FLOW_BYTES
from codec.packet import HEADER_BYTES, MAX_PACKET_BYTES, MAX_SOURCES

FRONT_BYTES = 2  # kind, source picture and age, length of the flow's code
MOST_AGE = 7
TICKS_OF_AGE = 3  # a twentieth of a second

_KIND_SHIFT = 5  # bit 7, which says that a motion packet acknowledges, is 0
_FLOW_KIND = 3
_SOURCE_SHIFT = 3  # three bits behind it are the age


@dataclass(frozen=True)
class AttachedFlow:
    """What came in front of a motion packet: number of the source picture, 0..3, that the flow was measured with, the
    flow's code, 1 to 255 bytes, as `codec.flow.decode_flow` takes it, and its age, 0..7: how many times 3 ticks the
    frame that it was found in was captured before the packet's newest one."""

    source: int
    code: bytes
    age: int = 0


def attach_flow(packet: bytes, code: bytes, *, source: int, age: int = 0) -> bytes:
    """Return a motion packet of at least 3 bytes with a flow's code in front of it, 1100 bytes in all at most.

    source, age: as `AttachedFlow` has them. Raises ValueError for a number beyond 0..3 or 0..7 and for lengths that do
    not fit.
    """
    if not 0 <= source < MAX_SOURCES:
        raise ValueError(f"a source picture's number is 0..{MAX_SOURCES - 1}, not {source}")
    if not 0 <= age <= MOST_AGE:
        raise ValueError(f"a flow's age is 0..{MOST_AGE}, not {age}")
    if not 1 <= len(code) <= MAX_FLOW_BYTES:
        raise ValueError(f"a flow's code has 1 to {MAX_FLOW_BYTES} bytes, not {len(code)}")
    if len(packet) < HEADER_BYTES:
        raise ValueError(f"a motion packet has at least {HEADER_BYTES} bytes, not {len(packet)}")
    data = bytes([_FLOW_KIND << _KIND_SHIFT | source << _SOURCE_SHIFT | age, len(code)]) + code + packet
    if len(data) > MAX_PACKET_BYTES:
        raise ValueError(f"a packet has at most {MAX_PACKET_BYTES} bytes, not {len(data)}")
    return data


def detach_flow(data: bytes) -> tuple[bytes, AttachedFlow | None]:
    """Return the motion packet and what came in front of it; without a flow the packet is `data` as it is.

    Neither the packet nor the flow's code is looked into. Raises BitstreamError where a flow's lengths do not fit.
    """
    if not data or data[0] >> _KIND_SHIFT != _FLOW_KIND:
        return data, None
    if len(data) > MAX_PACKET_BYTES:
        raise BitstreamError(f"a packet has at most {MAX_PACKET_BYTES} bytes, not {len(data)}")
    length = data[1] if len(data) >= FRONT_BYTES else 0
    end = FRONT_BYTES + length
    if not length or len(data) < end + HEADER_BYTES:
        raise BitstreamError(
            f"a flow of {length} bytes and a motion packet do not fit into {len(data)} bytes"
        )
    source = data[0] >> _SOURCE_SHIFT & (MAX_SOURCES - 1)
    return data[end:], AttachedFlow(source, data[FRONT_BYTES:end], data[0] & MOST_AGE)
