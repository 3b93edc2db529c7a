"""The Bjontegaard delta rate against published examples, and where it refuses."""

import pytest

from bench.bd_rate import CurveError, bd_rate

# The example in the documentation of FAU's package `bjontegaard`, whose PCHIP agrees with the standard's spreadsheet.
FAU_ANCHOR = [(9487.76, 40.037), (4593.60, 38.615), (2486.44, 36.845), (1358.24, 34.851)]
FAU_TEST = [(9787.80, 40.121), (4469.00, 38.651), (2451.52, 36.970), (1356.24, 34.987)]
# The example that came with the first public implementations in Matlab and Python.
OLD_ANCHOR = [(686.76, 40.28), (309.58, 37.18), (157.11, 34.24), (85.95, 31.42)]
OLD_TEST = [(893.34, 40.39), (407.8, 37.21), (204.93, 34.17), (112.75, 31.24)]


@pytest.mark.parametrize(
    ("anchor", "test", "expected"),
    [(FAU_ANCHOR, FAU_TEST, -4.417485350589045), (OLD_ANCHOR, OLD_TEST, 31.379878202397627)],
)
def test_published_examples_come_out(
    anchor: list[tuple[float, float]], test: list[tuple[float, float]], expected: float
) -> None:
    assert bd_rate(anchor, test) == pytest.approx(expected, abs=1e-6)
    assert bd_rate(anchor[::-1], test[2:] + test[:2]) == pytest.approx(expected, abs=1e-6)


def test_errors_that_fall_with_rate_count_like_quality_that_rises() -> None:
    errors = [[(rate, 100 - quality) for rate, quality in curve] for curve in (FAU_ANCHOR, FAU_TEST)]
    assert bd_rate(*errors) == pytest.approx(bd_rate(FAU_ANCHOR, FAU_TEST), abs=1e-9)


def test_half_the_rate_is_minus_fifty_percent() -> None:
    assert bd_rate(FAU_ANCHOR, [(rate / 2, quality) for rate, quality in FAU_ANCHOR]) == pytest.approx(-50)
    assert bd_rate(FAU_ANCHOR, FAU_ANCHOR) == pytest.approx(0)


def test_only_what_both_measured_is_compared() -> None:
    curve = [(100.0, 30.0), (200.0, 35.0), (400.0, 40.0)]
    far = [(10.0, 10.0), *[(rate / 2, quality) for rate, quality in curve]]
    assert bd_rate(curve, far) == pytest.approx(-50, abs=1)


def test_a_point_that_costs_more_and_is_no_better_is_left_out() -> None:
    assert bd_rate(FAU_ANCHOR, [*FAU_TEST, (5000.0, 36.0)]) == pytest.approx(bd_rate(FAU_ANCHOR, FAU_TEST))


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ([(100.0, 50.0), (200.0, 60.0), (400.0, 70.0)], "share no quality"),
        ([(100.0, 40.0), (200.0, 45.0), (400.0, 50.0)], "too little quality"),
        ([(100.0, 36.0)], "fewer than 3 points"),
        ([(100.0, 36.0), (200.0, 36.0), (400.0, 37.0)], "fewer than 3 points"),
        ([(0.0, 36.0), (200.0, 37.0), (400.0, 38.0)], "no logarithm"),
    ],
)
def test_what_cannot_be_compared_is_refused(test: list[tuple[float, float]], why: str) -> None:
    with pytest.raises(CurveError, match=why):
        bd_rate(FAU_ANCHOR, test)
