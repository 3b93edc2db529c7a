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
SETTLE_S = 1.0  # for a repair to show
MOST_RESIDUALS = 2  # in a row: nothing is predicted from pixels for long
MOST_PICTURES = 2  # in a row, before the user is told and the call gets used to it
LEARNING = 0.15  # of the way to what a calm look saw
USED_TO = 0.5  # the same after the user was told
RESIDUAL_SHARE = 0.25  # of the cells; a fault over more is a new picture's business


@dataclass(frozen=True)
class RepairState:
    """What is remembered from look to look. usual: the cells' distances in calm times."""

    usual: Floats | None = None
    faulty: int = 0  # looks in a row
    repaired_s: float | None = None
    residuals: int = 0  # in a row, since the last picture or calm
    pictures: int = 0
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
    at_s: float,
    picture_bytes: int,
    residual_bytes: Callable[[np.ndarray], int | None] = lambda where: None,
) -> tuple[RepairState, Finding]:
    """Take a look into account; return the new state and what to do now.

    Parameters
    ----------
    cells
        Distances of the redrawn picture's cells, [16, 16].
    picture_bytes
        What a new source picture costs, about.
    residual_bytes
        Says what a residual code over these cells would cost; None: there is none. Asked only where one may help.
    """
    if state.usual is None:
        return replace(state, usual=cells), Finding("none", 0.0, np.zeros(cells.shape, bool))
    usual = state.usual
    fault = fault_of(cells, usual)
    where = cells - usual > LOCAL / 2
    if fault < FAULTY and (fault < CALM or not state.faulty):
        usual = _towards(usual, cells, LEARNING)
        if fault < CALM:
            state = RepairState(repaired_s=state.repaired_s)
        return replace(state, usual=usual), Finding("none", fault, where)
    state = replace(state, faulty=state.faulty + (fault >= FAULTY))
    if state.told:  # nothing helped: it is how things are now
        usual = _towards(usual, cells, USED_TO)
        return replace(state, usual=usual), Finding("none", fault, where)
    settling = state.repaired_s is not None and at_s - state.repaired_s < SETTLE_S
    if fault < FAULTY or state.faulty < CONFIRMED or settling:
        return state, Finding("none", fault, where)
    action: Action = "picture"
    if state.pictures >= MOST_PICTURES:
        action = "tell"
    elif state.residuals < MOST_RESIDUALS and where.mean() <= RESIDUAL_SHARE:
        cost = residual_bytes(where)
        if cost is not None and cost < picture_bytes:
            action = "residual"
    return _done(state, action, at_s), Finding(action, fault, where)


def _towards(usual: Floats, cells: Floats, share: float) -> Floats:
    return np.asarray(usual + np.float32(share) * (cells - usual), np.float32)


def _done(state: RepairState, action: Action, at_s: float) -> RepairState:
    residual, picture = action == "residual", action == "picture"
    return replace(
        state,
        repaired_s=at_s,
        residuals=state.residuals + 1 if residual else 0,
        pictures=state.pictures + picture,
        told=action == "tell",
    )
