"""What a person's wishes do to the parts of a call, without a call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from call.keeper import Keeper
from call.state import CallState
from call.talk import FIRST_SHARE, SOUND_SHARE, START_BPS, Talk


class Sound:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.fitted: list[float | None] = []
        self.muted = False

    def mute(self, on: bool) -> None:
        self.muted = on

    def fit(self, total_bps: float | None) -> None:
        self.fitted.append(total_bps)


class Recorder:
    """Records nothing, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.running = False

    def start(self) -> str:
        if self.error is not None:
            raise self.error
        self.running = True
        return "call.mp4"

    def stop(self) -> None:
        self.running = False


def make_talk(rate: Any = None) -> tuple[Talk, Keeper, SimpleNamespace]:
    keeper = Keeper(CallState("connected", ""), on_state=None, on_notice=None, asks=False)
    limits: list[float | None] = []
    sender = SimpleNamespace(stats=SimpleNamespace(rate=rate), limit=limits.append, limits=limits)
    duplex = SimpleNamespace(sender=sender, line=SimpleNamespace(limit_bps=None))
    return Talk(keeper, duplex, foreign=False, on_fault=lambda error: None), keeper, duplex  # type: ignore[arg-type]


async def test_a_limit_is_shared_between_sound_and_motion_and_holds_for_the_line_as_a_whole() -> None:
    talk, keeper, duplex = make_talk(SimpleNamespace(believed_bps=200_000.0))
    talk.sound = sound = Sound()  # type: ignore[assignment]
    talk.limit(40.0)
    assert keeper.state.limit_kbps == 40.0
    assert duplex.line.limit_bps == 40_000
    assert duplex.sender.limits == [pytest.approx(40_000 * (1 - SOUND_SHARE))]
    assert sound.fitted == [40_000]
    talk.limit(44.0)
    assert sound.fitted == [40_000], "a change that is hardly worth it would be heard"
    talk.limit(None)
    assert sound.fitted == [40_000, 200_000]
    assert duplex.line.limit_bps is duplex.sender.limits[-1] is None


async def test_sound_begins_small_so_that_the_first_picture_gets_through() -> None:
    talk, _, duplex = make_talk()
    talk.sound = sound = Sound()  # type: ignore[assignment]
    talk._fit_sound()
    assert sound.fitted == [FIRST_SHARE * START_BPS]
    duplex.sender.stats.rate = SimpleNamespace(believed_bps=90_000.0)
    talk._fit_sound()
    assert sound.fitted == [FIRST_SHARE * START_BPS, 90_000]


async def test_mute_and_record_reach_their_parts_and_the_state() -> None:
    talk, keeper, _ = make_talk()
    talk.sound, talk.recorder = sound, recorder = Sound(), Recorder()  # type: ignore[assignment]
    talk.mute(True)
    talk.record(True)
    talk.record(True)
    assert (sound.muted, recorder.running) == (True, True)
    assert (keeper.state.muted, keeper.state.recording) == (True, "call.mp4")
    talk.record(False)
    assert not recorder.running
    assert keeper.state.recording is None
    talk.recorder = Recorder(OSError(28, "No space left on device", "call.mp4"))
    talk.record(True)
    assert keeper.state.recording is None
