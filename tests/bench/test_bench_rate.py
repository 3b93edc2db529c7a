"""The rate bench and the contact sheet."""

from pathlib import Path

import numpy as np
from bench_fakes import scene, setup, write_film

from bench.clips import Clip, list_clips
from bench.rate import MODES, run_rate
from bench.sheet import Row, lay_out, pick_strangers


def test_each_mode_has_its_bytes_and_times_and_says_why_there_is_no_delta(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mkv", scene(10))
    result = run_rate(
        setup(), list_clips(tmp_path), None, every=2, judge_why="no weights", on_clip=lambda name: None
    )
    assert result["modes"].keys() == MODES.keys()
    assert result["motions"] == 5
    for figures in result["modes"].values():
        assert figures["bytes_min"] <= figures["bytes_median"] <= figures["bytes_max"]
        assert figures["bytes_min"] > 0
        assert figures["encode_us"] > 0
        assert figures["decode_us"] > 0
        assert figures["lpips_delta"] is None
        assert figures["why"]["lpips_delta"] == "no weights"


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
