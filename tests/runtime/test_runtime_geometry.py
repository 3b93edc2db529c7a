"""The head's axes and formulas: what both sides of a call and the training must agree on."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.geometry import (
    KEYPOINT_GROUPS,
    KEYPOINT_REACH,
    KEYPOINT_VERTICES,
    head_linear,
    keypoints,
    rotation_angles,
    rotation_matrix,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "geometry.json"
NOSE = np.array([0, 0, -1], np.float32)  # the level face looks at the camera, against z


def test_positive_yaw_turns_the_nose_to_the_right_of_the_picture() -> None:
    assert (rotation_matrix(np.array([20.0, 0, 0])) @ NOSE)[0] > 0.3


def test_positive_pitch_turns_the_nose_down() -> None:
    assert (rotation_matrix(np.array([0, 20.0, 0])) @ NOSE)[1] > 0.3


def test_positive_roll_turns_the_picture_clockwise() -> None:
    up = np.array([0, -1, 0], np.float32)
    assert (rotation_matrix(np.array([0, 0, 20.0])) @ up)[0] > 0.3


def test_the_formulas_give_the_golden_keypoints() -> None:
    golden = json.loads(GOLDEN.read_text())
    for case in golden["cases"]:
        placed = keypoints(*(np.array(case[name], np.float32) for name in golden["inputs"]))
        np.testing.assert_allclose(placed, case["keypoints"], atol=2e-6)


angle = st.floats(-80, 80)


@given(angle, angle, angle)
def test_angles_come_back_from_their_matrix(yaw: float, pitch: float, roll: float) -> None:
    rotation = np.array([yaw, pitch, roll], np.float32)
    np.testing.assert_allclose(rotation_angles(rotation_matrix(rotation)), rotation, atol=0.02)


@given(angle, angle, angle, st.floats(-1, 1))
def test_the_linear_part_is_a_scaled_rotation(yaw: float, pitch: float, roll: float, depth: float) -> None:
    linear = head_linear(np.array([yaw, pitch, roll]), np.array([0, 0, depth]))
    np.testing.assert_allclose(linear @ linear.T, np.eye(3) * np.exp(-2 * depth), atol=1e-4)


def test_every_keypoint_belongs_to_one_group_and_has_a_reach() -> None:
    indices = sorted(index for group in KEYPOINT_GROUPS.values() for index in group)
    assert indices == list(range(len(KEYPOINT_VERTICES)))
    assert len(KEYPOINT_REACH) == len(KEYPOINT_VERTICES)


def test_torch_and_numpy_place_the_same_keypoints() -> None:
    torch = pytest.importorskip("torch")
    from models import geometry

    rng = np.random.default_rng(5)
    canonical, expression = rng.normal(size=(2, 4, 20, 3)).astype(np.float32)
    rotation, translation = (
        (rng.normal(size=(4, 3)) * 20).astype(np.float32),
        rng.normal(size=(4, 3)).astype("f4"),
    )
    ours = keypoints(canonical, rotation, translation, expression)
    theirs = geometry.keypoints(
        *(torch.from_numpy(a) for a in (canonical, rotation, translation, expression))
    )
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)
