"""Sound's packets: what is written comes back, and nothing else is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.sound_packet import (
    HEADER_BYTES,
    MAX_OFFSET,
    Block,
    Report,
    SoundPacket,
    SoundPacketError,
    read_packet,
    read_report,
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
NEWEST = st.one_of(SPOKEN, st.builds(Block, TIMES, st.just(0), NOISE))


@st.composite
def packets(draw: st.DrawFn) -> SoundPacket:
    newest = draw(NEWEST)
    before = draw(st.none() | SPOKEN)
    blocks = (newest,)
    if before is not None:
        offset = draw(st.integers(1, MAX_OFFSET))
        blocks = (Block((newest.rtp - offset) % 2**32, before.samples, before.data), newest)
    return SoundPacket(draw(st.integers(0, 65535)), blocks)


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
