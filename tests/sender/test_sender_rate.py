"""The rate controller: what it chooses for a line's state, and how it goes from one to the next."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.operating_points import OPERATING_POINTS, OperatingPoint
from sender.rate import (
    AMPLE_BPS,
    ENOUGH_BPS,
    GROWTH_LIMIT,
    HEADROOM,
    HOLD_S,
    START_BPS,
    Decision,
    RateState,
    Report,
    decide,
)

CALM = Report(at_s=0.0, sent_bps=30_000, arrived_bps=30_000, loss=0.0, queueing_s=0.0)


def settled(capacity_bps: float, **changes: object) -> Decision:
    """Return what is chosen on a line that has long been known to carry so much."""
    state = RateState(capacity_bps=capacity_bps, at_s=0.0, calm_s=-1000.0)
    return decide(state, replace(CALM, **changes))[1]  # type: ignore[arg-type]


def cost_bps(decision: Decision, *, camera_fps: float = 25.0) -> float:
    every = round(camera_fps / decision.frames_per_s)
    kept = (decision.repeat, decision.keypoints, decision.back, decision.copies)
    point = OperatingPoint(decision.mode, every, decision.bundle, *kept)
    assert point in OPERATING_POINTS
    return point.wire_bps(camera_fps)


def test_a_wide_line_gets_every_frame_at_once_and_the_rest_is_for_repairs() -> None:
    decision = settled(300_000)
    assert (decision.mode, decision.frames_per_s, decision.bundle, decision.repeat) == (
        "predictive",
        25,
        1,
        0,
    )
    assert 8 * decision.repair_bytes_per_s > 200_000


def test_a_narrow_line_gets_bundles_before_it_loses_frames() -> None:
    wide, narrow, narrower = settled(40_000), settled(20_000), settled(7_000)
    assert wide.bundle < narrow.bundle
    assert narrow.frames_per_s == 25
    assert narrower.frames_per_s == 12.5


@pytest.mark.parametrize("camera_fps", [24.0, 25.0, 30.0])
def test_motion_and_what_goes_beside_it_take_enough_of_a_narrow_line_and_no_more(camera_fps: float) -> None:
    for capacity_bps in (55_000.0, 80_000.0, AMPLE_BPS - 1):
        decision = settled(capacity_bps, camera_fps=camera_fps, beside_bps=25_000.0)
        assert cost_bps(decision, camera_fps=camera_fps) <= ENOUGH_BPS - 25_000
        assert decision.frames_per_s == camera_fps
    ample = settled(AMPLE_BPS, camera_fps=camera_fps, beside_bps=25_000.0)
    assert ample.bundle == 1


def test_a_call_does_not_take_its_line_for_ample_because_it_carries_enough() -> None:
    calm = replace(CALM, sent_bps=1.2 * ENOUGH_BPS, arrived_bps=1.2 * ENOUGH_BPS, beside_bps=25_000.0)
    state = RateState(capacity_bps=20_000.0, at_s=0.0)
    for at_s in range(1, 300):
        state, decision = decide(state, replace(calm, at_s=float(at_s)))
        assert cost_bps(decision) + 8 * decision.repair_bytes_per_s <= ENOUGH_BPS
    assert state.capacity_bps > 2 * ENOUGH_BPS
    assert decide(replace(state, capacity_bps=AMPLE_BPS), calm)[1].repair_bytes_per_s > ENOUGH_BPS / 8


def test_motion_rides_with_the_sound_of_a_narrow_line_and_fits_it_in_silence_as_well() -> None:
    for capacity_bps in (16_000.0, 20_000.0, 24_000.0):
        alone = settled(capacity_bps, beside_bps=0.6 * capacity_bps)
        assert not alone.rides
        riding = settled(capacity_bps, beside_bps=0.6 * capacity_bps, ride_s=0.06)
        assert riding.rides
        assert riding.copies == 1
        assert riding.frames_per_s == 25
        assert riding.bundle < alone.bundle or alone.frames_per_s < 25
        assert cost_bps(riding) <= HEADROOM * capacity_bps
    assert not settled(60_000, ride_s=0.06, beside_bps=20_000.0).rides, "packets of its own are quicker"


def test_what_rides_with_sound_that_takes_more_than_its_share_fits_the_line_in_silence() -> None:
    for capacity_bps in range(8_000, 30_000, 500):
        decision = settled(capacity_bps, beside_bps=16_000.0, ride_s=0.06)
        assert cost_bps(decision) <= HEADROOM * capacity_bps


def test_what_rides_is_lost_with_the_sound_so_that_only_what_comes_later_makes_up_for_it() -> None:
    point = OperatingPoint("predictive", 1, 1, 1, None, rides=True)
    twice = replace(point, repeat=2)
    none = replace(point, repeat=0)

    def worth_s(one: OperatingPoint, ride_s: float) -> float:
        return one.worth_s(25.0, 0.1, ride_s=ride_s)

    assert worth_s(point, 0.06) < worth_s(none, 0.06)  # it would come again in the same packet, or nearly so
    assert worth_s(twice, 0.06) > worth_s(none, 0.06)
    assert worth_s(point, 0.02) > worth_s(none, 0.02)


def test_motion_has_a_share_whatever_goes_beside_it() -> None:
    decision = settled(40_000, beside_bps=40_000.0)
    assert decision.frames_per_s == 25


@pytest.mark.parametrize("camera_fps", [24.0, 25.0, 30.0])
def test_the_user_s_limit_holds_whatever_the_line_carries(camera_fps: float) -> None:
    for limit_bps in (10_000.0, 20_000.0, 50_000.0):
        decision = settled(1e6, limit_bps=limit_bps, camera_fps=camera_fps)
        total_bps = cost_bps(decision, camera_fps=camera_fps) + 8 * decision.repair_bytes_per_s
        assert total_bps <= limit_bps * 1.0001


def test_loss_is_answered_with_repetition_where_there_is_room() -> None:
    assert settled(40_000).repeat == 0
    assert settled(40_000, loss=0.1).repeat > 0
    assert settled(40_000, loss=0.3).repeat >= settled(40_000, loss=0.1).repeat


def test_runs_of_losses_are_answered_with_more_packets_where_the_line_carries_them() -> None:
    assert settled(200_000, loss=0.2, burst=5.0).copies == 3
    assert settled(48_000, loss=0.2, burst=5.0).copies == 2
    assert settled(28_000, loss=0.2, burst=5.0).copies == 1
    assert settled(200_000, loss=0.05).copies == 1
    assert settled(200_000, loss=0.2).copies < 3
    assert settled(200_000, loss=0.2, burst=5.0).back == 2  # further back than scattered losses need


def test_what_is_lost_in_runs_does_not_look_like_a_line_that_is_too_narrow() -> None:
    for burst, falls in ((1.0, True), (5.0, False)):
        state = RateState(capacity_bps=100_000, at_s=0.0)
        state, _ = decide(state, replace(CALM, at_s=0.25, loss=0.55, burst=burst))
        assert (state.capacity_bps < 50_000) == falls


def test_a_loss_that_a_lower_rate_does_not_lessen_is_not_answered_with_a_lower_one_yet() -> None:
    state, believed_bps = RateState(capacity_bps=200_000, at_s=0.0), []
    for second in range(1, 40):
        bad = replace(CALM, at_s=float(second), loss=0.6, arrived_bps=12_000)
        state, _ = decide(state, bad)
        believed_bps.append(state.capacity_bps)
    assert believed_bps[0] < 10_000
    assert min(believed_bps) == believed_bps[0]
    few = replace(CALM, at_s=1.0, loss=0.6, arrived_bps=12_000, counted=20)
    assert decide(RateState(capacity_bps=200_000, at_s=0.0), few)[0].capacity_bps >= 200_000


def test_copies_go_at_even_distances() -> None:
    decision = settled(200_000, loss=0.2, burst=5.0)
    assert decision.copies * decision.copies_apart_s == pytest.approx(1 / 25)


def test_without_acknowledgements_every_packet_stands_alone() -> None:
    for capacity_bps in (300_000, 20_000, 6_000):
        decision = settled(capacity_bps, predictive=False)
        assert (decision.mode, decision.bundle, decision.repeat) == ("static", 1, 0)
    assert settled(25_000, predictive=False).keypoints == 10


def test_a_queue_lowers_the_rate_at_once_and_stops_repairs() -> None:
    state, before = decide(RateState(), CALM)
    full = replace(CALM, at_s=0.25, arrived_bps=15_000, queueing_s=0.3)
    state, after = decide(state, full)
    assert cost_bps(after) <= 0.8 * 15_000 < cost_bps(before)
    assert after.repair_bytes_per_s == 0
    assert state.capacity_bps < START_BPS


def test_a_dearer_point_is_tried_only_after_calm_and_later_each_time_that_it_was_too_much() -> None:
    waits_s = []
    state, at_s = RateState(capacity_bps=16_000, at_s=-1.0), 0.0
    for _ in range(3):
        report = replace(CALM, at_s=at_s, arrived_bps=16_000, queueing_s=0.3)
        state, low = decide(state, report)
        began_s, tried = at_s, low
        while cost_bps(tried) <= cost_bps(low):
            at_s += 0.25
            state, tried = decide(state, replace(CALM, at_s=at_s, sent_bps=cost_bps(low), arrived_bps=16_000))
            assert at_s < began_s + 100
        waits_s.append(at_s - began_s)
        at_s += 0.25
    assert waits_s[0] >= HOLD_S
    assert waits_s == sorted(waits_s)
    assert waits_s[2] > 1.5 * waits_s[0]


def test_a_line_is_never_believed_to_carry_much_more_than_it_was_asked_for() -> None:
    state = RateState()
    for quarter in range(4000):
        state, _ = decide(state, replace(CALM, at_s=quarter / 4))
    assert state.capacity_bps <= max(START_BPS, GROWTH_LIMIT * CALM.sent_bps)


def test_an_answer_to_a_steady_line_does_not_change() -> None:
    state, decisions = RateState(), set()
    for quarter in range(400):
        state, decision = decide(state, replace(CALM, at_s=quarter / 4, loss=0.1 + 0.02 * (quarter % 2)))
        if quarter >= 8:  # it has found out what the line carries
            decisions.add(replace(decision, repair_bytes_per_s=0.0))
    assert len(decisions) == 1


reports = st.lists(
    st.builds(
        Report,
        at_s=st.floats(0, 1e6),
        sent_bps=st.floats(0, 1e9),
        arrived_bps=st.floats(0, 1e9),
        loss=st.floats(0, 1),
        queueing_s=st.floats(0, 100),
        limit_bps=st.none() | st.floats(0, 1e9),
        predictive=st.booleans(),
        camera_fps=st.sampled_from([5.0, 15.0, 25.0, 29.97, 60.0]),
        burst=st.floats(1, 1e3),
    ),
    max_size=20,
)


@given(reports)
def test_whatever_is_reported_a_decision_that_can_be_sent_comes(reports: list[Report]) -> None:
    state = RateState()
    for report in reports:
        again = decide(state, report)
        state, decision = decide(state, report)
        assert (state, decision) == again  # pure
        assert decision.mode == "static" or report.predictive
        assert 0 < decision.frames_per_s <= report.camera_fps
        assert 1 <= decision.bundle <= 4
        assert decision.repair_bytes_per_s >= 0
        assert state.capacity_bps > 0
