"""The distance that the mirror judges by."""

import cv2
import numpy as np
import pytest

from sender.distance import CELLS, cell_distances, cells_around, look_at, over_face


@pytest.fixture
def picture() -> np.ndarray:
    cells = np.random.default_rng(7).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    return cv2.resize(cells, (256, 256), interpolation=cv2.INTER_CUBIC)


def apart(first: np.ndarray, second: np.ndarray) -> float:
    return float(cell_distances(look_at(first), look_at(second)).mean())


def test_a_picture_is_at_no_distance_from_itself(picture: np.ndarray) -> None:
    assert apart(picture, picture) == 0


def test_worse_pictures_are_farther(picture: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(0, 3, picture.shape)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    blurred = cv2.GaussianBlur(picture, (0, 0), 8)
    other = np.ascontiguousarray(picture[::-1])
    assert 0 < apart(picture, noisy) < apart(picture, blurred) < apart(picture, other)


def test_another_light_is_seen_where_no_edge_changes(picture: np.ndarray) -> None:
    flat = np.full_like(picture, 90)
    assert apart(flat, flat + 20) > 0.15


def test_an_object_is_seen_where_it_is(picture: np.ndarray) -> None:
    covered = picture.copy()
    covered[64:128, 128:192] = 128
    cells = cell_distances(look_at(picture), look_at(covered))
    inside = np.zeros((CELLS, CELLS), bool)
    inside[4:8, 8:12] = True
    assert cells[inside].mean() > 0.5
    around = np.zeros_like(inside)
    around[3:9, 7:13] = True
    assert cells[~around].max() < 0.01


def test_the_face_is_weighed_alone_and_a_face_out_of_the_picture_is_the_whole() -> None:
    cells = np.zeros((CELLS, CELLS), np.float32)
    cells[8:12, 8:12] = 1
    over_it = np.array([[0.0, 0.0, 0], [0.5, 0.5, 0]], np.float32)
    assert over_face(cells, over_it) > 0.7
    beside_it = over_it - 0.9
    assert over_face(cells, beside_it) == 0
    outside = over_it + 3
    assert over_face(cells, outside) == pytest.approx(float(cells.mean()))


def test_a_box_reaches_beyond_its_keypoints_by_its_margin() -> None:
    keypoints = np.array([[-0.5, 0.0, 0], [0.5, 0.5, 0]], np.float32)
    box = cells_around(16, keypoints, margin=0.0)
    assert box.sum() == 8 * 4
    assert box[8:12, 4:12].all()
    assert cells_around(16, keypoints, margin=0.5).sum() == 16 * 8


@pytest.mark.parametrize("size", [64, 256, 512])
def test_pictures_of_every_size_are_compared(size: int) -> None:
    picture = np.zeros((size, size, 3), np.uint8)
    assert cell_distances(look_at(picture), look_at(picture)).shape == (CELLS, CELLS)
