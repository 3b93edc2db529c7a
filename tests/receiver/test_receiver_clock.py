"""When a captured motion is due: jitter, drift, and the sender's frame interval."""

import random

import pytest

from receiver.clock import MAX_DELAY_S, MIN_DELAY_S, START_DELAY_S, PlayoutClock


def feed(
    clock: PlayoutClock, *, count: int, jitter_s: float = 0.0, drift: float = 0.0, rate: float = 25
) -> float:
    """Let motions arrive as a line would bring them; returns the last one's ideal arrival."""
    randomly = random.Random(7)
    for index in range(count):
        captured_s = index / rate
        arrived_s = 1000 + captured_s * (1 + drift) + randomly.uniform(0, jitter_s)
        clock.observe(round(captured_s * 60), arrived_s)
    return 1000 + (count - 1) / rate * (1 + drift)


def test_a_call_begins_with_a_modest_delay() -> None:
    clock = PlayoutClock()
    clock.observe(0, 1000.0)
    assert clock.delay_s == pytest.approx(START_DELAY_S, rel=0.05)
    assert clock.due_s(0) == pytest.approx(1000.0 + clock.delay_s)


def test_a_steady_line_shortens_the_delay() -> None:
    clock = PlayoutClock()
    feed(clock, count=400)
    assert MIN_DELAY_S <= clock.delay_s < 0.025  # ticks of 1/60 s alone look like 17 ms of jitter


def test_jitter_lengthens_the_delay_to_what_covers_most_of_it_but_never_without_end() -> None:
    clock = PlayoutClock()
    feed(clock, count=200, jitter_s=0.08)
    assert 0.06 < clock.delay_s < 0.1
    feed(clock, count=200, jitter_s=1.0)
    assert 0.9 * MAX_DELAY_S < clock.delay_s <= MAX_DELAY_S


def test_clocks_that_drift_apart_are_followed() -> None:
    for drift in (-500e-6, 500e-6):
        clock = PlayoutClock()
        ideal_s = feed(clock, count=25 * 300, drift=drift)
        lag_s = clock.due_s(round((25 * 300 - 1) / 25 * 60)) - ideal_s
        assert 0 < lag_s < 0.05


@pytest.mark.parametrize("rate", [5, 10, 15, 24, 25, 30, 50, 60])
@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_the_frame_interval_is_found_whatever_is_lost(rate: int, loss: float) -> None:
    randomly = random.Random(rate)
    clock = PlayoutClock()
    for index in range(100):
        if randomly.random() >= loss:
            clock.observe(round(index / rate * 60), index / rate)
    assert clock.interval_ticks == pytest.approx(60 / rate, rel=0.35 if loss else 0.05)


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(6.25, 31.25), (10, 30), (12.5, 25), (15, 30), (20, 20), (24, 24), (25, 25), (30, 30), (60, 60)],
)
def test_pictures_are_shown_at_a_display_s_rate_and_at_every_motion(rate: float, shown: float) -> None:
    clock = PlayoutClock()
    feed(clock, count=100, rate=rate)
    assert 60 / clock.step_ticks == pytest.approx(shown, rel=0.03)
    steps = clock.interval_ticks / clock.step_ticks
    assert steps == pytest.approx(round(steps))


def delay_of(arrivals: list[tuple[int, float]]) -> float:
    clock = PlayoutClock()
    for ticks, arrived_s in arrivals:
        clock.observe(ticks, arrived_s)
    return clock.delay_s


def test_the_delay_covers_what_a_lost_motion_waits_to_be_bridged() -> None:
    frames = [(round(index * 2.4), index / 25) for index in range(400)]
    whole = delay_of(frames)
    rarely = delay_of([frame for index, frame in enumerate(frames) if index % 100 != 50])
    often = delay_of([frame for index, frame in enumerate(frames) if index % 10 != 5])
    in_pairs = delay_of([frame for index, frame in enumerate(frames) if index % 10 not in (5, 6)])
    assert rarely == pytest.approx(whole + 0.035, abs=0.006)
    assert often == pytest.approx(whole + 0.04, abs=0.01)
    assert in_pairs == pytest.approx(whole + 0.08, abs=0.01)


def test_long_runs_of_losses_are_remembered_for_longer_than_jitter() -> None:
    frames = [(round(index * 2.4), index / 25) for index in range(600)]
    lossy = [frame for index, frame in enumerate(frames) if index >= 150 or index % 30 >= 5]
    whole = delay_of(frames)
    assert delay_of(lossy[:-200]) > whole + 0.1
    assert delay_of(lossy) < delay_of(lossy[:-200])


def test_the_delay_covers_bundles_and_what_is_repeated_in_them_but_no_stall() -> None:
    frames = [round(index * 2.4) for index in range(400)]
    alone = delay_of([(ticks, ticks / 60) for ticks in frames])
    bundles = [frames[index : index + 4] for index in range(0, 400, 4)]
    in_fours = delay_of([(ticks, bundle[-1] / 60) for bundle in bundles for ticks in bundle])
    assert in_fours == pytest.approx(alone + 3 / 25, abs=0.015)
    repaired = delay_of(
        [(ticks, (ticks + 4.8 * (index % 10 == 5)) / 60) for index, ticks in enumerate(frames)]
    )
    assert repaired == pytest.approx(alone + 0.04, abs=0.01)  # the next motion is there after 40 ms
    stalled = delay_of([(ticks, ticks / 60 + 0.1 * (index % 50 == 9)) for index, ticks in enumerate(frames)])
    assert stalled < alone + 0.05
