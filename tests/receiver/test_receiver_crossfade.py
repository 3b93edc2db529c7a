"""From one source picture to the next without a pop."""

import numpy as np

from codec.picture import Picture
from receiver.crossfade import FRAMES, Changes, CrossFade, Weights


def plain(level: int) -> Picture:
    return np.full((4, 4, 3), level, np.uint8)


def test_an_old_picture_shows_for_some_frames_from_the_change_on() -> None:
    changes = Changes()
    assert [changes.next(2), changes.next(2)] == [None, None]
    taken = [(changes.next(5), changes.begins) for _ in range(FRAMES + 1)]
    assert taken == [(2, True), *[(2, False)] * (FRAMES - 1), (None, False)]
    changes.next(2)
    assert (changes.next(4), changes.begins) == (2, True)


def test_it_fades_gently() -> None:
    weights = Weights()
    assert weights.next() == 0
    weights.begin()
    taken = [weights.next() for _ in range(FRAMES + 2)]
    assert 1 > taken[0] > taken[FRAMES - 1] > 0
    assert taken == sorted(taken, reverse=True)
    assert 1 - taken[0] < taken[0] - taken[1]
    assert taken[FRAMES:] == [0, 0]


def test_what_is_drawn_from_both_pictures_is_mixed() -> None:
    fade, weights = CrossFade(), Weights()
    weights.begin()
    assert (fade.show(plain(40)) == 40).all()
    for frame in range(FRAMES):
        shown = fade.show(plain(200 - frame), plain(40 + frame), begins=frame == 0)
        weight = weights.next()
        assert abs(int(shown[0, 0, 0]) - ((200 - frame) * (1 - weight) + (40 + frame) * weight)) <= 1
    assert (fade.show(plain(200)) == 200).all()


def test_where_only_the_change_was_drawn_from_both_the_rest_fades_all_the_same() -> None:
    fade = CrossFade()
    fade.show(plain(40))
    levels = [fade.show(plain(200), plain(40), begins=True)[0, 0, 0]]
    levels += [fade.show(plain(200))[0, 0, 0] for _ in range(FRAMES + 1)]
    assert 40 < levels[0] < 60
    assert levels == sorted(levels)
    assert levels[FRAMES - 1] < levels[FRAMES] == levels[FRAMES + 1] == 200
    # A face that moves on meanwhile is shown as it is then.
    fade.show(plain(200), plain(40), begins=True)
    assert fade.show(plain(100))[0, 0, 0] < 100


def test_a_change_in_the_midst_of_another_one_begins_with_what_was_seen() -> None:
    fade = CrossFade()
    fade.show(plain(40))
    fade.show(plain(200), plain(40), begins=True)
    before = int(fade.show(plain(200), plain(40))[0, 0, 0])
    after = int(fade.show(plain(120), plain(200), begins=True)[0, 0, 0])
    assert abs(after - before) < 60  # neither 120 nor 200 at once
    rest = [fade.show(plain(120), plain(200)) for _ in range(FRAMES)]
    assert (rest[-1] == 120).all()


def test_levels_stay_within_what_a_picture_can_show() -> None:
    fade = CrossFade()
    fade.show(plain(255))
    fade.show(plain(10), plain(255), begins=True)
    assert (fade.show(plain(200)) == 255).all()
