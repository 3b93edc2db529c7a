"""Landmarks, their errors, boxes and identity."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clips import list_clips, read_footage
from bench.judge import Judge, with_forehead, without_forehead
from bench.metrics import identity
from bench.metrics.faces import landmark_errors
from bench.metrics.landmarks import (
    COUNT,
    EYE_CORNERS,
    LEFT_EYE,
    MOUTH,
    MOUTH_CORNERS,
    RIGHT_EYE,
    Box,
    FaceFinder,
    Landmarks,
    decode_maps,
)
from bench.metrics.similarity import apply, fit_similarity

finite = st.floats(-100, 100)


def face() -> np.ndarray:
    """66 points, 60 pixels between the eyes."""
    points = np.random.default_rng(5).uniform(0, 100, (COUNT, 2))
    points[RIGHT_EYE] += np.array([70, 90]) - points[RIGHT_EYE].mean(0)
    points[LEFT_EYE] += np.array([130, 90]) - points[LEFT_EYE].mean(0)
    return points


def test_a_peak_and_its_offsets_become_a_point() -> None:
    maps = np.full((1, 198, 28, 28), 0.01, np.float32)
    maps[0, 5, 9, 18] = 0.9  # heat of point 5: row 9, column 18
    share = 1 / (1 + np.exp(-np.array([0.05, -0.1]) * 16))
    maps[0, 66 + 5, 9, 18], maps[0, 132 + 5, 9, 18] = share
    x, y, confidence = decode_maps(maps)[0, 5]
    assert confidence == pytest.approx(0.9)
    assert y == pytest.approx(223 * (9 / 27 + 0.05), abs=1e-3)
    assert x == pytest.approx(223 * (18 / 27 - 0.1), abs=1e-3)


@given(angle=st.floats(-3, 3), scale=st.floats(0.2, 5), shift=st.tuples(finite, finite))
def test_a_similarity_is_found_again(angle: float, scale: float, shift: tuple[float, float]) -> None:
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = face()
    target = source @ matrix.T + np.array(shift)
    assert np.allclose(apply(fit_similarity(source, target), source), target, atol=1e-6)


def test_a_head_that_only_moved_has_no_expression_error() -> None:
    original = face()
    errors = landmark_errors(original, original * 1.1 + np.array([6, -3]))
    assert errors["mouth_akd"] > 5
    assert errors["mouth_expression"] == pytest.approx(0, abs=1e-6)
    assert errors["eye_expression"] == pytest.approx(0, abs=1e-6)


def test_a_mouth_that_moved_alone_is_an_expression_in_percent_of_the_eyes_distance() -> None:
    original = face()
    redrawn = original.copy()
    redrawn[MOUTH, 1] += 6
    errors = landmark_errors(original, redrawn)
    assert errors["mouth_akd"] == pytest.approx(10)
    assert errors["mouth_expression"] == pytest.approx(10)
    assert errors["eye_akd"] == pytest.approx(0)
    assert errors["eye_expression"] == pytest.approx(0, abs=1e-9)


@given(left=finite, top=finite, wide=st.floats(0, 300), high=st.floats(0, 300))
def test_a_boxs_pixels_lie_in_the_picture_and_are_never_too_few(
    left: float, top: float, wide: float, high: float
) -> None:
    rows, columns = Box(left, top, left + wide, top + high).pixels(128, 96, smallest=32)
    assert 0 <= rows.start < rows.stop <= 96
    assert 0 <= columns.start < columns.stop <= 128
    assert rows.stop - rows.start >= 32
    assert columns.stop - columns.start >= 32


def test_the_forehead_comes_off_as_it_was_put_on() -> None:
    box = Box(10, 20, 110, 140)
    assert without_forehead(with_forehead(box)).top == pytest.approx(box.top)
    assert with_forehead(box).top < box.top


def test_two_detectors_agree_about_a_strangers_face(data_folder: Path, backbones: Path) -> None:
    clip = list_clips(data_folder / "val", names=["mead_w036-1"])[0]
    footage = read_footage(clip, size=256)
    landmarks = Landmarks(backbones)
    assert footage.boxes is not None
    assert clip.landmarks is not None
    found = landmarks.find(footage.pictures[:4], [without_forehead(box) for box in footage.boxes[:4]])
    with np.load(clip.landmarks) as stored:
        vertices = stored["vertices"].tolist()
        mesh = stored["landmarks"][:4] * (256 / 8192)
    eyes = float(np.linalg.norm(found[0, 36, :2] - found[0, 45, :2]))
    for ours, theirs in (
        *zip(EYE_CORNERS, (33, 133, 362, 263), strict=True),
        *zip(MOUTH_CORNERS, (61, 291), strict=True),
    ):
        error = np.linalg.norm(found[:, ours, :2] - mesh[:, vertices.index(theirs), :2], axis=1).mean()
        assert error < 0.1 * eyes, f"point {ours} is {error:.1f} pixels from vertex {theirs}"
    own = FaceFinder(backbones, landmarks).boxes(footage.pictures[:2])[1]
    assert own is not None
    assert abs(own.bottom - footage.boxes[1].bottom) < 0.1 * (own.bottom - own.top)


def test_a_wall_has_no_face(backbones: Path) -> None:
    wall = np.full((128, 128, 3), 120, np.uint8)
    assert FaceFinder(backbones, Landmarks(backbones)).boxes([wall]) == [None]


def test_one_person_is_nearer_to_herself_than_to_another(data_folder: Path, backbones: Path) -> None:
    judge = Judge(backbones)
    vectors = []
    for name in ("mead_w036-1", "talkvid_91-2"):
        footage = read_footage(list_clips(data_folder / "val", names=[name])[0], size=256)
        assert footage.boxes is not None
        vectors.append(judge.subject(footage.pictures[::20], footage.boxes[::20]).identities)
    same = max(float(identity.distance(rows[:1], rows[1:]).max()) for rows in vectors)
    other = float(identity.distance(vectors[0][:2], vectors[1][:2]).min())
    assert same < 0.45 < 0.6 < other
