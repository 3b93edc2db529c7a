"""Capture times on the wire."""

import numpy as np

from codec.time import TICK_CYCLE
from sender.stamps import Stamps


def test_every_frame_of_sixty_a_second_has_its_own_tick_in_spite_of_jitter() -> None:
    jitter = np.random.default_rng(3).uniform(-0.006, 0.006, 2000)
    stamps = Stamps()
    ticks = []
    for index in range(2000):
        stamp = stamps.next(1000 + index / 60 + float(jitter[index]))
        assert stamp is not None
        ticks.append(stamp.ticks)
    assert (np.diff(ticks) >= 1).all()
    assert ticks[-1] - ticks[0] in range(1996, 2003)


def test_input_faster_than_the_wire_loses_frames_and_not_time() -> None:
    stamps = Stamps()
    given = [(index / 120, stamps.next(index / 120)) for index in range(1200)]
    kept = [(captured_s, stamp) for captured_s, stamp in given if stamp is not None]
    assert 590 <= len(kept) <= 610
    assert all(abs(stamp.captured_s - captured_s) < 0.03 for captured_s, stamp in kept)


def test_ticks_count_on_where_the_wire_wraps() -> None:
    stamps = Stamps()
    ticks = [stamp.ticks for index in range(3000) if (stamp := stamps.next(68.0 + index / 25))]
    assert len(ticks) == 3000
    assert set(np.diff(ticks)) <= {2, 3}
    assert ticks[-1] > TICK_CYCLE
