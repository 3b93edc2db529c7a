"""The listener's view: turning, levelling and following keep the head whole."""

import numpy as np
import pytest

from runtime.geometry import keypoints, rotation_matrix
from runtime.view import DRAWN_SHARE, FROM_NECK, WIDEST_DEGREES, Pose, follow, frontalise, turn

RNG = np.random.default_rng(4)
CANONICAL = RNG.normal(0, 0.5, (20, 3)).astype(np.float32)


def a_pose(seed: int) -> Pose:
    rng = np.random.default_rng(seed)
    rotation = rng.uniform(-35, 35, 3).astype(np.float32)
    translation = rng.uniform(-0.4, 0.4, 3).astype(np.float32)
    return Pose(rotation, translation, rng.normal(0, 0.1, (20, 3)).astype(np.float32))


def own_axes(pose: Pose) -> np.ndarray:
    """The expression as the head itself has it."""
    return pose.expression @ rotation_matrix(pose.rotation)


def placed(pose: Pose) -> np.ndarray:
    return keypoints(CANONICAL, pose.rotation, pose.translation, pose.expression)


def place(pose: Pose) -> np.ndarray:
    return np.append(pose.translation[:2], 0)


def neck(pose: Pose) -> np.ndarray:
    """Where a pose's neck joint is seen."""
    return (
        pose.translation[:2] - (np.exp(-pose.translation[2]) * rotation_matrix(pose.rotation) @ FROM_NECK)[:2]
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_turned_head_is_the_same_head_turned_about_its_neck(seed: int) -> None:
    pose = a_pose(seed)
    seen = turn(pose, yaw=20, pitch=-10)
    matrix = rotation_matrix(np.array([20, -10, 0]) / [*DRAWN_SHARE, 1])
    np.testing.assert_allclose(placed(seen) - place(seen), (placed(pose) - place(pose)) @ matrix.T, atol=1e-5)
    np.testing.assert_allclose(neck(seen), neck(pose), atol=1e-5)
    assert seen.translation[2] == pose.translation[2]


def test_a_level_face_that_turns_aside_or_down_goes_that_way() -> None:
    level = Pose(np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros((20, 3), np.float32))
    aside, down = turn(level, yaw=30 * DRAWN_SHARE[0]), turn(level, pitch=30 * DRAWN_SHARE[1])
    assert aside.translation[0] == pytest.approx(0.7, abs=1e-5)  # half of what lies between neck and face
    assert down.translation[1] == pytest.approx(0.7 + 0.8 * (1 - np.cos(np.pi / 6)), abs=1e-5)


def test_a_level_head_is_turned_so_far_that_what_is_drawn_has_the_angles_asked_for() -> None:
    level = Pose(np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros((20, 3), np.float32))
    yaw, pitch = 1 / DRAWN_SHARE
    assert 1 < yaw < pitch < 1.2
    np.testing.assert_allclose(turn(level, yaw=30).rotation, [30 * yaw, 0, 0], atol=1e-4)
    np.testing.assert_allclose(turn(level, pitch=-25).rotation, [0, -25 * pitch, 0], atol=1e-4)
    np.testing.assert_allclose(turn(level, yaw=80).rotation, [WIDEST_DEGREES * yaw, 0, 0], atol=1e-4)


def test_a_shift_is_added_and_nothing_else_changes() -> None:
    pose = a_pose(9)
    moved = turn(pose, shift=(0.1, -0.2, 0.3))
    np.testing.assert_allclose(moved.translation, pose.translation + np.float32([0.1, -0.2, 0.3]))
    np.testing.assert_allclose(moved.rotation, pose.rotation, atol=1e-4)
    np.testing.assert_allclose(moved.expression, pose.expression, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_frontalised_head_is_level_over_its_neck_and_keeps_its_face(seed: int) -> None:
    pose = a_pose(seed)
    level = frontalise(pose)
    np.testing.assert_array_equal(level.rotation, 0)
    np.testing.assert_allclose(neck(level), neck(pose), atol=1e-5)
    assert level.translation[2] == pose.translation[2]
    np.testing.assert_allclose(level.expression, own_axes(pose), atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_head_that_has_not_moved_leaves_the_source_at_rest(seed: int) -> None:
    pose, source = a_pose(seed), a_pose(seed + 50)
    still = follow(pose, pose, source)
    for found, wanted in zip(still, source, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_following_a_source_that_is_the_reference_is_the_absolute_motion() -> None:
    pose, reference = a_pose(1), a_pose(2)
    for found, wanted in zip(follow(pose, reference, reference), pose, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_small_head_travels_as_far_for_its_size_and_smiles_in_its_own_axes() -> None:
    rest = np.zeros((20, 3), np.float32)
    reference = Pose(np.zeros(3, np.float32), np.zeros(3, np.float32), rest)
    smile = np.full((20, 3), 0.1, np.float32)
    driving = Pose(np.zeros(3, np.float32), np.float32([0.2, 0, 0]), smile)
    source = Pose(
        np.float32([40, 0, 0]), np.float32([0, 0.1, np.log(2)]), rest
    )  # half the size, looking aside
    seen = follow(driving, reference, source)
    np.testing.assert_allclose(seen.translation, [0.1, 0.1, np.log(2)], atol=1e-6)
    np.testing.assert_allclose(seen.rotation, [40, 0, 0], atol=1e-4)
    np.testing.assert_allclose(own_axes(seen), smile, atol=1e-6)
