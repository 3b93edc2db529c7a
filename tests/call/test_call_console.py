"""The tables that a command prints."""

from __future__ import annotations

import errno
import io
import sys

import pytest

from call import called, console, loopback_figures, receive, send

FIGURES = {"seconds": 12.5, "fps_sent": 25.0, "latency_ms": None, "frames_late": 3, "longest_outage_s": None}
WHY = {"latency_ms": "no picture was shown", "longest_outage_s": "the line was never lost"}


def printed(capsys: pytest.CaptureFixture[str], names: tuple[str, ...] | None) -> str:
    console.print_figures("Call", {**FIGURES, "why": WHY}, names, words=called.IN_SHORT)
    return capsys.readouterr().out


def test_a_short_table_has_the_figures_that_are_wanted_and_says_where_the_others_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, ("fps_sent", "latency_ms"))
    assert text.index("frames a second, sent") < text.index("latency")
    assert "no picture was shown" in text
    assert "--verbose, or --json" in text
    for left_out in ("frames late", "longest outage", "never lost", "duration"):
        assert left_out not in text


def test_the_whole_table_has_everything_with_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, None)
    names = ("duration", "frames a second, sent", "latency", "frames late", "longest outage")
    assert all(name in text for name in names)
    assert all(why in text for why in WHY.values())
    assert "--json" not in text


def test_figures_are_told_in_words_and_with_their_units(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"frames_in": 500, "fresh_share": 0.332, "latency_ms_p50": 54.0, "peak_kbps_back": 4.6}
    console.print_figures("Loopback", figures, words=loopback_figures.IN_SHORT)
    rows = [[cell.strip() for cell in line.split("│")[1:3]] for line in capsys.readouterr().out.splitlines()]
    assert [row for row in rows if row] == [
        ["frames captured", "500"],
        ["share shown fresh", "33.2 %"],
        ["latency, median", "54.0 ms"],
        ["peak back", "4.60 kbit/s"],  # nobody has words of its own for it
    ]


@pytest.mark.parametrize("words", [each.IN_SHORT for each in (called, loopback_figures, receive, send)])
def test_what_is_printed_of_a_call_fits_on_a_screen(words: dict[str, tuple[str, str]]) -> None:
    assert len(set(words.values())) == len(words) <= 14


@pytest.mark.parametrize("fault", [BrokenPipeError(errno.EPIPE, "gone"), OSError(errno.EIO, "gone")])
def test_a_notice_that_cannot_be_printed_ends_nothing_and_comes_with_the_next(
    fault: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise fault

    monkeypatch.setattr(sys, "stderr", Closed())
    console.say("The line is lost.")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    console.say("The line is back.")
    assert sys.stderr.getvalue() == "The line is lost.\nThe line is back.\n"
