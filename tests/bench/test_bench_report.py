"""What the benches say while they work."""

import io

import pytest
from rich.console import Console

from bench import report
from bench.errors import BenchError
from bench.statistics import summarise


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A log file in the place of the terminal."""
    file = io.StringIO()
    monkeypatch.setattr(report, "errors", Console(file=file))
    return file


def work(monkeypatch: pytest.MonkeyPatch, *, seconds_each: float, total: int) -> None:
    """Go through `total` clips, each of which takes so long."""
    now_s = [1000.0]
    monkeypatch.setattr("bench.report.time.monotonic", lambda: now_s[0])
    with report.progress(total, "measuring") as on_clip:
        for index in range(total):
            on_clip(f"clip-{index}")
            now_s[0] += seconds_each


def test_a_log_file_hears_now_and_then_how_far_it_is(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(monkeypatch, seconds_each=50, total=132)
    lines = log.getvalue().splitlines()
    assert lines[0] == "measuring: 2 of 132, 1 h 48 min left, clip-2"
    assert 60 <= len(lines) <= 66
    assert lines[-1] == "measuring: 130 of 132, 2 min left, clip-130"


def test_a_log_file_hears_nothing_of_what_is_done_in_a_moment(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(monkeypatch, seconds_each=0.2, total=20)
    assert log.getvalue() == ""


def test_what_is_left_is_told_by_what_took_time_and_not_by_what_was_kept(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("bench.report.time.monotonic", lambda: now_s[0])
    with report.progress(132, "measuring") as on_clip:
        for index in range(132):
            on_clip(f"clip-{index}")
            now_s[0] += 0.1 if index < 80 else 60.0
    lines = log.getvalue().splitlines()
    assert "measuring: 92 of 132, 40 min left, clip-92" in lines


def test_figures_that_are_missing_are_not_kept_in_a_profile() -> None:
    faceless = {"summary": summarise([]) | {"share_beaten": None}, "clips": []}
    with pytest.raises(BenchError, match="face_lpips_ratio could not be measured"):
        report.record_quality("laptop-256", faceless)
