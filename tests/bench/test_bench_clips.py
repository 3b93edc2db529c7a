"""Clips as the benches read them."""

from pathlib import Path

import numpy as np
import pytest

from bench.clips import list_clips, read_video
from bench.errors import BenchError
from tests.sender.sender_fakes import turn_clockwise, write_video


def test_a_video_that_a_phone_has_turned_is_measured_upright(tmp_path: Path) -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48] = 250  # left half white: at the top when turned clockwise
    path = write_video(tmp_path / "turned.mp4", [picture] * 3)
    turn_clockwise(path)
    seen = read_video(path)[0][0]
    assert seen.shape == (96, 64, 3)
    assert seen[:40].mean() > 240
    assert seen[56:].mean() < 10


def test_two_videos_of_one_name_are_not_taken_for_one(tmp_path: Path) -> None:
    for name in ("anna.mkv", "anna.mp4"):
        (tmp_path / name).touch()
    with pytest.raises(BenchError, match="the same name"):
        list_clips(tmp_path)
