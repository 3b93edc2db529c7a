"""The receiver looks at what it drew: what its generator misses steadily it asks for besides, the same in every run; a
new source picture begins anew."""

import time
from collections.abc import Callable

import numpy as np
from receiver_fakes import SIZE, FakeSource, FakeTalker, decoded

from receiver.drawing import Drawing
from runtime.view import View
from tests.patience import PATIENCE_S

SCALE = 8  # levels a degree


class ShortTalker(FakeTalker):
    """Turns every head two degrees less far than it is told, sometimes slowly."""

    def draw(self, source: FakeSource, *pose: np.ndarray) -> np.ndarray:
        if int(pose[0][0] * 1000) % 3 == 0:
            time.sleep(0.004)
        return np.full((SIZE, SIZE, 3), round(SCALE * (pose[0][0] - 2)), np.uint8)

    def estimate(self, picture: np.ndarray, source: FakeSource) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        yaw = np.float32(picture[0, 0, 0] / SCALE)
        return np.array([yaw, 0, 1], np.float32), source.translation, source.expression


def draw_all(steps: Callable[[Drawing, ShortTalker], None], *, pictures: int) -> list[float]:
    """Draw in order what `steps` bring; return the yaw that each picture shows."""
    shown: list[float] = []
    talker = ShortTalker()
    drawing = Drawing(
        talker,  # type: ignore[arg-type]
        on_picture=lambda what, picture, began_s, shown_s: shown.append(float(picture[0, 0, 0]) / SCALE),
        on_error=lambda error: None,
        view=View(),
    )
    drawing.draw_in_order()
    steps(drawing, talker)
    drawing.start()
    end_s = time.monotonic() + PATIENCE_S
    while len(shown) < pictures and time.monotonic() < end_s:
        time.sleep(0.005)
    drawing.finish()
    return shown


def source(talker: FakeTalker) -> FakeSource:
    return talker.prepare(np.full((SIZE, SIZE, 3), 100, np.uint8))


def test_a_head_that_is_drawn_short_is_asked_for_further_the_same_in_every_run() -> None:
    def steps(drawing: Drawing, talker: ShortTalker) -> None:
        drawing.set_source(0, source(talker))  # type: ignore[arg-type]
        drawing.push([decoded(10 + 2 * index, value=20) for index in range(20)], 0.0)

    shown = draw_all(steps, pictures=20)
    assert shown[0] == 18
    assert 18.9 < shown[-1] < 19.2
    assert all(draw_all(steps, pictures=20) == shown for _ in range(5))


def test_a_new_source_picture_is_aimed_at_anew() -> None:
    def steps(drawing: Drawing, talker: ShortTalker) -> None:
        drawing.set_source(0, source(talker))  # type: ignore[arg-type]
        drawing.push([decoded(10 + 2 * index, value=20) for index in range(10)], 0.0)
        drawing.set_source(1, source(talker))  # type: ignore[arg-type]
        drawing.push([decoded(30, value=20, source=1), *(decoded(31 + n, value=20) for n in range(10))], 0.0)

    shown = draw_all(steps, pictures=21)
    assert min(shown[8:10]) > 18.7
    assert shown[-1] > 18.7, "the first one's aim is kept"


def test_a_head_that_the_listener_turns_is_drawn_as_it_is_asked_for() -> None:
    def steps(drawing: Drawing, talker: ShortTalker) -> None:
        drawing.set_source(0, source(talker))  # type: ignore[arg-type]
        drawing.look(View(yaw=10))
        drawing.push([decoded(10 + 2 * index, value=10) for index in range(20)], 0.0)

    shown = draw_all(steps, pictures=20)
    assert len(set(shown)) == 1
