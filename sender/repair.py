"""What to do about a redrawn picture that is no longer good enough: nothing, a residual code, a new source picture, or
a word to the user. A pure function of a small state; it knows no networks, bytes or clocks.

A fault is what a cell is farther from the camera's picture than it usually is in this call: a person whose hair is
never drawn well has no fault there, a hand where there was a wall is one at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from sender.distance import Floats

Action = Literal["none", "residual", "picture", "tell"]

# A fault over 4 x 4 cells, a sixteenth of the picture, and one spread over all, as when the light changes. Of frames of
# 22 strangers with nothing before the face one in twenty reaches .47 and .11; somewhat more than that, since a head
# that moves far would set off a picture that helps little.
LOCAL, LOCAL_CELLS = 0.65, 4
SPREAD = 0.2
FAULTY, CALM = 1.0, 0.7  # of these; in between things stay as they are
CONFIRMED = 2  # faulty looks until something is done
MOST_RESIDUALS = 2  # in a row: nothing is predicted from pixels for long
MOST_PICTURES = 2  # in a row that did not help, before the user is told and the call gets used to it
SAME = 0.5  # of the cells at fault, that were so before: less is another fault
LEARNING = 0.15  # of the way to what a calm look saw
USED_TO = 0.5  # the same after the user was told
RESIDUAL_SHARE = 0.25  # of the cells; a fault over more is a new picture's business


@dataclass(frozen=True)
class RepairState:
    """What is remembered from look to look. usual: the cells' distances in calm times; calm: the same before the user
    was told and the call got used to others, until it is as calm again. repaired: the cells, bool [16, 16], that
    something was last done about."""

    usual: Floats | None = None
    calm: Floats | None = None
    faulty: int = 0  # looks in a row
    residuals: int = 0  # in a row, since the last picture or calm
    pictures: int = 0  # in a row that did not help
    repaired: np.ndarray | None = None
    told: bool = False


@dataclass(frozen=True)
class Finding:
    """What a look says. fault: 1 and more is faulty. where: the cells at fault, bool [16, 16]."""

    action: Action
    fault: float
    where: np.ndarray


def fault_of(cells: Floats, usual: Floats) -> float:
    """Return how faulty a redrawn picture's cells are against the usual ones: 0 is as usual, from 1 on something is
    wrong."""
    excess = np.maximum(cells - usual, 0)
    local = float(cv2.blur(excess, (LOCAL_CELLS, LOCAL_CELLS)).max()) / LOCAL
    return max(local, float(excess.mean()) / SPREAD)


def judge(
    state: RepairState,
    cells: Floats,
    *,
    waiting: bool = False,
    confirmed: int = CONFIRMED,
    picture_bytes: int,
    residual_bytes: Callable[[np.ndarray], int | None] = lambda where: None,
) -> tuple[RepairState, Finding]:
    """Take a look into account; return the new state and what to do now.

    Parameters
    ----------
    cells
        Distances of the redrawn picture's cells, [16, 16].
    waiting
        Whether a repair is on its way: a fault says nothing of it yet.
    confirmed
        How many faulty looks in a row it takes for something to be done.
    picture_bytes
        What a new source picture costs, about.
    residual_bytes
        Says what a residual code over these cells would cost; None: there is none. Asked only where one may help.
    """
    if state.usual is None:
        return replace(state, usual=cells), Finding("none", 0.0, np.zeros(cells.shape, bool))
    if state.calm is not None and fault_of(cells, state.calm) < CALM:
        state = RepairState(usual=state.calm)  # what the call got used to is over
    usual = state.usual
    assert usual is not None, "it was not None, nor was what took its place"
    fault = fault_of(cells, usual)
    where = cells - usual > LOCAL / 2
    if fault < FAULTY and (fault < CALM or not state.faulty):
        usual = _towards(usual, cells, LEARNING)
        state = RepairState(calm=state.calm) if fault < CALM else replace(state, pictures=0)
        return replace(state, usual=usual), Finding("none", fault, where)
    if waiting:
        return replace(state, faulty=0), Finding("none", fault, where)
    if fault >= FAULTY and _is_another(where, state.repaired):
        state = replace(state, faulty=0, residuals=0, pictures=0, repaired=None, told=False)
    if state.told:  # nothing helped: it is how things are now
        usual = _towards(usual, cells, USED_TO)
        return replace(state, usual=usual), Finding("none", fault, where)
    if fault < FAULTY:  # what was brought did help
        return replace(state, pictures=0), Finding("none", fault, where)
    state = replace(state, faulty=state.faulty + 1)
    if state.faulty < confirmed:
        return state, Finding("none", fault, where)
    action: Action = "picture"
    if state.pictures >= MOST_PICTURES:
        action = "tell"
    elif state.residuals < MOST_RESIDUALS and where.mean() <= RESIDUAL_SHARE:
        cost = residual_bytes(where)
        if cost is not None and cost < picture_bytes:
            action = "residual"
    return _done(state, action, where), Finding(action, fault, where)


def doubt(state: RepairState) -> RepairState:
    """Believe less in what was calm before the user was told, since nothing helps to have it back."""
    if state.calm is None or state.usual is None:
        return state
    return replace(state, calm=_towards(state.calm, state.usual, LEARNING))


def _is_another(where: np.ndarray, repaired: np.ndarray | None) -> bool:
    """Say whether the cells at fault, bool [16, 16], are mostly others than those that something was done about."""
    return repaired is not None and int((where & repaired).sum()) < SAME * int(where.sum())


def _towards(usual: Floats, cells: Floats, share: float) -> Floats:
    return np.asarray(usual + np.float32(share) * (cells - usual), np.float32)


def _done(state: RepairState, action: Action, where: np.ndarray) -> RepairState:
    residual, picture, told = (action == name for name in ("residual", "picture", "tell"))
    return replace(
        state,
        calm=state.usual if told and state.calm is None else state.calm,
        faulty=state.faulty if told else 0,  # what is drawn from another picture has to be confirmed anew
        residuals=state.residuals + 1 if residual else 0,
        pictures=state.pictures + picture,
        repaired=where,
        told=told,
    )
