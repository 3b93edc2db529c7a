"""x264 as a rival and its curve."""

import pytest
from bench_fakes import scene

from bench.codecs import Point, rate_at, x264


def test_x264_gives_every_picture_back_in_order() -> None:
    pictures = scene(12, size=64, step=3)
    coded = x264(pictures, rate=29.97, crf=10)
    assert len(coded.pictures) == 12
    for original, decoded in zip(pictures, coded.pictures, strict=True):
        errors = [abs(decoded.astype(int) - other).mean() for other in pictures]
        assert errors.index(min(errors)) == next(i for i, other in enumerate(pictures) if other is original)


def test_coarser_coding_costs_less() -> None:
    pictures = scene(12, size=64)
    sizes = [x264(pictures, rate=25, crf=crf).payload_bytes for crf in (20, 34, 48)]
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_the_curve_is_straight_in_log_rate_and_ends_where_it_ends() -> None:
    curve = [Point(20, 400, 0.02), Point(30, 100, 0.06), Point(40, 50, 0.2)]
    assert rate_at(curve, 0.02) == pytest.approx(400)
    assert rate_at(curve, 0.04) == pytest.approx(200)
    assert rate_at(curve, 0.13) == pytest.approx((100 * 50) ** 0.5)
    assert rate_at(curve, 0.01) is None
    assert rate_at(curve, 0.21) is None
