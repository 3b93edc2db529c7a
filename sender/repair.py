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
Faults = Callable[[Floats], float]  # how faulty cells [16, 16] are: from 1 on something is wrong

# A fault over 3 x 3 cells, and one spread over all, as when the light changes. Of frames of 22 strangers with nothing
# before the face one in twenty reaches them: heads that have moved far from their picture, where a new one helps too.
LOCAL, LOCAL_CELLS = 1.0, 3
SPREAD = 0.27
FAULTY, CALM = 1.0, 0.7  # of these; in between things stay as they are
# Where a call has been calmer than that, less is a fault already: RESTLESS times what its calm looks lately reached,
# and LEAST at least. Of 132 objects over a tenth of the picture 92 in a hundred are seen so, 87 without it.
RESTLESS, LEAST = 2.5, 0.6
FIRST_RESTLESS = 0.4  # before anything is known of the call
SETTLING = 0.9  # of it stays from look to look
CONFIRMED = 2  # faulty looks until something is done
# What stays between calm and faulty is a fault too, once what it has been above calm adds up to so much: three looks
# that nearly were. It is hardly learned from meanwhile: an object that is a little less than a fault would be usual
# within seconds. Four of 66 objects over a tenth of the picture were never noticed so; all are now.
UNEASY = 0.5
LINGERING = 0.03  # of the way to what such a look saw
MOST_RESIDUALS = 2  # in a row: nothing is predicted from pixels for long
MOST_PICTURES = 2  # in a row that did not help, before the user is told and the call gets used to it
SAME = 0.5  # of the cells at fault, that were so before: less is another fault
LEARNING = 0.15  # of the way to what a calm look saw
USED_TO = 0.5  # the same after the user was told
RESIDUAL_SHARE = 0.25  # of the cells; a fault over more is a new picture's business


@dataclass(frozen=True)
class RepairState:
    """What is remembered from look to look. usual: the cells' distances in calm times; calm: the same before the user
    was told and the call got used to others, until it is as calm again. restless: what the faults of calm looks lately
    reached. repaired: the cells, bool [16, 16], that something was last done about."""

    usual: Floats | None = None
    calm: Floats | None = None
    restless: float = FIRST_RESTLESS
    unease: float = 0.0  # what looks between calm and faulty were above calm
    stirred: float = 0.0  # what the faults of these reached, since the last calm one
    faulty: int = 0  # looks in a row
    residuals: int = 0  # in a row, since the last picture or calm
    pictures: int = 0  # in a row that did not help
    repaired: np.ndarray | None = None
    told: bool = False

    @property
    def least(self) -> float:
        """From what on, of `fault_of`, something is wrong in this call."""
        return min(max(RESTLESS * self.restless, LEAST), 1.0)

    def fault(self, cells: Floats) -> float:
        """Return how faulty a redrawn picture's cells are in this call, of which the usual ones are known: from 1 on
        something is wrong."""
        assert self.usual is not None, "a first look comes before"
        return fault_of(cells, self.usual) / self.least


@dataclass(frozen=True)
class Finding:
    """What a look says. fault: 1 and more is faulty, by what this call's calm looks reach. where: the cells at fault,
    bool [16, 16]."""

    action: Action
    fault: float
    where: np.ndarray


def fault_of(cells: Floats, usual: Floats) -> float:
    """Return how faulty a redrawn picture's cells are against the usual ones: 0 is as usual, from 1 on something is
    wrong, whatever the call."""
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
        state = RepairState(usual=state.calm, restless=state.restless)  # what the call got used to is over
    usual = state.usual
    assert usual is not None, "it was not None, nor was what took its place"
    fault = state.fault(cells)
    where = cells - usual > LOCAL / 2
    mended = state.repaired is not None and not _is_another(where, state.repaired)
    unease = 0.0 if mended else max(0.0, state.unease + min(fault, FAULTY) - CALM)
    if fault < CALM:
        usual = _towards(usual, cells, LEARNING)
        # What passes by itself is how the call is; what something was done about is not.
        restless = max(fault * state.least, state.stirred, SETTLING * state.restless)
        return RepairState(usual, state.calm, restless, unease), Finding("none", fault, where)
    lasting = unease >= UNEASY
    if fault < FAULTY and not state.faulty and not lasting:
        usual = _towards(usual, cells, LEARNING if mended else LINGERING)
        stirred = max(state.stirred, fault * state.least)
        state = replace(state, usual=usual, unease=unease, stirred=stirred, pictures=0)
        return state, Finding("none", fault, where)
    state = replace(state, unease=unease)
    if waiting:
        return replace(state, faulty=0), Finding("none", fault, where)
    if fault >= FAULTY and _is_another(where, state.repaired):
        state = replace(state, faulty=0, residuals=0, pictures=0, repaired=None, told=False)
    if state.told:  # nothing helped: it is how things are now
        usual = _towards(usual, cells, USED_TO)
        return replace(state, usual=usual), Finding("none", fault, where)
    if fault < FAULTY and not lasting:  # what was brought did help
        return replace(state, pictures=0), Finding("none", fault, where)
    state = replace(state, faulty=state.faulty + 1)
    if state.faulty < confirmed and not lasting:
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
        unease=0.0,
        stirred=0.0,
        faulty=state.faulty if told else 0,  # what is drawn from another picture has to be confirmed anew
        residuals=state.residuals + 1 if residual else 0,
        pictures=state.pictures + picture,
        repaired=where,
        told=told,
    )
