"""The judge of head angles, and the benches of pose, canonical keypoints and free view on a few strangers."""

from pathlib import Path

import numpy as np
import pytest
from bench_fakes import SIZE, FakeTalker, scene, setup, write_film

from bench.canonical import nearest, run_canonical, spreads
from bench.clips import list_clips, person_of
from bench.errors import BenchError
from bench.judge import Judge
from bench.metrics.headpose import RIGID, head_angles, measure_shape
from bench.pose import FACE_SHARES, FRAME_HEIGHT, FRAME_WIDTH, paste, read_teacher, run_pose
from bench.tables import canonical_tables, pose_tables, view_tables
from bench.talk import load_setup
from bench.view import ASKED, calibrate, summarise_turns, turn_stranger, view_sheet
from models.training.footage import LevelFace
from runtime.geometry import rotation_matrix

STRANGERS = ["fellway-1", "lp_d5_man-1", "talkvid_91-2"]


def faces(shape: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, ...]:
    """Points [N, 66, 2] of a shape [66, 3] turned to `angles`, and where each head is."""
    rng = np.random.default_rng(2)
    rotation = rotation_matrix(angles)
    scale = rng.uniform(40, 90, len(angles))
    origin = rng.uniform(80, 160, (len(angles), 3))
    points = scale[:, None, None] * (shape @ np.swapaxes(rotation, 1, 2)) + origin[:, None]
    return points[..., :2], rotation, scale, origin


def test_the_judge_measures_a_shape_and_reads_its_angles_back() -> None:
    rng = np.random.default_rng(1)
    shape, angles = rng.normal(0, 0.6, (66, 3)), rng.uniform(-40, 40, (20, 3))
    points, rotation, scale, origin = faces(shape, angles)
    measured = measure_shape(points, rotation, scale, origin)
    np.testing.assert_allclose(measured, shape[RIGID], atol=1e-4)
    np.testing.assert_allclose(head_angles(points, measured), angles, atol=0.02)
    with pytest.raises(ValueError, match="at least 3 frames, not 2"):
        measure_shape(points[:2], rotation[:2], scale[:2], origin[:2])


def test_lips_and_outline_do_not_turn_the_head() -> None:
    rng = np.random.default_rng(1)
    shape, angles = rng.normal(0, 0.6, (66, 3)), rng.uniform(-40, 40, (4, 3))
    points = faces(shape, angles)[0].copy()
    points[:, 48:] += 30
    points[:, :17] -= 30
    np.testing.assert_allclose(head_angles(points, shape[RIGID]), angles, atol=0.02)


def test_the_nearest_neighbour_is_found_and_spreads_are_told_apart() -> None:
    rng = np.random.default_rng(3)
    people = rng.normal(0, 0.1, (5, 20, 3))
    clips = np.repeat(np.arange(5), 4)
    points = (people[clips] + rng.normal(0, 0.01, (20, 20, 3))).astype(np.float32)
    gallery, probes = np.arange(0, 20, 4), np.arange(1, 20, 4)
    np.testing.assert_array_equal(nearest(points, gallery, probes), np.arange(5))
    within, between = spreads(points, clips)
    assert within == pytest.approx(0.01 * np.sqrt(3) * np.sqrt(3 / 4), rel=0.1)
    assert between == pytest.approx(0.1 * np.sqrt(3) * np.sqrt(4 / 5), rel=0.3)
    assert person_of("talkvid_91-2") == "talkvid_91"


def test_clips_of_one_person_tell_nobody_apart(tmp_path: Path) -> None:
    class Still(FakeTalker):
        def prepare(self, picture: np.ndarray) -> object:
            class Source:
                canonical = keypoints = np.eye(3, dtype=np.float32)
                rotation = np.zeros(3)

            return Source()

    write_film(tmp_path / "one-1.mkv", scene(4))
    with pytest.raises(BenchError, match="at least two"):
        run_canonical(setup(Still()), list_clips(tmp_path), every=1, on_clip=lambda name: None)


@pytest.mark.parametrize("seed", range(6))
def test_a_pasted_face_is_where_its_box_says_and_of_a_size_that_a_call_has(seed: int) -> None:
    level = LevelFace((10, 152, 1), np.zeros((3, 3), np.float32), np.arange(3))
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[60:120, 70:110] = 255  # the face, forehead to chin
    corners = np.array([[90, 60, 0], [90, 120, 0], [70, 90, 0]])
    landmarks = (corners * 2 / SIZE - 1).astype(np.float32)
    pasted = paste(picture, landmarks, level, np.random.default_rng(seed))
    assert pasted.picture.shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    assert FACE_SHARES[0] - 0.01 <= pasted.height / FRAME_HEIGHT <= FACE_SHARES[1] + 0.01
    left, top, right, bottom = (round(edge) for edge in pasted.box)
    assert 0 <= left < right <= FRAME_WIDTH
    assert -1 <= top < bottom <= FRAME_HEIGHT + 1
    inside = pasted.picture[top + 3 : bottom - 3, left + 3 : right - 3]
    assert inside.min() > 200


def test_clips_without_landmarks_have_no_known_pose(tmp_path: Path) -> None:
    write_film(tmp_path / "slow.mkv", scene(2))
    level = LevelFace((1,), np.zeros((1, 3), np.float32), np.arange(1))
    with pytest.raises(BenchError, match="no landmarks"):
        read_teacher(list_clips(tmp_path)[0], level)


def test_the_student_agrees_with_its_teacher_on_strangers(data_folder: Path, profile_folder: Path) -> None:
    clips = list_clips(data_folder / "val", names=STRANGERS)
    trained = load_setup(str(profile_folder), engine="openvino")
    result = run_pose(trained, clips, every=40, on_clip=lambda name: None)
    summary = result["summary"]
    assert summary["yaw_degrees_median"] < 4
    assert summary["pitch_degrees_median"] < 4
    assert summary["keypoints_percent_median"] < 5
    assert summary["found_share"] > 0.6
    assert [table.row_count for table in pose_tables(result)] == [16, 3]
    told = run_canonical(trained, clips, every=60, on_clip=lambda name: None)
    assert told["accuracy"] > told["accuracy_chance"]
    assert told["spread_within"] < told["spread_between"]
    assert canonical_tables(told)[0].row_count == 8


def test_a_strangers_head_turns_the_way_it_is_asked_to(
    data_folder: Path, backbones: Path, profile_folder: Path
) -> None:
    clips = list_clips(data_folder / "val")[::5]
    trained, judge = load_setup(str(profile_folder), engine="openvino"), Judge(backbones)
    calibration = calibrate(trained, clips, judge, on_clip=lambda name: None)
    turned = [turn_stranger(trained, clips[0], judge, calibration, source="first")]
    result = summarise_turns(trained, turned, calibration)
    for axis in ("yaw", "pitch"):
        rows = {row["asked"]: row for row in result["angles"] if row["axis"] == axis}
        assert rows[20]["got"] - rows[-20]["got"] > 20
        assert 0.8 < result["summary"][f"judge_{axis}_slope"] < 1.2
        assert rows[0]["turn_error"] == 0
    assert result["summary"]["found_share"] == 1
    sheet = view_sheet(turned)
    assert sheet.shape[1] > len(ASKED) * trained.picture_size
    assert view_tables(result)[0].row_count == 2 * len(ASKED)
