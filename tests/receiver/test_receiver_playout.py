"""The playout buffer, without a network: what it shows, when, and what it never does."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receiver_fakes import decoded, motion

from codec.decoder import DecodedMotion
from codec.motion import Motion
from codec.time import Unwrapper, ticks_of
from receiver.clock import MAX_DELAY_S
from receiver.playout import EXTRAPOLATED_S, MAX_WAITING, RELAXING_S, Playout, Shown

FRAME_S = 0.04


@dataclass(frozen=True)
class Seen:
    """Something shown, and when."""

    at_s: float
    shown: Shown


def play(
    playout: Playout,
    arrivals: list[tuple[float, DecodedMotion]],
    *,
    draw_s: float = 0.0,
    until_s: float | None = None,
) -> list[Seen]:
    """Push motions as they arrive and show whatever is due, as the drawing thread does; no real time passes."""
    seen: list[Seen] = []
    queue = sorted(arrivals, key=lambda arrival: arrival[0])
    now_s = queue[0][0] if queue else 0.0
    end_s = queue[-1][0] + 0.5 if until_s is None else until_s
    while now_s < end_s:
        while queue and queue[0][0] <= now_s:
            playout.push(queue[0][1], queue[0][0])
            del queue[0]
        shown = playout.next(now_s)
        if shown is not None:
            seen.append(Seen(now_s, shown))
            now_s += draw_s
            continue
        due_s = playout.due_s()
        assert due_s is None or due_s > now_s, "the drawing thread would spin"
        now_s = min(
            [end_s, *(time_s for time_s in (due_s, queue[0][0] if queue else None) if time_s is not None)]
        )
    return seen


def clip(
    count: int, *, rate: float = 25.0, start_s: float = 0.0, transit_s: float = 0.02
) -> list[tuple[float, DecodedMotion]]:
    """A clip's motions as a perfect line brings them."""
    frames = [start_s + index / rate for index in range(count)]
    return [(captured_s + transit_s, decoded(round(captured_s * 60))) for captured_s in frames]


def kinds(seen: list[Seen]) -> list[str]:
    return [one.shown.kind for one in seen]


def fresh_ticks(seen: list[Seen]) -> list[int]:
    return [one.shown.ticks for one in seen if one.shown.kind == "fresh"]


@pytest.mark.parametrize("rate", [20, 24, 25, 30, 60])
def test_a_clip_is_shown_frame_by_frame_and_nothing_is_added(rate: int) -> None:
    arrivals = clip(100, rate=rate)
    seen = play(Playout(), arrivals)
    assert kinds(seen)[:100] == ["fresh"] * 100
    assert fresh_ticks(seen) == [motion.ticks for _, motion in arrivals]


def test_motions_are_shown_at_the_rhythm_of_their_capture() -> None:
    seen = play(Playout(), clip(200))[100:]
    for one, other in pairwise(seen[:50]):
        captured_s = (other.shown.ticks - one.shown.ticks) / 60
        assert other.at_s - one.at_s == pytest.approx(captured_s, abs=0.005)


def test_motions_out_of_order_are_shown_in_order() -> None:
    arrivals = clip(50)
    for index in range(10, 40, 3):  # 45 ms late: behind the next one
        arrivals[index] = (arrivals[index][0] + 0.045, arrivals[index][1])
    seen = play(Playout(), arrivals)
    assert fresh_ticks(seen) == [motion.ticks for _, motion in arrivals]


def test_a_lost_motion_is_bridged_once_its_far_side_has_come() -> None:
    playout = Playout()
    playout.clock.delay_s = 0.1
    arrivals = clip(20)
    lost = arrivals.pop(10)[1]
    seen = play(playout, arrivals, until_s=arrivals[-1][0] + 0.02)
    assert kinds(seen).count("interpolated") == 1
    assert set(kinds(seen)) == {"fresh", "interpolated"}
    bridge = next(one.shown for one in seen if one.shown.kind == "interpolated")
    assert bridge.motion.rotation[0] == pytest.approx(lost.ticks, abs=1)  # the yaw tells the time


@pytest.mark.parametrize("rebases", [True, False])
def test_a_gap_in_which_the_source_changes_is_bridged_where_motions_can_be_said_for_the_other(
    rebases: bool,
) -> None:
    def rebase(moved: Motion, of: int, to: int) -> Motion:
        assert (of, to) == (1, 0)
        return Motion(moved.rotation - np.float32(100), moved.translation, moved.expression)

    playout = Playout(rebase=rebase if rebases else None)
    playout.clock.delay_s = 0.1
    arrivals = clip(10)
    arrivals += [(at_s, decoded(one.ticks, value=one.ticks + 100, source=1)) for at_s, one in clip(20)[11:]]
    lost_ticks = clip(20)[10][1].ticks
    seen = play(playout, arrivals, until_s=arrivals[-1][0] + 0.02)
    bridges = [one.shown for one in seen if one.shown.kind == "interpolated"]
    assert len(bridges) == rebases
    for bridge in bridges:
        assert bridge.source == 0
        assert bridge.motion.rotation[0] == pytest.approx(lost_ticks, abs=1)


def test_a_gap_without_a_far_side_is_carried_on_and_then_relaxes_to_the_pose_of_the_source() -> None:
    playout = Playout()
    playout.set_rest(0, motion(-5))
    seen = play(playout, clip(10), until_s=3.0)
    assert kinds(seen)[:10] == ["fresh"] * 10
    carried = [one for one in seen if one.shown.kind == "extrapolated"]
    relaxed = [one for one in seen if one.shown.kind == "relaxed"]
    assert kinds(seen) == ["fresh"] * 10 + ["extrapolated"] * len(carried) + ["relaxed"] * len(relaxed)
    assert 1 <= len(carried) <= EXTRAPOLATED_S / FRAME_S
    last = seen[9].shown.motion.rotation[0]
    assert last < carried[0].shown.motion.rotation[0] < last + 4
    assert relaxed[-1].shown.motion.rotation[0] == pytest.approx(-5)
    assert relaxed[-1].at_s - seen[9].at_s == pytest.approx(EXTRAPOLATED_S + RELAXING_S, abs=0.1)
    assert playout.due_s() is None  # then the screen rests, and the thread sleeps


def test_without_a_source_s_pose_the_last_picture_stays() -> None:
    seen = play(Playout(), clip(10), until_s=3.0)
    assert set(kinds(seen)[10:]) == {"extrapolated"}


def test_a_face_that_returns_after_seconds_is_shown_at_once() -> None:
    playout = Playout()
    playout.set_rest(0, motion(0))
    seen = play(playout, clip(25) + clip(25, start_s=6.0))
    returned = [one for one in seen if one.shown.kind == "fresh" and one.at_s > 5]
    assert len(returned) == 25
    assert returned[0].at_s < 6.02 + 0.06
    assert playout.counts.restarts == 0


def test_drawing_that_is_too_slow_shows_the_newest_and_counts_the_skipped() -> None:
    playout = Playout()
    arrivals = clip(250)
    seen = play(playout, arrivals, draw_s=0.1)
    captured = {motion.ticks: at_s - 0.02 for at_s, motion in arrivals}
    behind = [one.at_s - captured[one.shown.ticks] for one in seen if one.shown.kind == "fresh"]
    assert max(behind) < 0.3
    assert 90 < len(fresh_ticks(seen)) < 130
    assert playout.counts.fresh + playout.counts.skipped == 250


def test_motions_that_a_line_holds_up_and_brings_all_at_once_are_late_and_no_sign_of_slow_drawing() -> None:
    playout = Playout()
    arrivals = [(1.5 if 1.0 <= at_s < 1.5 else at_s, motion) for at_s, motion in clip(75)]
    seen = play(playout, arrivals, draw_s=0.01)
    assert playout.counts.skipped == 0
    assert playout.counts.late >= 6
    assert playout.counts.late + len(fresh_ticks(seen)) == 75


def test_a_hiccup_of_drawing_costs_no_frame() -> None:
    playout = Playout()
    first = play(playout, clip(20), until_s=0.8)
    later = [arrival for arrival in clip(60) if arrival[0] >= 0.8]
    playout.push(later[0][1], later[0][0])  # arrives while a picture takes long
    seen = play(playout, later[1:], draw_s=0.02)
    assert fresh_ticks(first) + fresh_ticks(seen) == [one.ticks for _, one in clip(60)]


def test_a_line_that_suddenly_takes_longer_is_followed() -> None:
    playout = Playout()
    playout.set_rest(0, motion(0))
    slow = [(at_s + 0.4, one) for at_s, one in clip(100, start_s=4.0)]
    seen = play(playout, clip(100) + slow)
    shown = [ticks for ticks in fresh_ticks(seen) if ticks >= 240]
    assert len(shown) >= 90
    assert playout.counts.restarts == 0


def test_a_sender_that_starts_anew_is_shown_again_within_half_a_second() -> None:
    playout = Playout()
    anew = [(at_s + 12.0, one) for at_s, one in clip(50)]  # the same clip, as soon as it has ended
    seen = play(playout, clip(50, start_s=10.0) + anew)
    again = [one for one in seen[50:] if one.shown.kind == "fresh"]
    assert again[0].at_s < 12.02 + 0.5 + 0.1  # half a second, and the playout delay
    assert [one.shown.ticks for one in again] == [one.ticks for _, one in clip(50)][50 - len(again) :]
    assert playout.counts.restarts == 1
    assert playout.counts.fresh + playout.counts.late == 100


def test_a_sender_that_starts_anew_after_a_silence_is_shown_again_from_its_second_motion_s_arrival() -> None:
    playout = Playout()
    anew = [(at_s + 30.0, one) for at_s, one in clip(50)]  # the same clip, 30 s later
    seen = play(playout, clip(50, start_s=10.0) + anew)
    assert fresh_ticks(seen)[-50:] == [one.ticks for _, one in clip(50)]
    assert playout.counts.restarts == 1


def test_one_stray_motion_does_not_turn_the_clock_back() -> None:
    playout = Playout()
    arrivals = clip(200)
    stray = (5.0, decoded(3, value=99.0))
    again = (5.01, decoded(3, value=99.0))
    seen = play(playout, [*arrivals, stray, again])
    assert fresh_ticks(seen) == [one.ticks for _, one in arrivals]
    assert playout.counts.restarts == 0


@pytest.mark.parametrize("apart_s", [0.0, 0.015], ids=["of one packet", "of several packets"])
def test_stray_copies_do_not_turn_the_clock_back_while_the_stream_goes_on(apart_s: float) -> None:
    playout = Playout()
    arrivals = clip(200)
    strays = [
        (5.001 + again + index * apart_s, arrivals[40 + index][1])
        for again in (0, 1, 2)
        for index in range(3)
    ]
    seen = play(playout, [*arrivals, *strays])
    assert set(kinds(seen)[:200]) == {"fresh"}
    assert fresh_ticks(seen) == [one.ticks for _, one in arrivals]
    assert playout.counts.restarts == 0
    assert playout.counts.late == len(strays)


def test_a_silence_longer_than_the_wire_s_clock_is_survived() -> None:
    unwrap = Unwrapper().unwrap
    times_s = [index / 25 for index in range(50)] + [60 + index / 25 for index in range(50)]
    arrivals = [(at_s + 0.02, decoded(unwrap(ticks_of(at_s)))) for at_s in times_s]
    seen = play(Playout(), arrivals)
    assert len(fresh_ticks(seen)) == 100


def test_a_change_of_source_is_not_interpolated_across() -> None:
    playout = Playout()
    playout.clock.delay_s = 0.1
    arrivals = [(at_s, decoded(one.ticks, source=int(at_s > 0.4))) for at_s, one in clip(20)]
    del arrivals[10]
    assert "interpolated" not in kinds(play(playout, arrivals, until_s=arrivals[-1][0] + 0.02))


lines = st.fixed_dictionaries(
    {
        "rate": st.sampled_from([10, 24, 25, 30, 60]),
        "start_s": st.sampled_from([0.0, 66.0, 1000.3]),  # some wrap on the wire
        "drift": st.sampled_from([-3e-4, 0.0, 3e-4]),
        "draw_s": st.sampled_from([0.0, 0.01, 0.035, 0.12]),
        "fates": st.lists(
            st.tuples(
                st.sampled_from([0, 1, 1, 1, 1, 1, 2]),  # lost, once, twice
                st.floats(0, 0.3) | st.floats(0, 0.02),  # jitter, which also reorders
            ),
            min_size=1,
            max_size=120,
        ),
    }
)


@settings(max_examples=120, deadline=None)
@given(lines)
def test_whatever_the_line_does_time_never_runs_backwards_and_no_motion_is_fresh_twice(line: dict) -> None:
    unwrap = Unwrapper().unwrap
    on_wire = []
    for index, (copies, jitter_s) in enumerate(line["fates"]):
        captured_s = line["start_s"] + index / line["rate"]
        for copy in range(copies):
            arrived_s = captured_s * (1 + line["drift"]) + jitter_s * (1 + copy / 2)
            on_wire.append((arrived_s, ticks_of(captured_s)))
    on_wire.sort()
    arrivals = [(at_s, decoded(unwrap(ticks))) for at_s, ticks in on_wire]
    playout = Playout()
    playout.set_rest(0, motion(0))
    seen = play(playout, arrivals, draw_s=line["draw_s"], until_s=on_wire[-1][0] + 0.5 if on_wire else 1.0)

    ticks = [one.shown.ticks for one in seen]
    assert ticks == sorted(ticks)
    fresh = fresh_ticks(seen)
    assert len(fresh) == len(set(fresh)) == playout.counts.fresh
    assert set(fresh) <= {one.ticks for _, one in arrivals}
    assert all(one.shown.motion.rotation[2] == 1 for one in seen if one.shown.kind == "fresh")
    counts = playout.counts
    assert counts.fresh + counts.late + counts.skipped + counts.duplicates == len(arrivals)
    assert counts.restarts == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 0.03), st.booleans()), min_size=40, max_size=120),
    st.sampled_from([24, 25, 30]),
)
def test_every_motion_that_is_on_time_is_shown(fates: list[tuple[float, bool]], rate: int) -> None:
    playout = Playout()
    arrivals = [
        (index / rate + jitter_s, decoded(round(index / rate * 60)))
        for index, (jitter_s, lost) in enumerate(fates)
        if not lost
    ]
    seen = play(playout, arrivals)
    # Up to 30 ms of jitter, and 17 of ticks, lie within the delay that a call starts with and adapts to.
    assert fresh_ticks(seen) == [
        one.ticks for _, one in sorted(arrivals, key=lambda arrival: arrival[1].ticks)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(-(2**20), 2**20)), max_size=300))
def test_memory_is_bounded_and_nothing_raises_whatever_comes(arrivals: list[tuple[float, int]]) -> None:
    playout = Playout()
    playout.set_rest(0, motion(0))
    now_s = 0.0
    for later_s, ticks in arrivals:
        now_s += later_s
        playout.push(decoded(ticks), now_s)
        assert playout.waiting <= MAX_WAITING
        assert playout.clock.delay_s <= MAX_DELAY_S
        if ticks % 3 == 0:
            playout.next(now_s)
    for _ in range(1000):
        due_s = playout.due_s()
        if due_s is None:
            break
        now_s = max(now_s, due_s)
        assert playout.next(now_s) is not None or (playout.due_s() or now_s + 1) > now_s
    assert playout.due_s() is None


def test_motions_that_nobody_takes_do_not_pile_up() -> None:
    playout = Playout()
    for at_s, one in clip(3000, rate=60):
        playout.push(one, at_s)
    assert playout.waiting == MAX_WAITING
    assert playout.counts.skipped == 3000 - MAX_WAITING


def shown_over(
    losses: list[bool], *, rate: float, jitters_s: Sequence[float] = (0.0,), settled_s: float = 6.0
) -> list[Seen]:
    """Play a clip of which the motions marked True are lost; what is shown after the clock has settled."""
    arrivals = [
        (at_s + jitters_s[index % len(jitters_s)], one)
        for index, (at_s, one) in enumerate(clip(len(losses), rate=rate))
        if not losses[index]
    ]
    playout = Playout()
    playout.set_rest(0, motion(0))
    seen = play(playout, sorted(arrivals, key=lambda arrival: arrival[0]), until_s=len(losses) / rate)
    return [one for one in seen if one.at_s >= settled_s]


def bridged_share(seen: list[Seen]) -> float:
    return sum(kind in ("fresh", "interpolated") for kind in kinds(seen)) / len(seen)


def longest_gap_s(seen: list[Seen], *shown: str) -> float:
    at_s = [one.at_s for one in seen if one.shown.kind in shown or not shown]
    return max(later - earlier for earlier, later in pairwise(at_s))


@pytest.mark.parametrize(("rate", "shown"), [(10, 30), (12.5, 25), (15, 30)])
def test_a_slow_sender_is_shown_at_the_display_s_rate_evenly_with_every_motion(
    rate: float, shown: int
) -> None:
    arrivals = clip(150, rate=rate)
    seen = [one for one in play(Playout(), arrivals, until_s=150 / rate) if one.at_s > 2]
    assert len(seen) == pytest.approx(shown * (150 / rate - 2), rel=0.03)
    assert bridged_share(seen) == 1
    due = [one.ticks for _, one in arrivals if fresh_ticks(seen)[0] <= one.ticks <= fresh_ticks(seen)[-1]]
    assert fresh_ticks(seen) == due
    assert longest_gap_s(seen) < 1.4 / shown
    for before, one, after in zip(seen, seen[1:], seen[2:], strict=False):
        yaws = [each.shown.motion.rotation[0] for each in (before, one, after)]
        assert (
            yaws == sorted(yaws) or yaws[0] > yaws[2]
        )  # the yaw tells the time, and begins anew now and then


@pytest.mark.parametrize(("rate", "share"), [(12.5, 0.95), (15, 0.95), (25, 0.98), (30, 0.98)])
def test_a_fifth_of_the_packets_lost_is_bridged_and_leaves_no_long_gap(rate: float, share: float) -> None:
    randomly = random.Random(5)
    seen = shown_over(
        [randomly.random() < 0.2 for _ in range(round(25 * rate))], rate=rate, jitters_s=(0, 0.02)
    )
    assert bridged_share(seen) >= share
    assert longest_gap_s(seen, "fresh", "interpolated") < 0.3
    assert longest_gap_s(seen) < 0.12


def test_bursts_of_five_lost_packets_are_bridged_too() -> None:
    seen = shown_over([index % 25 >= 20 for index in range(500)], rate=25)
    assert bridged_share(seen) >= 0.98
    assert longest_gap_s(seen, "fresh", "interpolated") < 0.25
    assert longest_gap_s(seen) < 0.12


def test_after_an_outage_of_two_seconds_motion_is_fresh_at_once() -> None:
    back_s = 10.0
    seen = shown_over([back_s - 2 <= index / 25 < back_s for index in range(400)], rate=25, settled_s=5.0)
    returned_s = next(one.at_s for one in seen if one.shown.kind == "fresh" and one.at_s >= back_s)
    assert returned_s < back_s + 0.3
    after = [one for one in seen if one.at_s > returned_s]
    assert set(kinds(after)) == {"fresh"}
    relaxing = [one for one in seen if one.shown.kind == "relaxed"]
    assert relaxing[-1].shown.motion.rotation[0] == pytest.approx(0, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([12.5, 15, 25, 30]),
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 5)), min_size=10, max_size=40),
    st.lists(st.floats(0, 0.03), min_size=1, max_size=20),
)
def test_the_face_never_freezes_while_packets_still_come(
    rate: float, runs: list[tuple[int, int]], jitters_s: list[float]
) -> None:
    losses = [lost for came, gone in runs for lost in [False] * came + [True] * gone]
    seen = shown_over([False] * 8 + losses + [False], rate=rate, jitters_s=jitters_s, settled_s=0.0)[4:]
    # A picture at least every three of the slowest display's, whatever is drawn in it.
    assert longest_gap_s(seen) <= 0.12
