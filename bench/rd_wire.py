"""What a stream costs, from the sizes of its packets: payload, and all bytes at the IP layer in both directions, IPv6
for all (MEASURES.md, 'Rate'). It knows packets' headers; it does not know what the packets carry.

Where a choice had to be made it is in the conventional codecs' favour: their payload headers (1 to 3 bytes a packet),
their RTCP and their ICE checks are left out, ours are counted. Their start codes count against them, 4 bytes a frame
that RTP does without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from codec.control import encode_control
from codec.feedback import Feedback
from codec.picture import PIECE_BYTES
from receiver.received import FEEDBACK_S
from sender.operating_points import OVERHEAD_BPS, PACKET_BYTES
from sender.present import HEADERS_BYTES
from transport.wire import IPV6_HEADERS

# A source picture lasts a call, and a call lasts minutes; beside it stands the clip alone.
SPREAD_S = 300.0

# RTP's header (RFC 3550), the tag of SRTP's usual suite (RFC 3711, HMAC-SHA1-80), and how much of a frame libwebrtc
# and aiortc put into a packet at most.
RTP_PACKET_BYTES = IPV6_HEADERS + 12 + 10
RTP_PAYLOAD_BYTES = 1200
# An acknowledgement on its own: IP and UDP, DTLS, SCTP, its chunk.
ACKNOWLEDGEMENT_BYTES = IPV6_HEADERS + 29 + 12 + 16
FEEDBACK_BYTES = len(encode_control(Feedback(0, 0, 0, 0, 0)))


@dataclass(frozen=True)
class Cost:
    """Bytes of a clip of `frames` frames and `seconds`: `first` is what a call needs once (our source pictures,
    a codec's key frame), `rest` what `rest_frames` frames need. `spread`: MEASURES.md spreads the first over a call."""

    first_payload: float
    rest_payload: float
    first_wire: float
    rest_wire: float
    frames: int
    rest_frames: int
    seconds: float
    spread: bool


def conventional_cost(packet_bytes: Sequence[int], *, seconds: float) -> Cost:
    """Return the cost of a codec's frames over RTP, the first being its key frame."""
    wire = [rtp_bytes(size) for size in packet_bytes]
    return Cost(
        first_payload=packet_bytes[0],
        rest_payload=sum(packet_bytes[1:]),
        first_wire=wire[0],
        rest_wire=sum(wire[1:]),
        frames=len(packet_bytes),
        rest_frames=len(packet_bytes) - 1,
        seconds=seconds,
        spread=False,
    )


def our_cost(
    packet_bytes: Sequence[int], *, once_bytes: int, clip_bytes: int = 0, frames: int, seconds: float
) -> Cost:
    """Return the cost of motion packets over RTP: after pictures that a call sends once, and with those
    that something in the clip made it send."""
    wire = sum(packet_bytes) + len(packet_bytes) * PACKET_BYTES
    steady = (PACKET_BYTES + FEEDBACK_BYTES) / FEEDBACK_S + OVERHEAD_BPS / 8
    return Cost(
        first_payload=once_bytes,
        rest_payload=sum(packet_bytes) + clip_bytes,
        first_wire=pictures_wire(once_bytes),
        rest_wire=wire + steady * seconds + pictures_wire(clip_bytes) if packet_bytes else 0.0,
        frames=frames,
        rest_frames=frames,
        seconds=seconds,
        spread=True,
    )


def pictures_wire(picture_bytes: int) -> float:
    """Return what pictures of so many bytes take at the IP layer: reliable data, each piece acknowledged at once."""
    pieces = math.ceil(picture_bytes / PIECE_BYTES)
    return picture_bytes + pieces * (HEADERS_BYTES + ACKNOWLEDGEMENT_BYTES)


def rtp_bytes(frame_bytes: int) -> int:
    """Return what a coded frame takes at the IP layer, in as many packets as it needs."""
    return frame_bytes + math.ceil(frame_bytes / RTP_PAYLOAD_BYTES) * RTP_PACKET_BYTES


def rates(cost: Cost, *, size: int) -> dict[str, float]:
    """Return `payload_kbps`, `wire_kbps` and `bpp`, each also with `_clip` (everything within the clip) and `_call`
    (what is sent once spread over five minutes, for every codec alike).

    Without suffix they are MEASURES.md's: our source picture spread, a codec's stream as it was coded.
    """
    figures: dict[str, float] = {}
    for name, first, rest in (
        ("payload_kbps", cost.first_payload, cost.rest_payload),
        ("wire_kbps", cost.first_wire, cost.rest_wire),
    ):
        clip = 8 * (first + rest) / cost.seconds / 1000
        whole = rest * cost.frames / max(1, cost.rest_frames)
        call = 8 * (whole / cost.seconds + first / SPREAD_S) / 1000
        figures |= {name: call if cost.spread else clip, f"{name}_clip": clip, f"{name}_call": call}
    pixels_per_s = size * size * cost.frames / cost.seconds
    for suffix in ("", "_clip", "_call"):
        figures[f"bpp{suffix}"] = 1000 * figures[f"payload_kbps{suffix}"] / pixels_per_s
    return figures
