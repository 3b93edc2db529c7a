"""From one source picture to the next without a pop."""

import numpy as np

from receiver.crossfade import FRAMES, Blend, CrossFade, mix


def test_the_first_picture_is_there_at_once() -> None:
    assert CrossFade().next(2) == Blend(2)


def test_a_change_takes_some_frames_in_which_the_old_picture_fades() -> None:
    fade = CrossFade()
    fade.next(0)
    blends = [fade.next(1) for _ in range(FRAMES + 2)]
    weights = [blend.weight for blend in blends]
    assert all(blend.source == 1 for blend in blends)
    assert all(blend.other == 0 for blend in blends[:FRAMES])
    assert 1 > weights[0] > weights[-3] > 0
    assert weights == sorted(weights, reverse=True)
    assert 1 - weights[0] < weights[0] - weights[1]  # it begins gently
    assert blends[FRAMES:] == [Blend(1), Blend(1)]


def test_a_change_in_the_middle_of_a_change_fades_from_the_newer_one() -> None:
    fade = CrossFade()
    fade.next(0)
    fade.next(1)
    assert fade.next(2).other == 1


def test_pictures_are_mixed_by_weight() -> None:
    dark, light = (np.full((4, 4, 3), level, np.uint8) for level in (0, 200))
    assert (mix(dark, light, 0.25) == 50).all()
