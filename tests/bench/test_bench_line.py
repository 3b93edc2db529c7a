"""The rate controller against the simulated line, and the command that shows it."""

import json

import pytest
from typer.testing import CliRunner

from bench.__main__ import app
from bench.errors import BenchError
from bench.line import Step, parse_steps, run_line
from transport.impairment import Impairment

STEPS = [Step(0, 300_000), Step(10, 14_000), Step(40, 100_000)]
NARROWED = [Impairment(delay_s=0.05), Impairment(delay_s=0.1, jitter_s=0.02, loss=0.1)]


@pytest.mark.parametrize("impairment", NARROWED)
def test_the_queue_of_a_line_that_narrows_is_gone_soon(impairment: Impairment) -> None:
    settled_s = []
    for seed in range(9):  # which reports get lost decides over a second
        result = run_line(STEPS, seconds=16, impairment=impairment, seed=seed)
        settled_s += result["summary"]["settled_s"]
    assert sorted(settled_s)[4] < 4
    assert max(settled_s) < 5


@pytest.mark.parametrize("impairment", NARROWED)
def test_a_line_that_narrows_is_followed_and_used_again_when_it_widens(impairment: Impairment) -> None:
    result = run_line(STEPS, seconds=90, impairment=impairment)
    rows = {round(row["at_s"]): row for row in result["rows"]}
    assert rows[9]["bundle"] == 1
    narrow = [rows[at]["sent_kbps"] for at in range(15, 40)]
    assert 7 < sum(narrow) / len(narrow) < 14
    assert sum(rows[at]["queued_ms"] > 100 for at in range(15, 40)) <= 4
    assert rows[20]["bundle"] > 1
    assert rows[90]["believed_kbps"] > 30
    assert rows[90]["bundle"] == 1
    assert result["summary"]["changes"] < 25


def test_a_limit_is_kept_over_any_five_seconds() -> None:
    for limit_bps, loss in ((20_000, 0.0), (50_000, 0.2)):
        impairment = Impairment(loss=loss, burst=5.0 if loss else 1.0)
        result = run_line([Step(0, 300_000)], seconds=40, impairment=impairment, limit_bps=limit_bps)
        assert 0.5 * limit_bps < 1000 * result["summary"]["peak_kbps_forward"] <= 1.1 * limit_bps


@pytest.mark.parametrize(
    ("loss", "burst", "share", "gap_ms"), [(0.0, 1.0, 1.0, 60), (0.2, 1.0, 0.98, 250), (0.2, 5.0, 0.98, 250)]
)
def test_a_wide_line_that_loses_much_still_shows_a_face_that_moves(
    loss: float, burst: float, share: float, gap_ms: float
) -> None:
    impairment = Impairment(loss=loss, burst=burst, delay_s=0.02)
    result = run_line([Step(0, 1_000_000)], seconds=40, impairment=impairment)
    assert result["summary"]["shown_share"] >= share
    assert result["summary"]["longest_gap_ms"] < gap_ms
    assert all(row["frames_per_s"] == 25 for row in result["rows"])
    assert (max(row["copies"] for row in result["rows"]) > 1) == (loss > 0)


def test_a_run_can_be_repeated() -> None:
    impairment = Impairment(loss=0.2, burst=5, jitter_s=0.05)
    runs = [run_line(STEPS, seconds=20, impairment=impairment, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_steps_are_read_and_what_is_none_is_refused_by_name() -> None:
    assert parse_steps("0:300k,20:20k") == [Step(0, 300_000), Step(20, 20_000)]
    for text in ("", "5", "a:b", "0:10"):
        with pytest.raises(BenchError):
            parse_steps(text)
    with pytest.raises(BenchError, match="begins at 0"):
        run_line(parse_steps("3:50k"), seconds=5, impairment=Impairment())


def test_the_command_prints_a_row_a_second() -> None:
    result = CliRunner().invoke(app, ["line", "--seconds", "5", "--loss", "0.1", "--limit", "50k", "--json"])
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.output)["rows"]) == 5
    shown = CliRunner().invoke(app, ["line", "--seconds", "3"])
    assert "rate controller" in shown.output
