"""Films that the program makes for itself."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from call.film import read_film, write_film
from call.pairs import Pairs
from call.portrait import there_and_back


def noise(seed: int, size: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def test_a_film_comes_back_as_it_was_written(tmp_path: Path) -> None:
    pictures = [noise(seed) for seed in range(4)]
    write_film(tmp_path / "film.mkv", pictures, frame_rate=25)
    for written, read in zip(pictures, read_film(tmp_path / "film.mkv"), strict=True):
        np.testing.assert_array_equal(read, written)


def test_only_frames_that_have_both_pictures_are_compared() -> None:
    pairs = Pairs()
    for number in (10, 20, 30):
        pairs.add_original(number, noise(number))
    pairs.add_redrawn(30, noise(3))
    pairs.add_redrawn(10, noise(1))
    pairs.add_redrawn(99, noise(9))
    originals, redrawn = pairs.matched()
    np.testing.assert_array_equal(originals, [noise(10), noise(30)])
    np.testing.assert_array_equal(redrawn, [noise(1), noise(3)])


def test_a_frame_that_was_not_shown_leaves_the_picture_before_it_on_the_screen() -> None:
    pairs = Pairs()
    for number in (0, 1, 2, 4):
        pairs.add_original(number, noise(number))
    pairs.add_redrawn(1, noise(50))
    pairs.add_redrawn(4, noise(52))
    originals, shown = pairs.as_shown()
    np.testing.assert_array_equal(originals, [noise(1), noise(2), noise(4)])
    np.testing.assert_array_equal(shown, [noise(50), noise(50), noise(52)])


def test_a_long_call_keeps_no_more_pictures_than_a_short_one() -> None:
    pairs = Pairs(most=5)
    for number in range(50):
        pairs.add_original(number, noise(0, 8))
        pairs.add_redrawn(number, noise(0, 8))
    assert len(pairs.matched()[0]) == 5


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_recording_that_is_too_short_is_played_there_and_back(length: int) -> None:
    played = [there_and_back(index, length) for index in range(40)]
    assert set(played) == set(range(length))
    assert all(abs(later - earlier) <= 1 for earlier, later in pairwise(played))
