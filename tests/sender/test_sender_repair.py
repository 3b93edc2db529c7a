"""When a picture is repaired, and how."""

from collections.abc import Iterable

import numpy as np
import pytest

from sender.distance import CELLS
from sender.repair import (
    LOCAL,
    MOST_PICTURES,
    MOST_RESIDUALS,
    SPREAD,
    Finding,
    RepairState,
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
    state: RepairState, what: Iterable[np.ndarray], *, from_s: float = 0.0, residual: int | None = None
) -> tuple[RepairState, list[Finding]]:
    findings = []
    for index, cells in enumerate(what):
        state, finding = judge(
            state,
            cells,
            at_s=from_s + index / 2,
            picture_bytes=PICTURE_BYTES,
            residual_bytes=lambda where: residual,
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
    assert actions(looks(used, [with_object()] * 2, from_s=5)[1]) == ["none", "picture"]


def test_a_single_bad_look_sets_nothing_off(used: RepairState) -> None:
    flicker = [with_object(), CALM] * 5
    assert set(actions(looks(used, flicker, from_s=5)[1])) == {"none"}


def test_another_light_is_a_fault_though_no_part_stands_out(used: RepairState) -> None:
    darker = CALM + np.float32(1.2 * SPREAD)
    assert fault_of(darker, CALM) > 1
    assert "picture" in actions(looks(used, [darker] * 2, from_s=5)[1])


def test_what_is_never_drawn_well_is_no_fault() -> None:
    hair = with_object()
    assert set(actions(looks(RepairState(), [hair] * 10)[1])) == {"none"}


def test_a_slow_change_becomes_usual(used: RepairState) -> None:
    growing = [with_object(1.4 * LOCAL * index / 60) for index in range(60)]
    assert set(actions(looks(used, growing, from_s=5)[1])) == {"none"}


def test_the_cheaper_repair_wins(used: RepairState) -> None:
    assert actions(looks(used, [with_object()] * 2, from_s=5, residual=800)[1])[-1] == "residual"
    assert actions(looks(used, [with_object()] * 2, from_s=5, residual=3500)[1])[-1] == "picture"


def test_a_fault_over_all_of_the_picture_is_not_for_a_residual(used: RepairState) -> None:
    everything = CALM + np.float32(2 * LOCAL)
    assert actions(looks(used, [everything] * 2, from_s=5, residual=800)[1])[-1] == "picture"


def test_a_real_picture_follows_two_residuals_in_a_row(used: RepairState) -> None:
    done = actions(looks(used, [with_object()] * 16, from_s=5, residual=800)[1])
    repairs = [action for action in done if action != "none"]
    assert repairs[: MOST_RESIDUALS + 1] == ["residual"] * MOST_RESIDUALS + ["picture"]


def test_where_pictures_do_not_help_the_user_is_told_once_and_the_call_gets_used_to_it(
    used: RepairState,
) -> None:
    state, findings = looks(used, [with_object()] * 40, from_s=5)
    done = [action for action in actions(findings) if action != "none"]
    assert done == ["picture"] * MOST_PICTURES + ["tell"]
    assert findings[-1].fault < 0.7
    assert not state.told  # it would say so of a new fault
    elsewhere = np.roll(with_object(), 5, axis=0)
    assert "picture" in actions(looks(state, [elsewhere] * 2, from_s=60)[1])


def test_a_repair_has_time_to_show(used: RepairState) -> None:
    state, findings = looks(used, [with_object()] * 2, from_s=5)
    assert findings[-1].action == "picture"
    assert looks(state, [with_object()], from_s=6)[1][0].action == "none"
    assert looks(state, [with_object()], from_s=6.6)[1][0].action == "picture"


def test_after_calm_everything_may_be_tried_again(used: RepairState) -> None:
    state = looks(used, [with_object()] * 12, from_s=5, residual=800)[0]
    state = looks(state, [CALM] * 2, from_s=20)[0]
    assert actions(looks(state, [with_object()] * 2, from_s=30, residual=800)[1])[-1] == "residual"


def test_the_cells_at_fault_are_named(used: RepairState) -> None:
    finding = looks(used, [with_object()] * 2, from_s=5)[1][-1]
    assert finding.where[6:10, 6:10].all()
    assert finding.where.sum() == 16
