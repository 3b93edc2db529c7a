"""H.264 as a rival: what comes back, and what it costs."""

import numpy as np

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
