"""Sound's packets: RTP (RFC 3550) with Opus (RFC 7587), repeated data (RFC 2198) and comfort noise (RFC 3389).

Bytes in, values out and back. An RTP packet holds the newest block of sound and, where repetition is on, the block
before it as well, so that a lost packet's sound comes with the next one. In silence there is only a block that tells
the noise's loudness, once in a while. Receiver reports (RTCP) tell what was lost. Nothing is known here of when packets
are sent, and nothing of what Opus data sounds like but for its duration.
"""

import struct
from dataclasses import dataclass

SAMPLE_RATE = 48_000  # of Opus' RTP clock, whatever the sound's bandwidth
SOURCE = 0x56697361  # one stream each way, with a key of its own: the number only tells it from other media
NOISE, REPEATED, OPUS = 13, 63, 111  # payload types
MAX_BLOCK_BYTES = 1_023  # what RFC 2198 can count; Opus at 64 kbit/s takes 480 for 60 ms
MAX_OFFSET = (1 << 14) - 1  # samples between a repeated block and the newest one: 341 ms
MAX_PACKET_BYTES = 1_200
FRAME_SAMPLES = (960, 2_880)  # a packet's sound: 20 or 60 ms
SEQUENCE_CYCLE = 1 << 16
TIME_CYCLE = 1 << 32

_HEADER = struct.Struct(">BBHII")
_REPORT = struct.Struct(">BBHIIB3sIIII")
_REPEATED_FIELDS = struct.Struct(">BHB")
_REPORT_TYPE = 201
_VERSION = 0x80
# RFC 6716, table 2: samples of each of the 32 configurations' frames.
_OPUS_FRAMES = (480, 960, 1_920, 2_880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
HEADER_BYTES = _HEADER.size


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
    """Blocks, the newest last; `sequence` is modulo 2^16."""

    sequence: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """What a side received: packets lost altogether (0 to 2^23 - 1), the share of late (0 to 1), the newest number."""

    lost: int
    share: float
    newest: int


def write_packet(packet: SoundPacket) -> bytes:
    """Return a packet's bytes. Raises ValueError for more than two blocks, and ones that are too far apart or long."""
    *before, newest = packet.blocks
    if len(before) > 1 or any(len(block.data) > MAX_BLOCK_BYTES for block in packet.blocks):
        raise ValueError("a packet holds one or two blocks of up to 1023 bytes")
    kind = _type_of(newest)
    payload = newest.data
    for block in before:
        offset = (newest.rtp - block.rtp) % TIME_CYCLE
        if not 0 < offset <= MAX_OFFSET:
            raise ValueError(f"a repeated block cannot lie {offset} samples back")
        fields = _REPEATED_FIELDS.pack(
            0x80 | _type_of(block), offset << 2 | len(block.data) >> 8, len(block.data) & 0xFF
        )
        payload = fields + bytes([kind]) + block.data + payload
        kind = REPEATED
    return _HEADER.pack(_VERSION, kind, packet.sequence, newest.rtp, SOURCE) + payload


def read_packet(data: bytes) -> SoundPacket:
    """Return the packet that `write_packet` wrote; raises SoundPacketError for any other bytes."""
    if not HEADER_BYTES < len(data) <= MAX_PACKET_BYTES:
        raise SoundPacketError(f"a packet cannot have {len(data)} bytes")
    first, kind, sequence, rtp, source = _HEADER.unpack_from(data)
    if first != _VERSION or source != SOURCE:
        raise SoundPacketError("it is not our stream's, or has a header of another kind")
    payload = data[HEADER_BYTES:]
    blocks: list[Block] = []
    if kind == REPEATED:
        if len(payload) < _REPEATED_FIELDS.size + 1:
            raise SoundPacketError("it ends within its header")
        before, place, low = _REPEATED_FIELDS.unpack_from(payload)
        length, offset = (place & 3) << 8 | low, place >> 2
        kind = payload[_REPEATED_FIELDS.size]
        body = payload[_REPEATED_FIELDS.size + 1 :]
        if not before & 0x80 or not 0 < length < len(body) or not offset:
            raise SoundPacketError("its repeated block is malformed")
        blocks.append(_block(before & 0x7F, (rtp - offset) % TIME_CYCLE, body[:length]))
        payload = body[length:]
    blocks.append(_block(kind, rtp, payload))
    return SoundPacket(sequence, tuple(blocks))


def write_report(report: Report) -> bytes:
    """Return an RTCP receiver report (RFC 3550, section 6.4.2) without times."""
    share = min(round(report.share * 256), 255)
    lost = min(report.lost, 0x7FFFFF).to_bytes(3, "big")
    return _REPORT.pack(_VERSION | 1, _REPORT_TYPE, 7, SOURCE, SOURCE, share, lost, report.newest, 0, 0, 0)


def read_report(data: bytes) -> Report:
    """Return what `write_report` wrote; raises SoundPacketError for any other bytes."""
    if len(data) != _REPORT.size:
        raise SoundPacketError(f"a report has {_REPORT.size} bytes, not {len(data)}")
    first, kind, words, reporter, source, share, lost, newest, *_ = _REPORT.unpack(data)
    if (first, kind, words, reporter, source) != (_VERSION | 1, _REPORT_TYPE, 7, SOURCE, SOURCE) or lost[
        0
    ] > 0x7F:
        raise SoundPacketError("it is not a report on our stream")
    return Report(int.from_bytes(lost, "big"), share / 256, newest)


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
