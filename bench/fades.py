"""What the receiver shows while one picture fades into another, for single frames in any order: benches draw only the
frames that they judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codec.picture import Picture
from receiver.crossfade import Changes, Offset, Weights, beyond, lay_over, scaled

Draw = Callable[[int, Any], Picture]  # a frame's place, and what to draw it from


@dataclass(frozen=True)
class Change:
    """A frame that is the first to be drawn from `new` in place of `old`, when `weight` of the change before was left
    to be seen."""

    place: int
    new: Any
    old: Any
    before: Change | None
    weight: float


class Fades:
    """Follows a playing frame by frame."""

    def __init__(self) -> None:
        self._changes = Changes()
        self._weights = Weights()
        self._newest: Change | None = None

    def next(self, place: int, slot: int, sources: Mapping[int, Any]) -> tuple[Change | None, float]:
        """Take the slot that the next frame names, and what the slots hold; return the change that is still to be seen
        in it, if there is one, and how much of it."""
        old = self._changes.next(slot)
        if old is not None and self._changes.begins:
            weight = self._weights.now
            before = self._newest if weight else None
            self._newest = Change(place, sources[slot], sources[old], before, weight)
            self._weights.begin()
        weight = self._weights.next()
        return (self._newest, weight) if weight else (None, 0.0)


def draw_faded(draw: Draw, place: int, source: Any, change: Change | None, weight: float) -> Picture:
    """Return what the receiver shows of a frame."""
    picture = draw(place, source)
    return picture if change is None else lay_over(picture, _offset(draw, place, change), weight)


def _offset(draw: Draw, place: int, change: Change) -> Offset:
    rest = None
    if change.before is not None:
        rest = scaled(_offset(draw, change.place, change.before), change.weight)
    return beyond(draw(place, change.old), draw(place, change.new), rest)
