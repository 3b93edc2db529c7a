"""Motion's packets: RTP (RFC 3550) with a motion, a report, or both; or their payload alone, which rides in a packet of
sound (`transport.sound_packet`). Bytes in, values out and back; what a motion or a report says is not known here, nor
when packets go."""

from dataclasses import dataclass

from transport.rtp import HEADER_BYTES, SEQUENCE_CYCLE, TIME_CYCLE, Header, read_header, write_header

SOURCE = 0x56697362  # one stream each way, with a key of its own: the number only tells it from other media
MOTION, REPORT, BOTH = 101, 102, 103  # payload types
MAX_REPORT_BYTES = 255  # what one byte can count
MAX_PAYLOAD_BYTES = 1_200
CLOCK_RATE = 90_000  # video's


class MotionPacketError(ValueError):
    """Bytes that are none of our packets."""


@dataclass(frozen=True)
class MotionPacket:
    """A motion packet, a report of up to 255 bytes, or both; empty where there is none."""

    motion: bytes = b""
    report: bytes = b""


def write_packet(packet: MotionPacket, *, sequence: int, at_s: float) -> bytes:
    """Return a packet's bytes. sequence: how many went before; at_s: when it goes, in seconds of any clock.

    Raises ValueError for a packet with nothing in it, or too much.
    """
    kind, payload = write_payload(packet)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a packet carries {MAX_PAYLOAD_BYTES} bytes, not {len(payload)}")
    time = round(CLOCK_RATE * at_s) % TIME_CYCLE
    return write_header(Header(kind, sequence % SEQUENCE_CYCLE, time, SOURCE)) + payload


def read_packet(data: bytes) -> MotionPacket:
    """Return what a packet carries. Raises MotionPacketError for any other bytes."""
    if not HEADER_BYTES < len(data) <= HEADER_BYTES + MAX_PAYLOAD_BYTES:
        raise MotionPacketError(f"a packet has {HEADER_BYTES} bytes of header and something behind")
    header = read_header(data)
    if header is None or header.source != SOURCE:
        raise MotionPacketError("the header is none of ours")
    return read_payload(header.kind, data[HEADER_BYTES:])


def write_payload(packet: MotionPacket) -> tuple[int, bytes]:
    """Return a packet's payload type and payload. Raises ValueError for a packet with nothing in it, or too long a
    report."""
    motion, report = packet.motion, packet.report
    if not (motion or report) or len(report) > MAX_REPORT_BYTES:
        raise ValueError(f"a packet has a motion or a report of up to {MAX_REPORT_BYTES} bytes")
    if motion and report:
        return BOTH, bytes([len(report)]) + report + motion
    return (MOTION, motion) if motion else (REPORT, report)


def read_payload(kind: int, payload: bytes) -> MotionPacket:
    """Return what a payload of a type carries, one byte at least. Raises MotionPacketError for any other."""
    if kind == MOTION:
        return MotionPacket(motion=payload)
    if kind == REPORT and len(payload) <= MAX_REPORT_BYTES:
        return MotionPacket(report=payload)
    if kind == BOTH and 0 < payload[0] < len(payload) - 1:
        end = 1 + payload[0]
        return MotionPacket(motion=payload[end:], report=payload[1:end])
    raise MotionPacketError("the payload is none of ours")
