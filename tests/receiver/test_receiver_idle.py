import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from codec.motion import Motion
from receiver.drawing import Drawing
from receiver.idle import BLINK_EVERY_S, BREATH_DEGREES, Idler, closure, idle
from receiver.playout import Shown
from runtime.geometry import EYELIDS, KEYPOINT_VERTICES, keypoints
from runtime.view import View
from tests.patience import PATIENCE_S
from tests.receiver.receiver_fakes import decoded

K = len(KEYPOINT_VERTICES)
FRAMES_S = np.arange(0, 40, 0.02)


def face(yaw: float = 0.0) -> tuple[Motion, np.ndarray]:
    """A resting face whose lids are a fifth apart, and its keypoints."""
    canonical = np.zeros((K, 3), np.float32)
    for upper, lower in EYELIDS:
        canonical[upper], canonical[lower] = (0, -0.5, 0), (0, -0.3, 0)
    return Motion([yaw, 10, 20], [0.1, 0.2, 0.3], np.full((K, 3), 0.01)), canonical


def gap(motion: Motion, canonical: np.ndarray) -> float:
    placed = keypoints(canonical, motion.rotation, motion.translation, motion.expression)
    return float(np.linalg.norm(placed[EYELIDS[0][1]] - placed[EYELIDS[0][0]]))


def test_an_idling_face_begins_at_its_rest_and_stays_near_it() -> None:
    rest, canonical = face()
    begun = idle(rest, canonical, 0.0)
    for part in ("rotation", "translation", "expression"):
        np.testing.assert_array_equal(getattr(begun, part), getattr(rest, part))
    pitches = [idle(rest, canonical, at_s).rotation[1] - rest.rotation[1] for at_s in FRAMES_S]
    assert max(map(abs, pitches)) == pytest.approx(BREATH_DEGREES, rel=0.01)
    assert max(abs(later - earlier) for earlier, later in pairwise(pitches)) < 0.05


@pytest.mark.parametrize("yaw", [0.0, 40.0])
def test_it_blinks_about_every_four_seconds_and_each_time_briefly(yaw: float) -> None:
    rest, canonical = face(yaw)
    openness = [gap(idle(rest, canonical, at_s), canonical) / gap(rest, canonical) for at_s in FRAMES_S]
    shut = [share < 0.5 for share in openness]
    blinks = sum(now and not before for before, now in pairwise([False, *shut]))
    assert blinks == pytest.approx(40 / BLINK_EVERY_S, abs=1)
    assert min(openness) == pytest.approx(0.1, abs=0.06)
    assert sum(shut) * 0.02 / blinks < 0.15
    # Nothing else of the face moves with the lids.
    apart = idle(rest, canonical, float(FRAMES_S[np.argmin(openness)])).expression - rest.expression
    lids = [index for pair in EYELIDS for index in pair]
    assert np.abs(np.delete(apart, lids, axis=0)).max() == 0


def test_two_seeds_blink_at_different_times_and_one_seed_always_the_same() -> None:
    first, again = ([closure(at_s, seed=1) for at_s in FRAMES_S] for _ in range(2))
    assert first == again
    assert first != [closure(at_s, seed=2) for at_s in FRAMES_S]


def test_a_face_with_other_keypoints_breathes_with_open_eyes() -> None:
    rest = Motion([0, 0, 0], [0, 0, 0], np.zeros((15, 3)))
    for at_s in FRAMES_S[::10]:
        assert not idle(rest, np.ones((15, 3), np.float32), at_s).expression.any()


def test_an_idler_begins_anew_after_an_interruption_and_draws_at_its_own_pace() -> None:
    rest, canonical = face()
    idler = Idler()
    assert idler.next(5.0, rest, canonical) is None
    idler.on = True
    assert idler.due_s(5.0) == 5.0
    assert idler.next(5.0, rest, canonical) is not None
    assert idler.next(5.01, rest, canonical) is None
    assert idler.due_s(5.01) == pytest.approx(5.04)
    breathing = idler.next(6.0, rest, canonical)
    assert breathing is not None
    assert breathing.rotation[1] != rest.rotation[1]
    idler.interrupt()
    begun = idler.next(7.0, rest, canonical)
    assert begun is not None
    assert begun.rotation[1] == rest.rotation[1]


def test_a_face_idles_only_while_no_motion_comes_and_only_when_it_is_told_to() -> None:
    kinds: list[str] = []
    changed = threading.Condition()

    def shown(shown: Shown, *_: object) -> None:
        with changed:
            kinds.append(shown.kind)
            changed.notify_all()

    def wait_for(kind: str, *, after: int = 0) -> int:
        """Wait until that is shown, after so many others; return how many are shown with it."""
        with changed:
            assert changed.wait_for(lambda: kind in kinds[after:], timeout=PATIENCE_S)
            return kinds.index(kind, after) + 1

    def fail(error: Exception) -> None:
        raise error

    talker = SimpleNamespace(
        draw=lambda *_: np.zeros((4, 4, 3), np.uint8),
        estimate=lambda *_: (np.zeros(3), np.zeros(3), np.zeros((2, 3))),
    )
    source = SimpleNamespace(
        rotation=np.zeros(3), translation=np.zeros(3), expression=np.zeros((2, 3)), canonical=np.zeros((2, 3))
    )
    drawing = Drawing(talker, on_picture=shown, on_error=fail, view=View())  # type: ignore[arg-type]
    drawing.start()
    drawing.set_source(0, source)  # type: ignore[arg-type]
    drawing.idle(True)
    wait_for("idle")  # before a first motion as well
    drawing.push([decoded(100)], time.monotonic())
    before = wait_for("fresh")
    wait_for("idle", after=before)
    drawing.idle(False)
    now_s = time.monotonic()
    drawing.push([decoded(1000)], now_s)
    drawing.push([decoded(1003)], now_s + 0.05)
    wait_for("relaxed", after=wait_for("fresh", after=before))
    drawing.finish()
    assert "idle" not in kinds[kinds.index("relaxed", len(kinds) - 1 - kinds[::-1].index("fresh")) :]
