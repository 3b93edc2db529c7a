"""The pacer and its measure of the line, with invented clocks."""

from itertools import pairwise

import pytest

from transport.pacing import FRAMING_BYTES, PIECES_A_TICK, TICK_S, TRICKLE_S, Pacer, QueueingDelay


def filled(pieces: int, *, rate_bps: float = 480_000.0) -> Pacer:
    pacer = Pacer(rate_bps=rate_bps)
    for index in range(pieces):
        pacer.push(index.to_bytes(2, "big") * 500)
    return pacer


def given(pacer: Pacer, ticks: int, *, idle: bool = True, queueing_s: float = 0.0) -> list[int]:
    """The indices of the pieces given out in so many ticks."""
    pieces: list[bytes] = []
    for tick in range(ticks):
        pieces += pacer.take(tick * TICK_S, idle=idle, queueing_s=queueing_s)
    return [int.from_bytes(piece[:2], "big") for piece in pieces]


def test_pieces_leave_in_their_order_and_none_is_lost() -> None:
    pacer = filled(20)
    assert given(pacer, 30) == list(range(20))
    assert pacer.waiting_bytes == 0


def test_a_tick_gives_no_more_than_two_pieces_even_after_a_long_pause() -> None:
    pacer = filled(20)
    assert len(pacer.take(0.0, idle=True, queueing_s=0.0)) == PIECES_A_TICK
    assert len(pacer.take(60.0, idle=True, queueing_s=0.0)) == PIECES_A_TICK


def test_a_narrow_line_is_given_one_piece_at_a_time_even_after_a_pause() -> None:
    pacer = filled(20, rate_bps=60_000.0)
    assert len(pacer.take(0.0, idle=True, queueing_s=0.0)) == 1
    assert len(pacer.take(60.0, idle=True, queueing_s=0.0)) == 1


def test_the_rate_holds_over_time() -> None:
    seconds, rate_bps = 4, 80_000.0
    count = len(given(filled(200, rate_bps=rate_bps), round(seconds / TICK_S), idle=True))
    assert abs(count * 8_000 / seconds - rate_bps) <= 2 * 8_000 / seconds + 1


def test_a_busy_line_gets_nothing() -> None:
    assert given(filled(5), 30, idle=False) == []


def test_a_line_that_holds_bytes_back_gets_a_trickle_and_not_nothing() -> None:
    seconds = 4
    count = len(given(filled(100), round(seconds / TICK_S), queueing_s=0.5))
    assert 0 < count <= seconds / TRICKLE_S + 1


def test_queueing_is_what_the_round_trip_has_grown_by() -> None:
    delay = QueueingDelay()
    assert delay.update(0.0, None) == 0.0
    assert delay.update(0.1, 0.05) == 0.0
    assert abs(delay.update(0.2, 0.25) - 0.2) < 1e-9


def test_a_path_that_became_longer_is_the_new_empty_line_after_a_while() -> None:
    delay = QueueingDelay()
    delay.update(0.0, 0.02)
    assert delay.update(1.0, 0.3) > 0.2
    for second in range(2, 25):
        newest = delay.update(float(second), 0.3)
    assert newest == 0.0


def sent_under(
    limit_bps: float, *, motion_bps: float, meeting_bytes: int = 1600, seconds: int = 40
) -> list[int]:
    """Bytes sent in each tick: motion as it comes, and pieces without end."""
    pacer = Pacer(rate_bps=1e6)
    for _ in range(4000):
        pacer.push(bytes(320))
    pacer.limit_bps = limit_bps
    ticks, total = [meeting_bytes], meeting_bytes
    for tick in range(round(seconds / TICK_S)):
        now = round(motion_bps / 8 * TICK_S)
        total += now
        pieces = pacer.take(tick * TICK_S, idle=True, queueing_s=0.0, sent_bytes=total)
        now += sum(len(piece) + FRAMING_BYTES for piece in pieces)
        total += now - round(motion_bps / 8 * TICK_S)
        ticks.append(now)
    return ticks


@pytest.mark.parametrize("limit_bps", [8_000.0, 20_000.0, 50_000.0, 100_000.0])
def test_a_limit_on_everything_is_kept_over_any_five_seconds_and_used(limit_bps: float) -> None:
    ticks = sent_under(limit_bps, motion_bps=limit_bps / 2)
    window = round(5 / TICK_S)
    sums = [8 * sum(ticks[start : start + window]) / 5 for start in range(len(ticks) - window)]
    assert max(sums) <= 1.1 * limit_bps
    assert min(sums[window:]) > 0.85 * limit_bps


def test_what_motion_takes_beyond_a_limit_leaves_nothing_for_pieces() -> None:
    assert max(sent_under(20_000.0, motion_bps=21_000.0)[1:]) == round(21_000 / 8 * TICK_S)


def test_a_piece_larger_than_goes_at_once_under_a_limit_goes_and_is_paid_for() -> None:
    pacer = filled(4)
    pacer.limit_bps = 4_000.0
    times_s: list[float] = []
    for tick in range(400):
        sent_bytes = len(times_s) * (1000 + FRAMING_BYTES)
        pieces = pacer.take(tick * TICK_S, idle=True, queueing_s=0.0, sent_bytes=sent_bytes)
        times_s += [tick * TICK_S] * len(pieces)
    assert len(times_s) == 4
    gaps_s = [later - earlier for earlier, later in pairwise(times_s)]
    assert min(gaps_s) >= 8 * (1000 + FRAMING_BYTES) / 4_000 - TICK_S


def test_a_narrow_line_is_given_one_piece_at_a_time() -> None:
    pacer = filled(20, rate_bps=8_000.0)
    assert len(pacer.take(0.0, idle=True, queueing_s=0.0)) == 1
    assert len(pacer.take(60.0, idle=True, queueing_s=0.0)) == 1
    assert pacer.take(60.1, idle=True, queueing_s=0.0) == []
