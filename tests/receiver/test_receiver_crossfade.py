"""From one source picture to the next without a pop."""

import numpy as np

from codec.picture import Picture
from receiver.crossfade import FRAMES, Changes, CrossFade, Weights


def plain(level: int) -> Picture:
    return np.full((4, 4, 3), level, np.uint8)


def test_a_change_is_told_once_with_the_source_before() -> None:
    changes = Changes()
    assert [changes.next(source) for source in (2, 2, 5, 5, 2)] == [None, None, 2, None, 5]


def test_a_change_is_seen_for_some_frames_and_gently() -> None:
    weights = Weights()
    assert weights.next() == 0
    weights.begin()
    taken = [weights.next() for _ in range(FRAMES + 2)]
    assert 1 > taken[0] > taken[FRAMES - 1] > 0
    assert taken == sorted(taken, reverse=True)
    assert 1 - taken[0] < taken[0] - taken[1]
    assert taken[FRAMES:] == [0, 0]


def test_what_the_old_picture_showed_beyond_the_new_one_fades_from_all_that_follow() -> None:
    fade = CrossFade()
    assert (fade.show(plain(40)) == 40).all()
    levels = [fade.show(plain(200), plain(40))[0, 0, 0]]
    levels += [fade.show(plain(200))[0, 0, 0] for _ in range(FRAMES + 1)]
    assert 40 < levels[0] < 60
    assert levels == sorted(levels)
    assert levels[FRAMES - 1] < levels[FRAMES] == levels[FRAMES + 1] == 200
    # A face that moves on meanwhile is shown as it is then.
    fade.show(plain(200), plain(40))
    assert fade.show(plain(100))[0, 0, 0] < 100


def test_a_change_in_the_midst_of_another_one_begins_with_what_was_seen() -> None:
    fade = CrossFade()
    fade.show(plain(40))
    fade.show(plain(200), plain(40))
    before = int(fade.show(plain(200))[0, 0, 0])
    after = int(fade.show(plain(120), plain(200))[0, 0, 0])
    assert abs(after - before) < 60  # neither 120 nor 200 at once
    rest = [fade.show(plain(120)) for _ in range(FRAMES)]
    assert (rest[-1] == 120).all()


def test_levels_stay_within_what_a_picture_can_show() -> None:
    fade = CrossFade()
    fade.show(plain(255))
    fade.show(plain(10), plain(255))
    assert (fade.show(plain(200)) == 255).all()
