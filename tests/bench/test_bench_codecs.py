"""A rival's curve."""

import pytest

from bench.codecs import Point, rate_at


def test_the_curve_is_straight_in_log_rate_and_ends_where_it_ends() -> None:
    curve = [Point(20, 400, 0.02), Point(30, 100, 0.06), Point(40, 50, 0.2)]
    assert rate_at(curve, 0.02) == pytest.approx(400)
    assert rate_at(curve, 0.04) == pytest.approx(200)
    assert rate_at(curve, 0.13) == pytest.approx((100 * 50) ** 0.5)
    assert rate_at(curve, 0.01) is None
    assert rate_at(curve, 0.21) is None
