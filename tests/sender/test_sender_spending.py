"""What pictures may cost."""

from dataclasses import replace

from sender.spending import BUDGET_BYTES_PER_S, DEBT_BYTES, Spending
from tests.sender.held_fakes import source


def test_a_first_repair_is_finely_coded_on_credit_and_the_next_is_not() -> None:
    first = source()
    spending = Spending(first)
    spending.earn(0.0, bytes_per_s=BUDGET_BYTES_PER_S)
    assert spending.has_room
    spending.pay(replace(first, data=bytes(round(DEBT_BYTES * 0.6)), fine=True), "picture")
    assert spending.can_repair
    assert not spending.has_room


def test_a_first_repair_may_cost_more_than_the_credit() -> None:
    large = replace(source(), data=bytes(2 * round(DEBT_BYTES)), fine=True)
    spending = Spending(large)
    spending.earn(0.0, bytes_per_s=BUDGET_BYTES_PER_S)
    assert spending.has_room
    spending.pay(large, "picture")
    assert not spending.can_repair


def test_on_a_tight_line_no_repair_is_finely_coded() -> None:
    spending = Spending(source())
    spending.earn(0.0, bytes_per_s=BUDGET_BYTES_PER_S / 2)
    assert not spending.has_room
