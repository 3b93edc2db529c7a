"""When a picture is repaired, and how."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from sender.distance import CELLS
from sender.repair import CALM as CALM_BELOW
from sender.repair import (
    FAULTY,
    LOCAL,
    MOST_PICTURES,
    MOST_RESIDUALS,
    SPREAD,
    Finding,
    RepairState,
    doubt,
    fault_of,
    judge,
)

CALM = np.full((CELLS, CELLS), 0.1, np.float32)
PICTURE_BYTES = 3000


def with_object(level: float = 1.5 * LOCAL) -> np.ndarray:
    cells = CALM.copy()
    cells[6:10, 6:10] += level
    return cells


def looks(
    state: RepairState, what: Iterable[np.ndarray], *, residual: int | None = None, **settings: Any
) -> tuple[RepairState, list[Finding]]:
    findings = []
    for cells in what:
        state, finding = judge(
            state, cells, picture_bytes=PICTURE_BYTES, residual_bytes=lambda where: residual, **settings
        )
        findings.append(finding)
    return state, findings


def actions(findings: list[Finding]) -> list[str]:
    return [finding.action for finding in findings]


@pytest.fixture
def used() -> RepairState:
    """A call that knows what is usual."""
    return looks(RepairState(), [CALM] * 4)[0]


def test_a_calm_call_is_left_alone(used: RepairState) -> None:
    noisy = [CALM * (1 + 0.3 * np.sin(index)) for index in range(60)]
    assert set(actions(looks(used, noisy)[1])) == {"none"}


def test_an_object_is_repaired_when_a_second_look_confirms_it(used: RepairState) -> None:
    assert actions(looks(used, [with_object()] * 2)[1]) == ["none", "picture"]


def test_less_is_a_fault_where_a_call_has_been_calm_than_where_it_has_not(used: RepairState) -> None:
    small = with_object(0.75 * LOCAL)
    moving = [CALM, with_object(0.6 * LOCAL)] * 4
    calm, restless = looks(used, [CALM] * 8)[0], looks(used, moving)[0]
    assert actions(looks(calm, [small] * 2)[1])[-1] == "picture"
    assert set(actions(looks(restless, [small] * 2)[1])) == {"none"}
    assert actions(looks(restless, [with_object()] * 2)[1])[-1] == "picture"


def test_what_is_a_little_less_than_a_fault_and_stays_is_repaired_once(used: RepairState) -> None:
    nearly = with_object(0.65 * LOCAL)
    assert CALM_BELOW < used.fault(nearly) < FAULTY
    done = actions(looks(used, [nearly] * 40)[1])
    assert done.index("picture") < 6
    assert done.count("picture") == 1  # it was no better for it: the call gets used to it
    assert "tell" not in done


def test_what_is_a_little_less_than_a_fault_and_passes_is_how_the_call_is(used: RepairState) -> None:
    nearly = with_object(0.65 * LOCAL)
    state, findings = looks(used, [nearly, CALM] * 20)
    assert set(actions(findings)) == {"none"}
    assert state.fault(nearly) < used.fault(nearly)


def test_a_single_bad_look_sets_nothing_off(used: RepairState) -> None:
    flicker = [with_object(), CALM] * 5
    assert set(actions(looks(used, flicker)[1])) == {"none"}


def test_another_light_is_a_fault_though_no_part_stands_out(used: RepairState) -> None:
    darker = CALM + np.float32(1.2 * SPREAD)
    assert fault_of(darker, CALM) > 1
    assert "picture" in actions(looks(used, [darker] * 2)[1])


def test_what_is_never_drawn_well_is_no_fault() -> None:
    hair = with_object()
    assert set(actions(looks(RepairState(), [hair] * 10)[1])) == {"none"}


def test_a_slow_change_becomes_usual(used: RepairState) -> None:
    growing = [with_object(1.4 * LOCAL * index / 60) for index in range(60)]
    assert set(actions(looks(used, growing)[1])) == {"none"}


def test_the_cheaper_repair_wins(used: RepairState) -> None:
    assert actions(looks(used, [with_object()] * 2, residual=800)[1])[-1] == "residual"
    assert actions(looks(used, [with_object()] * 2, residual=3500)[1])[-1] == "picture"


def test_a_fault_over_all_of_the_picture_is_not_for_a_residual(used: RepairState) -> None:
    everything = CALM + np.float32(2 * LOCAL)
    assert actions(looks(used, [everything] * 2, residual=800)[1])[-1] == "picture"


def test_a_real_picture_follows_two_residuals_in_a_row(used: RepairState) -> None:
    done = actions(looks(used, [with_object()] * 16, residual=800)[1])
    repairs = [action for action in done if action != "none"]
    assert repairs[: MOST_RESIDUALS + 1] == ["residual"] * MOST_RESIDUALS + ["picture"]


def test_where_pictures_do_not_help_the_user_is_told_once_and_the_call_gets_used_to_it(
    used: RepairState,
) -> None:
    state, findings = looks(used, [with_object()] * 40)
    done = [action for action in actions(findings) if action != "none"]
    assert done == ["picture"] * MOST_PICTURES + ["tell"]
    assert findings[-1].fault < 0.7
    assert not state.told  # it would say so of a new fault
    elsewhere = np.roll(with_object(), 5, axis=0)
    assert "picture" in actions(looks(state, [elsewhere] * 2)[1])


def test_a_fault_elsewhere_is_another_one_and_is_counted_anew(used: RepairState) -> None:
    places = [np.roll(with_object(), 5 * index, axis=0) for index in (0, 1, 0, 1, 0, 1)]
    done = actions(looks(used, [place for place in places for _ in range(2)])[1])
    assert done.count("picture") == len(places)
    assert "tell" not in done


def test_pictures_that_help_for_a_while_are_not_held_against_the_call(used: RepairState) -> None:
    helped = with_object(0.6 * LOCAL)
    done = actions(looks(used, [with_object(), with_object(), helped] * 5)[1])
    assert done.count("picture") >= 5
    assert "tell" not in done


def test_who_was_told_of_one_fault_gets_another_one_repaired_at_once(used: RepairState) -> None:
    state = looks(used, [with_object()] * 8)[0]
    assert state.told
    elsewhere = with_object() + np.roll(with_object(3 * LOCAL), 6, axis=1) - CALM
    assert "picture" in actions(looks(state, [elsewhere] * 2)[1])


def test_when_a_fault_that_the_call_got_used_to_is_over_it_is_a_fault_again(used: RepairState) -> None:
    state = looks(used, [with_object()] * 20)[0]
    assert state.calm is not None
    state = looks(state, [CALM])[0]
    assert actions(looks(state, [with_object()] * 2)[1])[-1] == "picture"


def test_what_was_calm_before_is_doubted_where_nothing_brings_it_back(used: RepairState) -> None:
    state = looks(used, [with_object()] * 20)[0]
    for _ in range(20):
        state = doubt(state)
    assert state.calm is not None
    assert fault_of(with_object(), state.calm) < 0.7
    assert doubt(used) is used


def test_a_repair_on_its_way_has_time_to_show(used: RepairState) -> None:
    state, findings = looks(used, [with_object()] * 2)
    assert findings[-1].action == "picture"
    state, findings = looks(state, [with_object()] * 10, waiting=True)
    assert set(actions(findings)) == {"none"}
    assert actions(looks(state, [with_object()] * 2)[1]) == ["none", "picture"]


def test_one_look_is_enough_where_the_caller_says_so(used: RepairState) -> None:
    assert actions(looks(used, [with_object()], confirmed=1)[1]) == ["picture"]


def test_after_calm_everything_may_be_tried_again(used: RepairState) -> None:
    state = looks(used, [with_object()] * 12, residual=800)[0]
    state = looks(state, [CALM] * 2)[0]
    assert actions(looks(state, [with_object()] * 2, residual=800)[1])[-1] == "residual"


def test_the_cells_at_fault_are_named(used: RepairState) -> None:
    finding = looks(used, [with_object()] * 2)[1][-1]
    assert finding.where[6:10, 6:10].all()
    assert finding.where.sum() == 16
