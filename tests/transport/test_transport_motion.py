"""Motion's packets, and reports that ride in them, between two real peers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transport_sides import Pair, quiet, until

from tests.patience import PATIENCE_S
from transport.motion_packet import (
    MAX_PAYLOAD_BYTES,
    MAX_REPORT_BYTES,
    MotionPacket,
    MotionPacketError,
    read_packet,
    write_packet,
)
from transport.rtp import HEADER_BYTES

NEVER_S = 10 * PATIENCE_S  # longer than any test waits
REPORT = b"report"


@given(
    motion=st.binary(max_size=MAX_PAYLOAD_BYTES - MAX_REPORT_BYTES - 1),
    report=st.binary(max_size=MAX_REPORT_BYTES),
    sequence=st.integers(0, 1 << 20),
    at_s=st.floats(0, 1e7),
)
def test_what_is_written_is_read(motion: bytes, report: bytes, sequence: int, at_s: float) -> None:
    packet = MotionPacket(motion, report)
    if not (motion or report):
        with pytest.raises(ValueError, match="a motion or a report"):
            write_packet(packet, sequence=sequence, at_s=at_s)
        return
    written = write_packet(packet, sequence=sequence, at_s=at_s)
    assert read_packet(written) == packet
    assert len(written) == HEADER_BYTES + len(motion) + len(report) + bool(motion and report)


@given(data=st.binary(max_size=60), payload=st.binary(max_size=40), kind=st.integers(0, 255))
def test_any_bytes_are_a_packet_or_none_of_ours(data: bytes, payload: bytes, kind: int) -> None:
    header = write_packet(MotionPacket(b"m"), sequence=1, at_s=0.0)[:HEADER_BYTES]
    for packet in (data, header + payload, header[:1] + bytes([kind]) + header[2:] + payload):
        try:
            read = read_packet(packet)
        except MotionPacketError:
            continue
        assert read.motion or read.report


def test_a_packet_looks_like_this() -> None:
    packet = write_packet(MotionPacket(b"motion", b"rep"), sequence=65_537, at_s=2.0)
    assert packet.hex() == "80670001" + f"{180_000:08x}" + "56697362" + b"\x03repmotion".hex()


@pytest.mark.parametrize(
    "packet", [MotionPacket(bytes(MAX_PAYLOAD_BYTES + 1)), MotionPacket(b"m", bytes(256))]
)
def test_what_is_too_large_is_not_written(packet: MotionPacket) -> None:
    with pytest.raises(ValueError, match="a packet"):
        write_packet(packet, sequence=0, at_s=0.0)


@pytest.fixture
async def calm(pair: Pair) -> Pair:
    """Two sides that send each other nothing of their own."""
    await quiet(*pair)
    return pair


def wait_long(monkeypatch: pytest.MonkeyPatch, late_s: float = NEVER_S / 2) -> None:
    """Let reports wait for a motion that is late by up to so much."""
    monkeypatch.setattr("transport.motion_line.RIDE_S", NEVER_S)
    monkeypatch.setattr("transport.motion_line.LATE_S", late_s)


async def beat(pair: Pair) -> None:
    """Send two motions, from which the next one's time is known."""
    left, right = pair
    for count in (1, 2):
        left.peer.send_motion(b"motion")
        await until(lambda count=count: len(right.motions) == count)  # type: ignore[misc]


async def test_a_report_goes_in_the_packet_of_the_next_motion(
    calm: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = calm
    wait_long(monkeypatch)
    await beat(calm)
    before = left.peer.stats()
    left.peer.send_report(REPORT)
    left.peer.send_motion(b"third")
    await until(lambda: right.controls == [REPORT] and right.motions[2:] == [b"third"])
    after = left.peer.stats()
    assert after.sent_packets == before.sent_packets + 1
    whole = 12 + 10 + 1 + len(REPORT) + len(b"third")
    assert after.sent_bytes - before.sent_bytes in (28 + whole, 48 + whole)


async def test_a_report_that_no_motion_comes_for_goes_alone(
    calm: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = calm
    wait_long(monkeypatch, late_s=0.3)
    await beat(calm)
    left.peer.send_report(REPORT)
    await until(lambda: right.controls == [REPORT])
    assert len(right.motions) == 2


async def test_a_report_waits_for_no_motion_that_is_long_in_coming(
    calm: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = calm
    monkeypatch.setattr("transport.motion_line.LATE_S", NEVER_S)
    for _ in range(2):  # without motion, and with one that comes too rarely
        left.peer.send_report(REPORT)
        await until(lambda: bool(right.controls))
        right.controls.clear()
        if not right.motions:
            await beat(calm)


async def test_a_second_report_waits_alone_and_the_first_one_goes(
    calm: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = calm
    wait_long(monkeypatch)
    await beat(calm)
    left.peer.send_report(b"first")
    left.peer.send_report(b"second")
    await until(lambda: right.controls == [b"first"])
    left.peer.send_motion(b"third")
    await until(lambda: right.controls == [b"first", b"second"])


async def test_a_large_motion_goes_beside_a_report(calm: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = calm
    wait_long(monkeypatch)
    await beat(calm)
    left.peer.send_report(bytes(200))
    left.peer.send_motion(bytes(1_100))
    await until(lambda: len(right.motions) == 3 and right.controls == [bytes(200)])


async def test_nothing_waits_and_nothing_comes_after_the_end(
    calm: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = calm
    wait_long(monkeypatch)
    await beat(calm)
    left.peer.send_report(REPORT)
    await left.peer.close()
    line = left.peer._motion
    assert not line._report
    assert line._timer is None
    line._take(write_packet(MotionPacket(b"late"), sequence=9, at_s=0.0))
    await right.peer.close()
    assert left.motions == []


async def test_bytes_that_are_no_packet_end_nothing(calm: Pair) -> None:
    left, right = calm
    right.peer._motion._take(b"\x80\x65")
    left.peer.send_motion(b"still here")
    await until(lambda: right.motions == [b"still here"])
