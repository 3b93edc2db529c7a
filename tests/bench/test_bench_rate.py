"""The rate bench and the contact sheet."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_fakes import KEYPOINTS, scene, setup, write_film

from bench.clips import Clip, list_clips
from bench.rate import PREDICTIVE_MODES, RATE, STATIC_MODES, run_rate, thinned
from bench.sheet import Row, lay_out, pick_strangers
from codec.fitting import Stream, fit_prediction
from codec.motion import Motion


def test_each_mode_has_its_bytes_and_times_and_says_why_there_is_no_delta(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mkv", scene(10))
    bare = setup()
    walk = np.cumsum(np.random.default_rng(2).normal(0, 0.01, (40, 3 * KEYPOINTS + 6)), axis=0)
    moves = [Motion(row[:3], row[3:6], row[6:].reshape(KEYPOINTS, 3)) for row in walk]
    prediction = fit_prediction([Stream(moves, range(0, 80, 2))], bare.motion_format.steps)
    able = replace(bare, motion_format=replace(bare.motion_format, prediction=prediction))
    result = run_rate(
        able, list_clips(tmp_path), None, every=2, judge_why="no weights", on_clip=lambda name: None
    )
    assert result["modes"].keys() == STATIC_MODES.keys() | PREDICTIVE_MODES.keys()
    assert result["motions"] == 5
    for figures in result["modes"].values():
        assert figures["bytes_min"] <= figures["bytes_median"] <= figures["bytes_max"]
        assert figures["bytes_min"] > 0
        assert figures["encode_us"] > 0
        assert figures["decode_us"] > 0
        assert figures["lpips_delta"] is None
        assert figures["why"]["lpips_delta"] == "no weights"


def test_tables_without_prediction_have_static_modes_only(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mkv", scene(4))
    result = run_rate(
        setup(), list_clips(tmp_path), None, every=1, judge_why="no weights", on_clip=lambda name: None
    )
    assert result["modes"].keys() == STATIC_MODES.keys()


def test_faster_clips_are_thinned_and_slower_ones_left() -> None:
    assert thinned(60, 2 * RATE) == list(range(0, 60, 2))
    assert len(thinned(60, 30.0)) == 50
    assert thinned(15, 15.0) == list(range(15))


def test_strangers_are_different_people_spread_over_the_set() -> None:
    names = ["ann-1", "ann-2", "bob-1", "cy-1", "cy-2", "dee-1", "eve-1"]
    clips = [Clip(name, Path(name), None) for name in names]
    assert [clip.name for clip in pick_strangers(clips, 3)] == ["ann-1", "cy-1", "eve-1"]
    assert len(pick_strangers(clips, 99)) == 5


def test_more_than_four_rows_stand_in_two_columns() -> None:
    black = np.zeros((40, 40, 3), np.uint8)
    row = Row((black, black, black), ("source", "original", "redrawn"))
    tall, wide = lay_out([row] * 4), lay_out([row] * 5)
    assert wide.shape[1] == 2 * tall.shape[1]
    assert wide.shape[0] == tall.shape[0] * 3 // 4
