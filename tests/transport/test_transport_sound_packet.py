"""Sound's packets: what is written comes back, and nothing else is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.motion_packet import MotionPacket
from transport.rtp import HEADER_BYTES
from transport.sound_packet import (
    MAX_BLOCK_BYTES,
    MAX_OFFSET,
    MAX_PACKET_BYTES,
    MOST_RIDERS,
    Block,
    Report,
    SoundPacket,
    SoundPacketError,
    read_packet,
    read_report,
    riders_bytes,
    room_bytes,
    write_packet,
    write_report,
)

TIMES = st.integers(0, 2**32 - 1)
# SILK frames of 20 and 60 ms, wideband: configurations 9 and 11, one frame in the packet.
OPUS_20 = st.binary(min_size=0, max_size=400).map(lambda data: bytes([9 << 3]) + data)
OPUS_60 = st.binary(min_size=0, max_size=400).map(lambda data: bytes([11 << 3]) + data)
NOISE = st.integers(0, 127).map(lambda level: bytes([level]))
SPOKEN = st.one_of(
    st.builds(Block, TIMES, st.just(960), OPUS_20), st.builds(Block, TIMES, st.just(2880), OPUS_60)
)
RIDERS = st.lists(
    st.builds(MotionPacket, st.binary(max_size=40), st.binary(max_size=30)).filter(
        lambda rider: bool(rider.motion or rider.report)
    ),
    max_size=MOST_RIDERS,
).map(tuple)
NEWEST = st.one_of(SPOKEN, st.builds(Block, TIMES, st.just(0), NOISE))


@st.composite
def packets(draw: st.DrawFn) -> SoundPacket:
    newest = draw(NEWEST)
    before = draw(st.none() | SPOKEN)
    blocks = (newest,)
    if before is not None:
        offset = draw(st.integers(1, MAX_OFFSET))
        blocks = (Block((newest.rtp - offset) % 2**32, before.samples, before.data), newest)
    riders = draw(RIDERS)
    if riders_bytes(riders) > room_bytes(blocks):
        riders = ()
    return SoundPacket(draw(st.integers(0, 65535)), blocks, riders)


@given(packets())
def test_a_packet_comes_back(packet: SoundPacket) -> None:
    assert read_packet(write_packet(packet)) == packet


@given(packets(), st.integers(0, 900), st.integers(1, 255), st.integers(0, 900))
def test_damaged_bytes_give_a_packet_or_are_refused(
    packet: SoundPacket, place: int, value: int, length: int
) -> None:
    data = bytearray(write_packet(packet))
    data[place % len(data)] ^= value
    for damaged in (bytes(data), bytes(data[:length])):
        try:
            taken = read_packet(damaged)
        except SoundPacketError:
            continue
        assert write_packet(taken) == damaged


def test_a_packet_with_riders_looks_like_this_and_costs_four_bytes_for_each() -> None:
    spoken = Block(960, 960, bytes([9 << 3]) + b"new")
    before = Block(0, 960, bytes([9 << 3]) + b"old")
    riders = (MotionPacket(b"motion"), MotionPacket(b"mo", b"rep"))
    packet = write_packet(SoundPacket(7, (before, spoken), riders))
    blocks = (
        "e5000006" + "e7000006" + f"ef{960 << 2 | 0:04x}04" + "6f"
    )  # RFC 2198: types 101, 103, 111, and 111 at last
    assert (
        packet[HEADER_BYTES:] == bytes.fromhex(blocks) + b"motion" + b"\x03repmo" + before.data + spoken.data
    )
    alone = write_packet(SoundPacket(7, (before, spoken)))
    assert len(packet) - len(alone) == riders_bytes(riders) == 2 * 4 + 6 + 6


@pytest.mark.parametrize(
    "riders",
    [
        (MotionPacket(b"m"),) * (MOST_RIDERS + 1),
        (MotionPacket(bytes(MAX_BLOCK_BYTES + 1)),),
        (MotionPacket(bytes(MAX_BLOCK_BYTES)), MotionPacket(bytes(MAX_PACKET_BYTES - MAX_BLOCK_BYTES))),
        (MotionPacket(),),
    ],
)
def test_what_does_not_fit_is_not_written(riders: tuple[MotionPacket, ...]) -> None:
    with pytest.raises(ValueError, match=r"rides? along|a motion or a report"):
        write_packet(SoundPacket(0, (Block(5, 0, b"\x40"),), riders))


@pytest.mark.parametrize(
    "payload",
    [
        bytes.fromhex("e5000001") + b"\x0d",  # ends before its blocks
        bytes.fromhex("e5000003 0d") + b"m\x40",  # a block that is longer than what is there
        bytes.fromhex("e5000000 0d") + b"\x40",  # an empty one
        bytes.fromhex("e5000401 0d") + b"m\x40",  # a motion of another time
        bytes.fromhex("e4000001 0d") + b"m\x40",  # neither motion nor sound
        bytes.fromhex("e7000002 0d") + b"\x02r\x40",  # a report that is longer than its block
        bytes.fromhex("e5000001" * (MOST_RIDERS + 1) + "0d") + b"m" * (MOST_RIDERS + 1) + b"\x40",
    ],
)
def test_riders_that_are_none_are_refused(payload: bytes) -> None:
    header = write_packet(SoundPacket(0, (Block(5, 0, b"\x40"),), (MotionPacket(b"m"),)))[:HEADER_BYTES]
    with pytest.raises(SoundPacketError):
        read_packet(header + payload)


@given(st.integers(0, 2**23 - 1), st.integers(0, 255), TIMES)
def test_a_report_comes_back(lost: int, share: int, newest: int) -> None:
    report = Report(lost, share / 256, newest)
    assert read_report(write_report(report)) == report


@given(st.binary(max_size=60))
def test_any_bytes_are_a_report_or_refused(data: bytes) -> None:
    try:
        report = read_report(data)
    except SoundPacketError:
        return
    assert write_report(report)[:16] == data[:16]


def test_a_word_on_the_noise_takes_one_byte_and_a_repetition_five_more_than_its_data() -> None:
    noise = Block(5, 0, b"\x40")
    spoken = Block(5, 960, bytes([9 << 3]) + bytes(30))
    before = Block(5 - 960, 960, bytes([9 << 3]) + bytes(20))
    assert len(write_packet(SoundPacket(0, (noise,)))) == HEADER_BYTES + 1
    alone = len(write_packet(SoundPacket(0, (spoken,))))
    assert len(write_packet(SoundPacket(0, (before, spoken)))) == alone + 5 + len(before.data)


def test_what_repeats_something_too_old_cannot_be_written() -> None:
    spoken = Block(20_000, 960, bytes([9 << 3]))
    with pytest.raises(ValueError, match="back"):
        write_packet(SoundPacket(0, (Block(0, 960, bytes([9 << 3])), spoken)))
