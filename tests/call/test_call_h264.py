"""H.264 as a rival: what comes back, and what it costs."""

import os
import sys

import numpy as np
import pytest

from bench.codecs import CODECS, run_codec
from call.h264 import x264, x264_at


def moving(frames: int) -> list[np.ndarray]:
    """A textured square that moves over a slope, so that a codec has something to do."""
    texture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pictures = []
    for index in range(frames):
        picture = np.repeat(np.linspace(0, 255, 128, dtype=np.uint8)[None, :, None], 128, 0).repeat(3, 2)
        picture[20:84, 2 * index : 2 * index + 64] = texture
        pictures.append(picture)
    return pictures


def test_every_picture_comes_back_in_its_order() -> None:
    pictures = moving(12)
    coded = x264(pictures, frame_rate=29.97, crf=10)
    assert len(coded.pictures) == 12
    for index, decoded in enumerate(coded.pictures):
        errors = [np.abs(decoded.astype(int) - other).mean() for other in pictures]
        assert int(np.argmin(errors)) == index


def test_coarser_coding_costs_less() -> None:
    rates = [x264(moving(12), frame_rate=25, crf=crf).kbps for crf in (20, 34, 48)]
    assert rates[0] > rates[1] > rates[2] > 0


def test_h264_at_a_rate_stays_under_it_with_the_best_quality_that_does() -> None:
    pictures = moving(12)
    budget = x264(pictures, frame_rate=25, crf=30).kbps
    coded = x264_at(pictures, frame_rate=25, kbps=budget)
    assert coded.kbps <= budget
    assert len(coded.pictures) == len(pictures)
    assert x264(pictures, frame_rate=25, crf=coded.crf - 1).kbps > budget


def test_h264_that_cannot_go_so_low_says_what_it_needs() -> None:
    coded = x264_at(moving(6), frame_rate=25, kbps=0.01)
    assert coded.crf == 51
    assert coded.kbps > 0.01


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a test take a core away")
def test_the_bytes_do_not_depend_on_the_number_of_cores() -> None:
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("this machine has one core")
    on_many = x264(moving(12), frame_rate=25, crf=30)
    os.sched_setaffinity(0, {min(cores)})
    try:
        on_one = x264(moving(12), frame_rate=25, crf=30)
    finally:
        os.sched_setaffinity(0, cores)
    assert on_one.kbps == on_many.kbps
    np.testing.assert_array_equal(on_one.pictures, on_many.pictures)


@pytest.mark.parametrize("crf", [20, 34, 48])
def test_the_benches_count_the_same_bytes_for_the_same_pictures(crf: int) -> None:
    pictures = moving(12)
    coded = x264(pictures, frame_rate=25, crf=crf)
    stream = run_codec(CODECS["h264"], pictures, frame_rate=25, crf=crf, keep=range(12))
    assert coded.kbps * 1000 * 12 / 25 / 8 == pytest.approx(sum(stream.packet_bytes), rel=1e-9)
    np.testing.assert_array_equal(coded.pictures, [stream.pictures[index] for index in range(12)])
