"""How a listener sees a head: the drawing passes every motion through the view that was asked for."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from codec.decoder import DecodedMotion
from codec.motion import Motion
from codec.picture import Picture
from receiver.drawing import Drawing, _Due
from runtime.view import DRAWN_SHARE, View
from tests.patience import PATIENCE_S

POINTS = 20


def motion(yaw: float) -> Motion:
    return Motion(
        np.array([yaw, 5, 0], np.float32), np.zeros(3, np.float32), np.zeros((POINTS, 3), np.float32)
    )


class SecondFirst(Drawing):
    """Draws the second picture before the first, as a busy machine may."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.second_drawn = threading.Event()

    def _draw(self, due: _Due) -> Picture:
        if due.number == 0:
            assert self.second_drawn.wait(PATIENCE_S)
        picture = super()._draw(due)
        if due.number == 1:
            self.second_drawn.set()
        return picture


def drawn_with(view: View, yaws: list[float], *, kind: type[Drawing] = Drawing) -> list[np.ndarray]:
    """Return the rotations that are drawn of motions with these yaws; the source looks at 10 degrees."""
    drawn: list[np.ndarray] = []
    done = threading.Event()

    def draw(source: object, rotation: np.ndarray, *rest: object) -> object:
        return rotation

    def shown(_: object, picture: object, began_s: float, shown_s: float) -> None:
        drawn.append(np.asarray(picture))
        if len(drawn) == len(yaws):
            done.set()

    def fail(error: Exception) -> None:
        raise error

    def estimate(picture: object, source: object) -> tuple[object, ...]:
        return picture, motion(0).translation, motion(0).expression

    drawing = kind(SimpleNamespace(draw=draw, estimate=estimate), on_picture=shown, on_error=fail, view=view)  # type: ignore[arg-type]
    drawing.draw_in_order()
    drawing.start()
    rest = motion(10)
    drawing.set_source(
        0,
        SimpleNamespace(  # type: ignore[arg-type]
            rotation=rest.rotation, translation=rest.translation, expression=rest.expression
        ),
    )
    for index, yaw in enumerate(yaws):
        drawing.push([DecodedMotion(4 * index, 0, motion(yaw))], time.monotonic())
    assert done.wait(PATIENCE_S)
    drawing.finish()
    return drawn


def test_a_plain_view_draws_the_motion_as_it_came() -> None:
    assert [float(each[0]) for each in drawn_with(View(), [3, -7])] == [3, -7]


def test_the_head_is_levelled_and_then_turned() -> None:
    for each in drawn_with(View(yaw=20, frontal=True), [3, -7]):
        np.testing.assert_allclose(each, [20 / DRAWN_SHARE[0], 0, 0], atol=1e-3)


def test_relative_motion_starts_from_the_source_picture_whatever_the_first_motion_was() -> None:
    first, second = drawn_with(View(relative=True), [40, 35], kind=SecondFirst)
    np.testing.assert_allclose(first, [10, 5, 0], atol=1e-3)
    assert second[0] == pytest.approx(5, abs=0.5)


def test_a_view_from_too_far_aside_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 30 degrees"):
        View(yaw=31)
