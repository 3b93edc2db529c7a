"""Sound's packets: RTP (RFC 3550) with Opus (RFC 7587), repeated data (RFC 2198) and comfort noise (RFC 3389).

Bytes in, values out and back. An RTP packet holds the newest block of sound and, where repetition is on, the block
before it as well, so that a lost packet's sound comes with the next one. In silence there is only a block that tells
the noise's loudness, once in a while. Motion packets ride along as blocks of their own, in 4 bytes where a packet's
headers take 50; unlike those of a header's extension they are encrypted. Receiver reports (RTCP) tell what was lost.
Nothing is known here of when packets are sent, and nothing of what Opus data sounds like but for its duration.
"""

import struct
from dataclasses import dataclass

from transport.motion_packet import (
    BOTH,
    MOTION,
    REPORT,
    MotionPacket,
    MotionPacketError,
    read_payload,
    write_payload,
)
from transport.rtp import HEADER_BYTES, TIME_CYCLE, VERSION, Header, read_header, write_header

SAMPLE_RATE = 48_000  # of Opus' RTP clock, whatever the sound's bandwidth
SOURCE = 0x56697361  # one stream each way, with a key of its own: the number only tells it from other media
NOISE, REPEATED, OPUS = 13, 63, 111  # payload types
MAX_BLOCK_BYTES = 1_023  # what RFC 2198 can count; Opus at 64 kbit/s takes 480 for 60 ms
MAX_OFFSET = (1 << 14) - 1  # samples between a repeated block and the newest one: 341 ms
MAX_PACKET_BYTES = 1_200
MOST_RIDERS = 6
FRAME_SAMPLES = (960, 2_880)  # a packet's sound: 20 or 60 ms

_REPORT = struct.Struct(">BBHIIB3sIIII")
_REPEATED_FIELDS = struct.Struct(">BHB")
_REPORT_TYPE = 201
# RFC 6716, table 2: samples of each of the 32 configurations' frames.
_OPUS_FRAMES = (480, 960, 1_920, 2_880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4


class SoundPacketError(ValueError):
    """Bytes that are none of our packets."""


@dataclass(frozen=True)
class Block:
    """A stretch of sound: Opus data for `samples`, or where that is 0 one byte, a noise's level below full scale in dB.

    `rtp` is the time of its first sample in samples, modulo 2^32.
    """

    rtp: int
    samples: int
    data: bytes


@dataclass(frozen=True)
class SoundPacket:
    """Blocks, the newest last, and the motion packets that ride along; `sequence` is modulo 2^16."""

    sequence: int
    blocks: tuple[Block, ...]
    riders: tuple[MotionPacket, ...] = ()


@dataclass(frozen=True)
class Report:
    """What a side received: packets lost altogether (0 to 2^23 - 1), the share of late (0 to 1), the newest number."""

    lost: int
    share: float
    newest: int


def write_packet(packet: SoundPacket) -> bytes:
    """Return a packet's bytes.

    Raises ValueError for more than two blocks, ones that are too far apart or long, and more riders than there is room.
    """
    *before, newest = packet.blocks
    riders = [write_payload(rider) for rider in packet.riders]
    if len(before) > 1 or any(len(block.data) > MAX_BLOCK_BYTES for block in packet.blocks):
        raise ValueError("a packet holds one or two blocks of up to 1023 bytes")
    if any(len(data) > MAX_BLOCK_BYTES for _, data in riders):
        raise ValueError("what rides along has up to 1023 bytes")
    if len(riders) > MOST_RIDERS or (riders and riders_bytes(packet.riders) > room_bytes(packet.blocks)):
        raise ValueError(f"{MOST_RIDERS} motion packets ride along at most, as far as there is room")
    fields, bodies = b"", b""
    for kind, data in riders:
        fields += _fields(kind, 0, data)
        bodies += data
    for block in before:
        offset = (newest.rtp - block.rtp) % TIME_CYCLE
        if not 0 < offset <= MAX_OFFSET:
            raise ValueError(f"a repeated block cannot lie {offset} samples back")
        fields += _fields(_type_of(block), offset, block.data)
        bodies += block.data
    kind = _type_of(newest)
    payload = newest.data
    if fields:
        kind, payload = REPEATED, fields + bytes([kind]) + bodies + payload
    return write_header(Header(kind, packet.sequence, newest.rtp, SOURCE)) + payload


def read_packet(data: bytes) -> SoundPacket:
    """Return the packet that `write_packet` wrote; raises SoundPacketError for any other bytes."""
    if not HEADER_BYTES < len(data) <= MAX_PACKET_BYTES:
        raise SoundPacketError(f"a packet cannot have {len(data)} bytes")
    header = read_header(data)
    if header is None or header.source != SOURCE:
        raise SoundPacketError("it is not our stream's, or has a header of another kind")
    kind, sequence, rtp, _ = header
    payload = data[HEADER_BYTES:]
    blocks: list[Block] = []
    riders: list[MotionPacket] = []
    if kind == REPEATED:
        others, kind, payload = _split(payload)
        for other, offset, body in others:
            rides = other in (MOTION, REPORT, BOTH)
            if blocks or rides is bool(offset):
                raise SoundPacketError("its blocks are not in order")
            if rides:
                riders.append(_rider(other, body))
            else:
                blocks.append(_block(other, (rtp - offset) % TIME_CYCLE, body))
    if len(riders) > MOST_RIDERS:
        raise SoundPacketError(f"more than {MOST_RIDERS} motion packets ride along")
    blocks.append(_block(kind, rtp, payload))
    return SoundPacket(sequence, tuple(blocks), tuple(riders))


def room_bytes(blocks: tuple[Block, ...]) -> int:
    """Return how much may ride along with some blocks."""
    blocks_bytes = 1 + sum(_REPEATED_FIELDS.size + len(block.data) for block in blocks)
    return MAX_PACKET_BYTES - HEADER_BYTES - blocks_bytes


def riders_bytes(riders: tuple[MotionPacket, ...]) -> int:
    """Return what a packet weighs more for those that ride along."""
    return sum(_REPEATED_FIELDS.size + len(write_payload(rider)[1]) for rider in riders)


def write_report(report: Report) -> bytes:
    """Return an RTCP receiver report (RFC 3550, section 6.4.2) without times."""
    share = min(round(report.share * 256), 255)
    lost = min(report.lost, 0x7FFFFF).to_bytes(3, "big")
    return _REPORT.pack(VERSION | 1, _REPORT_TYPE, 7, SOURCE, SOURCE, share, lost, report.newest, 0, 0, 0)


def read_report(data: bytes) -> Report:
    """Return what `write_report` wrote; raises SoundPacketError for any other bytes."""
    if len(data) != _REPORT.size:
        raise SoundPacketError(f"a report has {_REPORT.size} bytes, not {len(data)}")
    first, kind, words, reporter, source, share, lost, newest, *_ = _REPORT.unpack(data)
    if (first, kind, words, reporter, source) != (VERSION | 1, _REPORT_TYPE, 7, SOURCE, SOURCE) or lost[
        0
    ] > 0x7F:
        raise SoundPacketError("it is not a report on our stream")
    return Report(int.from_bytes(lost, "big"), share / 256, newest)


def _fields(kind: int, offset: int, data: bytes) -> bytes:
    """Return the header of a block that is not the newest (RFC 2198, section 3)."""
    return _REPEATED_FIELDS.pack(0x80 | kind, offset << 2 | len(data) >> 8, len(data) & 0xFF)


def _split(payload: bytes) -> tuple[list[tuple[int, int, bytes]], int, bytes]:
    """Split a payload of blocks: type, offset and data of those before the newest, its type, and its data."""
    headers: list[tuple[int, int, int]] = []
    at = 0
    while len(payload) > at + _REPEATED_FIELDS.size and payload[at] & 0x80:
        kind, place, low = _REPEATED_FIELDS.unpack_from(payload, at)
        headers.append((kind & 0x7F, place >> 2, (place & 3) << 8 | low))
        at += _REPEATED_FIELDS.size
    if not headers or payload[at] & 0x80:
        raise SoundPacketError("it ends within its headers")
    newest = payload[at]
    at += 1
    others: list[tuple[int, int, bytes]] = []
    for kind, offset, length in headers:
        if not 0 < length < len(payload) - at:
            raise SoundPacketError("it ends within a block")
        others.append((kind, offset, payload[at : at + length]))
        at += length
    return others, newest, payload[at:]


def _rider(kind: int, data: bytes) -> MotionPacket:
    try:
        return read_payload(kind, data)
    except MotionPacketError as error:
        raise SoundPacketError(f"what rides along is no motion packet: {error}") from None


def _type_of(block: Block) -> int:
    return OPUS if block.samples else NOISE


def _block(kind: int, rtp: int, data: bytes) -> Block:
    if kind == NOISE:
        if len(data) != 1 or data[0] > 127:
            raise SoundPacketError("its noise has no level")
        return Block(rtp, 0, data)
    samples = _opus_samples(data) if kind == OPUS else 0
    if samples not in FRAME_SAMPLES:
        raise SoundPacketError("it holds no 20 or 60 ms of Opus")
    return Block(rtp, samples, data)


def _opus_samples(data: bytes) -> int:
    """Say how long an Opus packet sounds, from its first bytes (RFC 6716, section 3.1); 0 where it cannot be told."""
    if not data:
        return 0
    frame, count = _OPUS_FRAMES[data[0] >> 3], data[0] & 3
    if count == 3:
        return frame * (data[1] & 0x3F) if len(data) > 1 else 0
    return frame * (1 if count == 0 else 2)
