"""What a call's figures say, from counters that are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import call.figures
from call.figures import H264_BYTES_A_FRAME, LEAST_COMPARED_FPS, Gauge


def counted(*, shown: int, sent: int, received_bytes: int) -> Any:
    """The two ends of a call and its line, as far as they count."""
    return SimpleNamespace(
        line=SimpleNamespace(
            stats=lambda: SimpleNamespace(sent_bytes=0, received_bytes=received_bytes, round_trip_s=0.05)
        ),
        sender=SimpleNamespace(stats=SimpleNamespace(frames_sent=sent, no_face_frames=0)),
        receiver=SimpleNamespace(
            stats=lambda: SimpleNamespace(frames_fresh=shown, frames_interpolated=0, added_ms_p50=30.0)
        ),
    )


def test_h264_is_reckoned_for_the_pictures_that_are_shown_here(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 10.0
    monkeypatch.setattr(call.figures.time, "monotonic", lambda: now_s)
    gauge = Gauge()
    assert gauge.read(counted(shown=0, sent=0, received_bytes=0)) is None
    now_s = 12.0
    # Nothing is sent: the own camera is off.
    figures = gauge.read(counted(shown=40, sent=0, received_bytes=5_000))
    assert figures is not None
    assert figures.frames_per_s == 20
    assert figures.received_kbps == 20
    assert figures.h264_kbps == pytest.approx(H264_BYTES_A_FRAME * 8 * 20 / 1000)
    now_s = 14.0
    # A face that hardly moves is compared with nothing.
    figures = gauge.read(counted(shown=44, sent=0, received_bytes=5_500))
    assert figures is not None
    assert 0 < (figures.frames_per_s or 0) < LEAST_COMPARED_FPS
    assert figures.h264_kbps is None
    now_s = 16.0
    # And nothing is shown: the other one is.
    figures = gauge.read(counted(shown=44, sent=50, received_bytes=6_000))
    assert figures is not None
    assert figures.h264_kbps is None


def test_while_ordinary_video_comes_its_pictures_count_and_nothing_is_said_of_h264(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 10.0
    monkeypatch.setattr(call.figures.time, "monotonic", lambda: now_s)
    gauge = Gauge()
    assert gauge.read(counted(shown=0, sent=0, received_bytes=0), filmed=5) is None
    now_s = 12.0
    # The face that was drawn last comes to rest behind it.
    figures = gauge.read(counted(shown=40, sent=0, received_bytes=125_000), filmed=55)
    assert figures is not None
    assert (figures.frames_per_s, figures.received_kbps) == (25, 500)
    assert figures.h264_kbps is figures.latency_ms is None
    now_s = 14.0
    figures = gauge.read(counted(shown=90, sent=0, received_bytes=130_000), filmed=55)
    assert figures is not None
    assert figures.frames_per_s == 25
    assert figures.latency_ms is not None
