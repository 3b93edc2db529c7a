"""Geometric means, intervals and medians over clips."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.statistics import bootstrap_interval, censored_median, geometric_mean, ratio, summarise


def clip(name: str, **ratios: float) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name}
    for key, value in ratios.items():
        row |= {key: value, f"{key}_frozen": 1.0, f"{key}_ratio": value}
    return row


def test_twice_as_good_and_twice_as_bad_is_even() -> None:
    summary = summarise([clip("a", lpips=0.5), clip("b", lpips=2.0)])
    assert summary["lpips_ratio"] == pytest.approx(1)
    assert summary["lpips_share_beaten"] == 0.5
    assert (summary["lpips_worst"], summary["lpips_worst_clip"]) == (2.0, "b")


def test_where_more_is_better_the_worst_is_the_least() -> None:
    summary = summarise([clip("a", psnr=0.9), clip("b", psnr=1.2), clip("c", psnr=1.1)])
    assert summary["psnr_worst_clip"] == "a"
    assert summary["psnr_share_beaten"] == pytest.approx(2 / 3)


def test_a_tie_beats_nobody() -> None:
    assert summarise([clip("a", lpips=1 - 1e-7)])["lpips_share_beaten"] == 0


def test_a_figure_that_no_clip_has_is_null() -> None:
    summary = summarise([clip("a", lpips=0.5)])
    assert summary["mouth_akd"] is None
    assert summary["mouth_akd_ratio"] is None
    assert summary["mouth_akd_worst_clip"] is None


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=40))
def test_the_interval_holds_the_mean_and_stays_among_the_clips(values: list[float]) -> None:
    low, high = bootstrap_interval(values)
    slack = 1 + 1e-9
    assert min(values) <= low * slack
    assert low <= geometric_mean(values) * slack
    assert geometric_mean(values) <= high * slack
    assert high <= max(values) * slack


def test_one_perfect_clip_does_not_make_the_set_perfect() -> None:
    assert geometric_mean([0.0, 1.0]) > 0.01


def test_clips_beyond_the_curve_still_count_in_the_median() -> None:
    assert censored_median([1, 2, 3], above=0, below=0) == 2
    assert censored_median([1, 2, 3], above=2, below=0) == 3
    assert censored_median([1, 2, 3], above=3, below=0) is None
    assert censored_median([], above=0, below=0) is None


def test_there_is_no_ratio_to_a_picture_without_error() -> None:
    assert ratio(0.5, 0.0) is None
    # What a picture beside itself comes to in single precision, which may be under 0.
    assert ratio(0.5, 3.2e-8) is None
    assert ratio(0.5, -1.1e-7) is None
    assert ratio(None, 1.0) is None
