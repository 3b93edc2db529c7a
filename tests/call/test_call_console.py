"""The tables that a command prints."""

from __future__ import annotations

import pytest

from call import called, console, loopback_figures, receive, send

FIGURES = {"seconds": 12.5, "fps_sent": 25.0, "latency_ms": None, "frames_late": 3, "longest_outage_s": None}
WHY = {"latency_ms": "no picture was shown", "longest_outage_s": "the line was never lost"}


def printed(capsys: pytest.CaptureFixture[str], names: tuple[str, ...] | None) -> str:
    console.print_figures("Call", {**FIGURES, "why": WHY}, names)
    return capsys.readouterr().out


def test_a_short_table_has_the_figures_that_are_wanted_and_says_where_the_others_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, ("fps_sent", "latency_ms"))
    assert text.index("fps_sent") < text.index("latency_ms")
    assert "no picture was shown" in text
    assert "--verbose, or --json" in text
    for left_out in ("frames_late", "longest_outage_s", "never lost", "seconds"):
        assert left_out not in text


def test_the_whole_table_has_everything_with_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, None)
    assert all(name in text for name in FIGURES)
    assert all(why in text for why in WHY.values())
    assert "--json" not in text


@pytest.mark.parametrize("names", [each.IN_SHORT for each in (called, loopback_figures, receive, send)])
def test_what_is_printed_of_a_call_fits_on_a_screen(names: tuple[str, ...]) -> None:
    assert len(set(names)) == len(names) <= 14
