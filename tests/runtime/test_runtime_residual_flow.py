"""Residual flow: found where a picture has moved, trusted only where it helps, and gone on with from flow to flow."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.residual_flow import (
    FAR_PIXELS,
    MOST_LEVEL,
    MOST_WAITING,
    OLD_TICKS,
    SIDE,
    STEPS,
    FlowFinder,
    FlowInUse,
    flow_of,
    quantise,
)

PIXEL = 2 / 256  # image coordinates
ELSEWHERE = np.full((20, 3), 3.0, np.float32)  # a face outside of the picture


def cloth(size: int = 256, seed: int = 3) -> np.ndarray:
    """Return a picture with something to follow everywhere, uint8 [size, size, 3]."""
    noise = np.random.default_rng(seed).normal(size=(64, 64, 3)).astype(np.float32)
    smooth = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 50 * smooth, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [256, 512])
def test_a_shift_is_found_in_pixels_of_256_whatever_the_pictures_size(size: int) -> None:
    drawn = cloth(size)
    camera = np.roll(drawn, 4 * size // 256, axis=1)  # shows what was so far to the left
    found = flow_of(quantise(FlowFinder().find(drawn, camera, ELSEWHERE), 1), 1)
    inner = found[4:-4, 4:-4] / PIXEL
    assert inner[..., 0] == pytest.approx(-4, abs=0.3)
    assert inner[..., 1] == pytest.approx(0, abs=0.3)


def test_what_bending_does_not_bring_nearer_is_left_alone() -> None:
    finder, drawn = FlowFinder(), cloth()
    assert np.abs(flow_of(quantise(finder.find(drawn, drawn, ELSEWHERE), 1), 1)).max() < 0.05 * PIXEL
    # A thing of one grey comes before the right half: nothing there can be bent onto it.
    camera = np.roll(drawn, 4, axis=1)
    camera[:, 128:] = 128
    found = flow_of(quantise(finder.find(drawn, camera, ELSEWHERE), 1), 1) / PIXEL
    assert found[4:-4, 4:12, 0] == pytest.approx(-4, abs=0.5)
    assert np.abs(found[:, 20:]).mean() < 0.5


def test_lips_and_lids_are_left_to_their_keypoints() -> None:
    drawn = cloth()
    camera = np.roll(drawn, 4, axis=1)
    face = np.zeros((20, 3), np.float32)  # all in the picture's middle
    found = flow_of(quantise(FlowFinder().find(drawn, camera, face), 1), 1)[..., 0] / PIXEL
    middle, border = found[15:17, 15:17].mean(), found[4:8, 4:8].mean()
    assert border == pytest.approx(-4, abs=0.5)
    assert -2.4 < middle < -0.6


@given(st.integers(0, len(STEPS) - 1), st.integers(0, 2**32 - 1))
def test_levels_stand_for_what_they_were_made_of_up_to_their_step(step: int, seed: int) -> None:
    coefficients = np.random.default_rng(seed).normal(0, 30, (2, SIDE, SIDE)).astype(np.float32)
    levels = quantise(coefficients, step)
    assert levels.dtype == np.int16
    assert np.abs(levels).max() <= MOST_LEVEL
    whole = np.abs(levels) < MOST_LEVEL
    off = np.abs(coefficients - levels * np.float32(STEPS[step]))[whole]
    assert off.max() <= 0.66 * STEPS[step]
    # The transform keeps lengths: what a level is worth does not depend on its place.
    size = np.linalg.norm(flow_of(levels, step)) / PIXEL
    assert size == pytest.approx(np.linalg.norm(levels.astype(np.float64)) * STEPS[step], rel=1e-3, abs=1e-3)


def expressions() -> list[np.ndarray]:
    """Return motions of a face that is never still."""
    return [np.full((20, 3), number / 100, np.float32) for number in range(200)]


def test_pictures_go_on_towards_the_newest_flow_and_never_past_it() -> None:
    flows, wanted = FlowInUse(), np.full((SIDE, SIDE, 2), 6 * PIXEL, np.float32)
    moving = expressions()
    assert flows.at(0, moving[0]) is None
    flows.take(wanted, 0)
    shown = [flows.at(0, moving[frame]) for frame in range(1, 40)]
    sizes = [float(flow[0, 0, 0]) / PIXEL for flow in shown if flow is not None]
    assert len(sizes) == len(shown)
    assert sizes == sorted(sizes)
    assert 3 < sizes[0] < 6
    assert sizes[-1] == pytest.approx(6, abs=0.2)
    flows.take(np.zeros_like(wanted), -3)  # an older one, overtaken
    flows.take(np.zeros_like(wanted), 9)  # of a frame that is not shown yet
    again = flows.at(8, moving[50])
    assert again is not None
    assert float(again[0, 0, 0]) / PIXEL == pytest.approx(6, abs=0.2)
    now = flows.at(9, moving[51])
    assert now is not None
    assert float(now[0, 0, 0]) / PIXEL < 4


def test_a_frame_that_is_shown_twice_hardly_changes() -> None:
    flows, moving = FlowInUse(), expressions()
    flows.take(np.full((SIDE, SIDE, 2), FAR_PIXELS * PIXEL, np.float32), 0)
    first = flows.at(0, moving[1])
    second = flows.at(1, moving[1])
    third = flows.at(2, moving[2])
    assert first is not None
    assert second is not None
    assert third is not None
    assert np.abs(second - first).max() < 0.1 * np.abs(third - second).max()


def test_a_flow_that_nothing_follows_fades() -> None:
    flows, moving = FlowInUse(), expressions()
    flows.take(np.full((SIDE, SIDE, 2), 6 * PIXEL, np.float32), 0)
    for frame in range(1, 30):
        kept = flows.at(OLD_TICKS, moving[frame])
    assert kept is not None
    assert float(kept[0, 0, 0]) / PIXEL == pytest.approx(6, abs=0.3)
    for frame in range(30, 120):
        gone = flows.at(2 * OLD_TICKS, moving[frame])
    assert gone is not None
    assert np.abs(gone).max() < 0.05 * PIXEL


def test_whoever_begins_anew_is_bent_by_new_flows_alone() -> None:
    flows, moving = FlowInUse(), expressions()
    flows.take(np.full((SIDE, SIDE, 2), 6 * PIXEL, np.float32), 9000)
    assert flows.at(9000, moving[0]) is not None
    flows.take(np.full((SIDE, SIDE, 2), -6 * PIXEL, np.float32), 12)
    for frame in range(1, 40):
        anew = flows.at(12, moving[frame])
    assert anew is not None
    assert float(anew[0, 0, 0]) / PIXEL == pytest.approx(-6, abs=0.3)


def test_flows_for_pictures_that_never_come_do_not_pile_up() -> None:
    flows = FlowInUse()
    for number in range(10 * MOST_WAITING):
        flows.take(np.zeros((SIDE, SIDE, 2), np.float32), 10**6 + number)
    assert len(flows._waiting) == MOST_WAITING
