"""The rate controller in a call: what feedback makes of what is sent."""

from itertools import pairwise

import pytest

from sender.adapting import (
    LEAST_PIECE_BYTES,
    LEAST_PIECES_BPS,
    LEAST_START_BPS,
    MOST_PIECE_BYTES,
    MOST_START_BPS,
    Adapting,
    Carried,
    Wanted,
)
from sender.operating_points import OperatingPoint
from sender.rate import START_BPS
from tests.sender.test_sender_line_report import Line


def adapting(**wanted: object) -> Adapting:
    return Adapting(Wanted(**({"camera_fps": 25.0} | wanted)), at_s=0.0)  # type: ignore[arg-type]


def kept(rate: Adapting, *, frames: int = 100, frame_s: float = 0.04) -> int:
    return sum(rate.wants(index * frame_s) for index in range(frames))


def narrow(rate: Adapting, bps: float) -> None:
    rate.begin(carried=Carried(bps, again=False), at_s=1.0)


def test_a_call_begins_with_every_frame_at_once() -> None:
    rate = adapting()
    assert (rate.decision.mode, rate.decision.bundle, rate.decision.repeat) == ("predictive", 1, 0)
    assert kept(rate) == 100
    assert rate.piece_bytes == LEAST_PIECE_BYTES + 580
    assert rate.stats.changes == 0


def test_what_the_first_picture_took_is_where_a_call_begins_on_a_narrow_line() -> None:
    rate = adapting()
    narrow(rate, 54_000.0)
    assert rate.decision.bundle > 1
    assert LEAST_START_BPS < rate.believed_bps < 36_000
    narrow(rate, 100.0)
    assert rate.believed_bps == LEAST_START_BPS
    assert rate.piece_bytes == LEAST_PIECE_BYTES
    narrow(rate, 1e9)
    assert rate.believed_bps == MOST_START_BPS
    assert rate.piece_bytes == MOST_PIECE_BYTES


def test_a_line_on_which_something_went_again_may_be_narrow_or_lossy_and_is_taken_for_neither() -> None:
    believed = []
    for bps in (10_000.0, 1e9):
        rate = adapting()
        rate.begin(carried=Carried(bps, again=True), at_s=1.0)
        believed.append(rate.believed_bps)
    assert 10_000.0 < believed[0] < START_BPS
    assert believed[1] == START_BPS


@pytest.mark.parametrize("limit_bps", [10_000.0, 20_000.0, 50_000.0])
def test_the_limit_is_kept_by_what_is_decided(limit_bps: float) -> None:
    rate = adapting(limit_bps=limit_bps)
    assert rate.believed_bps == min(limit_bps, START_BPS)
    decided = rate.decision
    point = OperatingPoint(
        decided.mode, round(25 / decided.frames_per_s), decided.bundle, decided.repeat, decided.keypoints
    )
    assert point.wire_bps(25.0) + 8 * decided.repair_bytes_per_s <= limit_bps * 1.0001
    assert rate.pieces_bps >= LEAST_PIECES_BPS


def test_what_a_limit_let_through_says_nothing_of_the_line() -> None:
    rate = adapting(limit_bps=20_000.0)
    before = rate.decision
    narrow(rate, 10_000.0)
    assert rate.decision == before


def test_pieces_are_small_where_much_hangs_on_them() -> None:
    assert adapting().first_piece_bytes == MOST_PIECE_BYTES
    assert LEAST_PIECE_BYTES < adapting(limit_bps=20_000.0).first_piece_bytes < MOST_PIECE_BYTES
    assert adapting(limit_bps=20_000.0).piece_bytes == LEAST_PIECE_BYTES


def test_every_other_frame_is_left_out_evenly_though_the_camera_is_not_even() -> None:
    rate = adapting(limit_bps=6_500.0)
    assert rate.decision.frames_per_s == 12.5
    assert kept(rate) == 50
    taken = [index for index in range(100) if rate.wants(100 + index / 25 + 0.012 * (index % 3 - 1))]
    assert {later - earlier for earlier, later in pairwise(taken)} == {2}
    # A camera that itself leaves out every other one is not halved again.
    assert kept(adapting(limit_bps=6_500.0), frame_s=0.08) == 100


def test_what_the_user_fixes_is_not_decided_otherwise() -> None:
    for limit_bps in (None, 12_000.0):
        assert adapting(mode="static", limit_bps=limit_bps).decision.mode == "static"
        assert adapting(bundle=2, limit_bps=limit_bps).decision.bundle == 2
        assert adapting(keypoints=7, limit_bps=limit_bps).decision.keypoints == 7
        forced = adapting(mode="predictive", limit_bps=limit_bps)
        assert not forced.depend(predictive=False, at_s=1.0)
        assert forced.decision.mode == "predictive"


def test_where_nothing_is_acknowledged_what_stands_alone_is_sent_and_no_more_than_before() -> None:
    rate = adapting()
    narrow(rate, 20_000.0)
    assert not rate.depend(predictive=True, at_s=1.5)
    assert rate.depend(predictive=False, at_s=2.0)
    assert rate.decision.mode == "static"
    assert rate.decision.frames_per_s <= 12.5
    assert not rate.depend(predictive=False, at_s=2.1)
    assert rate.depend(predictive=True, at_s=3.0)
    assert rate.decision.mode == "predictive"
    assert rate.stats.changes == 3  # from the beginning to the narrow line, and there and back
    assert [change["mode"] for change in rate.stats.decisions[-2:]] == ["static", "predictive"]


class Fed(Line):
    """The line of the report's tests, with a controller at its end."""

    def __init__(self, rate: Adapting) -> None:
        super().__init__()
        self.rate = rate
        self.meter = _Hook(self)  # type: ignore[assignment]


class _Hook:
    def __init__(self, line: Fed) -> None:
        self._line = line

    def sent(self, packet, *, taken, at_s, copies) -> None:
        self._line.rate.sent(packet, taken=taken, at_s=at_s, copies=copies)

    def take(self, feedback, *, at_s, sent_bytes) -> None:
        self._line.rate.take(feedback, at_s=at_s, sent_bytes=sent_bytes, predictive=True)


def test_loss_brings_repetition_and_a_queue_brings_bundles_and_stops_pictures() -> None:
    rate = adapting()
    line = Fed(rate)
    line.run(6)
    before = rate.decision
    line.run(6, lose=lambda index: index % 4 == 0)
    assert before.repeat == before.copies - 1 == 0
    assert rate.decision.repeat > 0 or rate.decision.copies > 1
    line.run(12)
    line.run(1, way_s=0.4)
    assert rate.decision.bundle > 1
    assert rate.decision.repair_bytes_per_s == 0
    assert rate.pieces_bps == LEAST_PIECES_BPS


def test_what_goes_beside_is_left_its_share_of_a_narrow_line_at_once() -> None:
    rate = adapting()
    narrow(rate, 100_000.0)
    before = rate.decision
    rate.beside(24_000.0, ride_s=None, at_s=1.1)
    assert rate.decision.bundle > before.bundle
    rate.beside(0.0, ride_s=None, at_s=1.2)
    assert rate.decision.bundle == before.bundle
