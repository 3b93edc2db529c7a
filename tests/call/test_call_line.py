"""The options of a bad line as they are typed, and a call over one."""

import json
from pathlib import Path

import pytest
import typer

from call.line import parse_duration, parse_outage, parse_rate
from tests.call.program import Visavis


def test_rates_and_times_are_read_in_their_units() -> None:
    assert [parse_rate(text) for text in ("50k", "1M", "20000", "1.5M")] == [50e3, 1e6, 20e3, 1.5e6]
    assert [parse_duration(text) for text in ("100ms", "2s", "0.1")] == pytest.approx([0.1, 2.0, 0.1])
    assert parse_outage("5s-7s") == (5.0, 7.0)


@pytest.mark.parametrize("text", ["", "k", "50kbit", "-5ms", "5 m s", "nan", "1e400"])
def test_what_is_no_rate_and_no_time_is_refused_by_name(text: str) -> None:
    for parse in (parse_rate, parse_duration, parse_outage):
        with pytest.raises(typer.BadParameter, match="write it as"):
            parse(text)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (("--loss", "0.9", "--burst", "2"), "bursts of 2"),
        (("--rate", "5"), "bit/s"),
        (("--outage", "7s-5s"), "an outage ends after"),
    ],
)
def test_a_line_that_cannot_be_is_wrong_usage(visavis: Visavis, line: tuple[str, ...], why: str) -> None:
    result = visavis("loopback", "clip.mp4", *line)
    assert result.returncode == 2
    assert why in result.stderr


def test_a_call_over_a_bad_line_still_shows_a_face(
    visavis: Visavis, profile_folder: Path, face_clip: Path
) -> None:
    result = visavis(
        "loopback",
        *(str(face_clip), "--crop", "full", "--source", "first", "--repeat", "3", "--no-quality", "--json"),
        *("--loss", "0.1", "--delay", "20ms", "--jitter", "10ms", "--rate", "200k"),
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["frames_fresh"] > 0
    assert 0 < figures["lost_share_forward"] < 0.3
    assert figures["wire_kbps_forward"] < 200
