"""Reports that ride with motion, between two real peers."""

import pytest
from transport_sides import Pair, quiet, unhurried, until

from tests.patience import PATIENCE_S

NEVER_S = 10 * PATIENCE_S  # longer than any test waits
REPORT = b"report"


@pytest.fixture
async def calm(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Two sides that send each other nothing of their own."""
    await quiet(*pair)
    unhurried(pair[0])
    monkeypatch.setattr("transport.acknowledging.DELAY_S", NEVER_S)
    return pair


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
    monkeypatch.setattr("transport.riding.RIDE_S", NEVER_S)
    monkeypatch.setattr("transport.riding.LATE_S", NEVER_S / 2)
    await beat(calm)
    before = left.peer.stats()
    left.peer.send_report(REPORT)
    await until(lambda: not left.peer._report.bufferedAmount)
    assert left.peer.stats().sent_packets == before.sent_packets
    left.peer.send_motion(b"third")
    await until(lambda: right.controls == [REPORT] and right.motions[2:] == [b"third"])
    assert left.peer.stats().sent_packets == before.sent_packets + 1
    # The report's chunk has 16 bytes of header and is filled up to a multiple of four.
    third = 28 + 29 + 12 + 16 + 8
    assert left.peer.stats().sent_bytes - before.sent_bytes in (third + 16 + 8, third + 16 + 8 + 20)


async def test_a_report_that_no_motion_comes_for_goes_alone(
    calm: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = calm
    monkeypatch.setattr("transport.riding.RIDE_S", NEVER_S)
    monkeypatch.setattr("transport.riding.LATE_S", 0.3)
    await beat(calm)
    before = left.peer.stats().sent_packets
    left.peer.send_report(REPORT)
    await until(lambda: right.controls == [REPORT])
    assert left.peer.stats().sent_packets == before + 1
    assert len(right.motions) == 2


async def test_a_report_waits_for_no_motion_that_is_long_in_coming(
    calm: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = calm
    monkeypatch.setattr("transport.riding.LATE_S", NEVER_S)
    for _ in range(2):  # without motion, and with one that comes too rarely
        left.peer.send_report(REPORT)
        await until(lambda: bool(right.controls))
        right.controls.clear()
        if not right.motions:
            await beat(calm)


async def test_a_large_message_leaves_what_waits_where_it_is(
    calm: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = calm
    monkeypatch.setattr("transport.riding.RIDE_S", NEVER_S)
    monkeypatch.setattr("transport.riding.LATE_S", NEVER_S / 2)
    await beat(calm)
    left.peer.send_report(REPORT)
    left.peer.send_motion(bytes(1_100))
    await until(lambda: len(right.motions) == 3)
    assert right.controls == []
    left.peer.send_motion(b"small")
    await until(lambda: right.controls == [REPORT])


async def test_nothing_waits_after_the_end(calm: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    left, _ = calm
    monkeypatch.setattr("transport.riding.RIDE_S", NEVER_S)
    monkeypatch.setattr("transport.riding.LATE_S", NEVER_S / 2)
    await beat(calm)
    left.peer.send_report(REPORT)
    riding = left.peer._acknowledging._riding
    await until(lambda: bool(riding._waiting))
    await left.peer.close()
    assert not riding._waiting
    assert riding._timer is None
