"""The crop's square: how it is placed and cut, and that it stands still under noise and follows without
overshoot."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sender.square import (
    DEAD_ZONE_SHIFT,
    FACE_BELOW_MIDDLE,
    Head,
    Square,
    SteadySquare,
    cut,
    middle_square,
    square_around,
)


def follow(steady: SteadySquare, wishes: list[Square], *, step_s: float = 1 / 30) -> list[Square]:
    return [steady.follow(wish, step_s=step_s) for wish in wishes]


def test_a_face_that_trembles_inside_the_dead_zone_never_moves_the_crop() -> None:
    random = np.random.default_rng(1)
    start = Square(320, 240, 200)
    steady = SteadySquare(start)
    wishes = [
        Square(320 + dx, 240 + dy, 200 * np.exp(scale))
        for dx, dy, scale in random.uniform(-1, 1, (3000, 3)) * [20, 20, 0.12]
    ]
    assert set(follow(steady, wishes)) == {start}


@pytest.mark.parametrize("shift", [30, 50, 100])  # a quarter of the side and more makes the crop hurry
@pytest.mark.parametrize("rate", [12, 25, 30, 60])
def test_a_real_displacement_is_followed_without_overshoot_and_then_the_crop_rests(
    rate: int, shift: int
) -> None:
    random = np.random.default_rng(2)
    steady = SteadySquare(Square(320, 240, 200))
    noise = random.normal(0, 0.5, (rate * 6, 2))
    goal = Square(320 + shift, 240, 200)
    squares = follow(steady, [Square(goal.x + a, goal.y + b, goal.side) for a, b in noise], step_s=1 / rate)
    places = [square.x for square in squares]
    assert max(places) <= goal.x + 2
    assert all(after >= before - 1 for before, after in pairwise(places))
    assert abs(places[-1] - goal.x) < 0.03 * 200
    assert len(set(squares[rate * 4 :])) == 1


def test_the_way_of_the_crop_does_not_depend_on_the_frame_rate() -> None:
    goal = Square(420, 260, 260)
    slow, fast = SteadySquare(Square(320, 240, 200)), SteadySquare(Square(320, 240, 200))
    at_slow = follow(slow, [goal] * 5, step_s=0.1)[-1]
    at_fast = follow(fast, [goal] * 30, step_s=1 / 60)[-1]
    assert at_slow.x == pytest.approx(at_fast.x, abs=3)
    assert at_slow.side == pytest.approx(at_fast.side, abs=3)


def test_one_wild_measurement_is_ignored() -> None:
    start = Square(320, 240, 200)
    steady = SteadySquare(start)
    wishes = [start] * 10 + [Square(600, 20, 90)] + [start] * 10
    assert set(follow(steady, wishes)) == {start}


def test_the_crop_starts_to_move_only_beyond_the_dead_zone() -> None:
    start = Square(320, 240, 200)
    near, far = DEAD_ZONE_SHIFT * 0.95 * 200, DEAD_ZONE_SHIFT * 1.05 * 200
    assert set(follow(SteadySquare(start), [Square(320 + near, 240, 200)] * 50)) == {start}
    assert follow(SteadySquare(start), [Square(320 + far, 240, 200)] * 50)[-1].x > 320 + far / 2


def test_a_face_is_framed_as_in_the_training_clips() -> None:
    square = square_around(Head(600, 400, 200), width=1280, height=720)
    assert square.side == pytest.approx(350)
    assert (400 - square.y) / square.side == pytest.approx(FACE_BELOW_MIDDLE)
    assert square.x == 600


@pytest.mark.parametrize(
    ("x", "y", "height"), [(20, 20, 200), (630, 470, 200), (320, 240, 300), (320, 10, 100)]
)
def test_the_square_stays_inside_of_the_frame_where_the_face_leaves_room(
    x: float, y: float, height: float
) -> None:
    square = square_around(Head(x, y, height), width=640, height=480)
    assert square.side / 2 <= square.x <= 640 - square.side / 2
    assert square.side / 2 <= square.y <= 480 - square.side / 2


def test_a_face_larger_than_the_frame_is_still_shown_whole() -> None:
    square = square_around(Head(320, 180, 360), width=640, height=360)
    assert square.side == pytest.approx(1.35 * 360)
    picture = cut(np.full((360, 640, 3), 90, np.uint8), square, size=64)
    assert picture.shape == (64, 64, 3)
    assert (picture == 90).all()


def test_a_frame_that_is_the_picture_already_is_passed_through() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    assert cut(frame, middle_square(64, 64), size=64) is frame


@pytest.mark.parametrize("side", [40, 64, 128, 192, 512, 900])
def test_what_is_cut_stands_where_it_stood_in_the_frame(side: int) -> None:
    rows, columns = np.mgrid[0:1000, 0:1200].astype(np.float32) + 0.5
    frame = np.stack([columns / 1200 * 255, rows / 1000 * 255, 0 * rows], -1).astype(np.uint8)
    square = Square(611.3, 487.6, side)
    picture = cut(frame, square, size=64).astype(float)
    middles = (np.arange(64) + 0.5) / 64 * side - side / 2
    assert picture[32, :, 0] == pytest.approx((square.x + middles) / 1200 * 255 - 0.5, abs=1.2)
    assert picture[:, 32, 1] == pytest.approx((square.y + middles) / 1000 * 255 - 0.5, abs=1.2)


def test_fine_detail_is_averaged_and_not_skipped() -> None:
    checks = ((np.indices((512, 512)).sum(0) % 2) * 255).astype(np.uint8)
    picture = cut(np.repeat(checks[..., None], 3, 2), middle_square(512, 512), size=128)
    assert np.abs(picture.astype(int) - 127).max() <= 2


def test_real_people_stay_inside_of_a_crop_that_mostly_stands_still(data_folder: Path) -> None:
    """Real head tracks (forehead and chin) of clips at 24 to 30 frames a second, in a wide frame."""
    still = frames = outside = 0
    tracks = sorted((data_folder / "val" / "landmarks").glob("*.npz"))[::2]
    for path in tracks:
        recorded = np.load(path)
        points = recorded["landmarks"].astype(float) / 8192 * 400 + 400
        vertices = list(recorded["vertices"])
        foreheads, chins = points[:, vertices.index(10)], points[:, vertices.index(152)]
        steady, moved = None, False
        for forehead, chin in zip(foreheads, chins, strict=True):
            middle, height = (forehead + chin) / 2, float(np.linalg.norm(forehead - chin))
            wish = square_around(Head(middle[0], middle[1], height), width=1200, height=1200)
            steady = steady or SteadySquare(wish)
            square = steady.follow(wish, step_s=1 / 25)
            moved = moved or steady.moving
            ends = np.stack([forehead, chin])[:, :2] - [square.x, square.y]
            frames += 1
            outside += np.abs(ends).max() > square.side / 2
        still += not moved
    assert still > len(tracks) / 2
    assert outside < frames / 500
