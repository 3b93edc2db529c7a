"""Finding a face, following it, losing it, and finding it again."""

import numpy as np
import pytest

from sender.crop import FACE_IS_BACK, NO_FACE, TWO_FACES, CropFollower, WholeCrop, find_faces
from sender.observe import Observer
from tests.sender.sender_fakes import SIZE, FakeTalker, draw_frame, find_disc

EMPTY = np.full((240, 320, 3), 30, np.uint8)


class Watch:
    """An observer over a follower, fed with frames at 25 a second."""

    def __init__(self, talker: FakeTalker) -> None:
        self.notices: list[str] = []
        self.crop = CropFollower(talker.locate, size=SIZE, notice=self.notices.append)
        self.observer = Observer(talker, self.crop)
        self.at_s = 100.0

    def see(self, frame: np.ndarray) -> np.ndarray | None:
        view = self.observer.observe(frame, at_s=self.at_s, source=None)
        self.at_s += 0.04
        return None if view is None else view.picture


def test_a_face_found_is_framed_by_its_keypoints_at_once() -> None:
    watch = Watch(FakeTalker())
    picture = watch.see(draw_frame(640, 480, x=400, y=250, face=100))
    assert picture is not None
    x, y, height = find_disc(picture) or (0, 0, 0)
    assert x / SIZE == pytest.approx(0.5, abs=0.02)
    assert y / SIZE == pytest.approx(0.542, abs=0.02)
    assert height / SIZE == pytest.approx(1 / 1.75, abs=0.03)


def test_measurements_that_shake_leave_the_crop_unmoved() -> None:
    watch = Watch(FakeTalker(noise=0.01))
    frame = draw_frame(320, 240, x=160, y=120, face=80)
    watch.see(frame)
    settled = watch.crop.square
    for _ in range(300):
        watch.see(frame)
        assert watch.crop.square == settled


def test_a_head_that_sways_moves_in_the_picture_and_not_the_crop() -> None:
    watch = Watch(FakeTalker())
    watch.see(draw_frame(320, 240, x=160, y=120, face=80))
    settled = watch.crop.square
    for step in range(60):
        watch.see(draw_frame(320, 240, x=160 + 12 * np.sin(step / 4), y=120, face=80))
    assert watch.crop.square == settled


def test_a_person_who_moves_over_is_followed() -> None:
    watch = Watch(FakeTalker())
    for step in range(100):
        watch.see(draw_frame(640, 240, x=160 + 2.5 * step, y=120, face=80))
    for _ in range(60):
        picture = watch.see(draw_frame(640, 240, x=408, y=120, face=80))
    assert picture is not None
    x, _, _ = find_disc(picture) or (0, 0, 0)
    assert x / SIZE == pytest.approx(0.5, abs=0.04)
    assert watch.notices == []


def test_a_person_who_runs_across_the_frame_never_leaves_the_picture() -> None:
    watch = Watch(FakeTalker())
    for step in range(60):
        face = draw_frame(900, 240, x=80 + 12.0 * step, y=120, face=80)
        picture = watch.see(face) if step else [watch.see(face) for _ in range(5)][-1]
        assert picture is not None
        x, _, _ = find_disc(picture) or (9.0, 0, 0)
        assert abs(2 * x / SIZE - 1) < 0.6
    assert watch.notices == []


def test_a_face_that_leaves_and_returns_elsewhere_is_told_of_and_found_again() -> None:
    watch = Watch(FakeTalker())
    for _ in range(10):
        assert watch.see(draw_frame(320, 240, x=80, y=120, face=70)) is not None
    seen = [watch.see(EMPTY) for _ in range(75)]
    assert seen[-1] is None
    assert sum(picture is not None for picture in seen) == 0
    back = [watch.see(draw_frame(320, 240, x=240, y=100, face=70)) for _ in range(10)]
    assert back[-1] is not None
    assert find_disc(back[-1]) is not None
    assert watch.notices == [NO_FACE, FACE_IS_BACK]


def test_a_face_that_only_the_motion_graph_believes_in_is_given_up() -> None:
    talker = FakeTalker()
    watch = Watch(talker)
    frame = draw_frame(320, 240, x=160, y=120, face=80)
    for _ in range(5):
        watch.see(frame)
    talker.locates = False
    seen = [watch.see(frame) is not None for _ in range(60)]
    assert seen[0]
    assert not seen[-1]


def test_a_single_miss_of_the_locate_graph_changes_nothing() -> None:
    talker = FakeTalker()
    watch = Watch(talker)
    frame = draw_frame(320, 240, x=160, y=120, face=80)
    for step in range(200):
        talker.locates = step % 26 != 25
        if step == 0:
            talker.locates = True
        assert watch.see(frame) is not None
    assert watch.notices == []


class LeftmostTalker(FakeTalker):
    """Sees the leftmost of several discs."""

    def locate(self, frame: np.ndarray) -> object:
        columns = np.nonzero((frame[:, :, 0] > 200).any(0))[0]
        if not columns.size:
            return None
        breaks = np.nonzero(np.diff(columns) > 1)[0]
        end = columns[breaks[0]] + 1 if breaks.size else frame.shape[1]
        only = frame.copy()
        only[:, end:] = 0
        return super().locate(only)


def test_of_two_faces_the_largest_is_followed_with_a_notice() -> None:
    frame = draw_frame(640, 240, x=100, y=120, face=60)
    large = draw_frame(640, 240, x=480, y=120, face=90)
    frame = np.maximum(frame, large)
    frame[..., 1:] = np.minimum(frame[..., 1:], 30)
    talker = LeftmostTalker()
    assert [round(face.x) for face in find_faces(frame, talker.locate)] == [480, 100]
    watch = Watch(talker)
    watch.see(frame)
    assert watch.notices == [TWO_FACES]
    square = watch.crop.square
    assert square is not None
    assert square.x == pytest.approx(480, abs=4)


def test_another_frame_size_starts_a_new_search() -> None:
    watch = Watch(FakeTalker())
    watch.see(draw_frame(320, 240, x=80, y=120, face=70))
    picture = watch.see(draw_frame(640, 480, x=500, y=240, face=140))
    assert picture is not None
    assert find_disc(picture) is not None


def test_the_whole_crop_gives_up_after_three_looks_without_a_face_and_looks_once_a_second() -> None:
    looks: list[bool] = []
    notices: list[str] = []
    talker = FakeTalker()

    def locate(picture: np.ndarray) -> object:
        looks.append(True)
        return talker.locate(picture)

    crop = WholeCrop(locate, size=SIZE, notice=notices.append)  # type: ignore[arg-type]
    face = draw_frame(SIZE, SIZE, x=32, y=34, face=36)
    seen = [
        crop.cut(frame, at_s=100 + index / 25) is not None
        for index, frame in enumerate([face] * 50 + [EMPTY] * 125 + [face] * 50)
    ]
    assert all(seen[:50])
    assert not any(seen[100:175])
    assert all(seen[200:])
    assert len(looks) == 9  # nine seconds
    assert notices == [NO_FACE, FACE_IS_BACK]


def test_a_miss_or_two_leave_the_whole_crop_as_it_is() -> None:
    talker = FakeTalker()
    notices: list[str] = []
    crop = WholeCrop(talker.locate, size=SIZE, notice=notices.append)
    face = draw_frame(SIZE, SIZE, x=32, y=34, face=36)
    for second in range(12):
        talker.locates = second % 3 == 0
        assert crop.cut(face, at_s=float(second)) is not None
    assert notices == []


@pytest.mark.parametrize(("width", "height"), [(64, 64), (320, 240), (240, 320), (1000, 50)])
def test_the_whole_crop_takes_the_middle_of_any_frame(width: int, height: int) -> None:
    crop = WholeCrop(FakeTalker().locate, size=SIZE, notice=lambda notice: None)
    side = min(width, height)
    picture = crop.cut(draw_frame(width, height, x=width / 2, y=height / 2, face=side / 2), at_s=0.0)
    x, y, face = find_disc(picture) or (0, 0, 0)
    assert (x, y) == pytest.approx((SIZE / 2, SIZE / 2), abs=1)
    assert face == pytest.approx(SIZE / 2, abs=3)
