"""The pacer and its measure of the line, with invented clocks."""

from transport.pacing import PIECES_A_TICK, TICK_S, TRICKLE_S, Pacer, QueueingDelay


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
