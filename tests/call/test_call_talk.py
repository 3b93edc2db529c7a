"""What a person's wishes do to the parts of a call, without a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from call.keeper import Keeper
from call.sound_share import CONTROL_BPS, FIRST_SHARE, START_BPS
from call.state import CallState
from call.talk import (
    PICTURE_COMES,
    PICTURE_STAYS,
    REPAIR_ASKED,
    THEY_RECORD,
    THEY_STOPPED,
    Talk,
)
from codec.conversation import Condition, Kind, Wish
from sender.rate import ENOUGH_BPS, HEADROOM


class Sound:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.fitted: list[float | None] = []
        self.muted = False
        self.loses = True
        self.cost_bps = 20_000.0

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

    def stop(self, on_saved: Callable[[str], None]) -> None:
        self.running = False
        on_saved("call.mp4")


def make_talk(rate: Any = None) -> tuple[Talk, Keeper, SimpleNamespace]:
    keeper = Keeper(CallState("connected", ""), on_state=None, on_notice=None, asks=False)
    limits: list[float | None] = []
    kept: list[float] = []
    sender = SimpleNamespace(
        stats=SimpleNamespace(rate=rate), limit=limits.append, limits=limits, beside=kept.append, kept=kept
    )
    duplex = SimpleNamespace(sender=sender, line=SimpleNamespace(limit_bps=None))
    return Talk(keeper, duplex, foreign=False, on_fault=lambda error: None), keeper, duplex  # type: ignore[arg-type]


async def test_a_limit_holds_for_all_that_is_sent_and_motion_leaves_sound_its_share() -> None:
    talk, keeper, duplex = make_talk(SimpleNamespace(believed_bps=200_000.0))
    talk.sound = sound = Sound()  # type: ignore[assignment]
    talk.limit(40.0)
    assert keeper.state.limit_kbps == 40.0
    assert duplex.line.limit_bps == 40_000
    assert duplex.sender.limits == [40_000]
    assert sound.fitted == [40_000]
    assert duplex.sender.kept == [sound.cost_bps + CONTROL_BPS]
    talk.limit(44.0)
    assert sound.fitted == [40_000], "a change that is hardly worth it would be heard"
    talk.limit(None)
    assert sound.fitted == [40_000, HEADROOM * 200_000]
    assert duplex.line.limit_bps is duplex.sender.limits[-1] is None


async def test_sound_begins_small_so_that_the_first_picture_gets_through() -> None:
    talk, _, duplex = make_talk()
    talk.sound = sound = Sound()  # type: ignore[assignment]
    talk._fit_sound()
    assert sound.fitted == [FIRST_SHARE * START_BPS]
    duplex.sender.stats.rate = SimpleNamespace(believed_bps=90_000.0)
    talk._fit_sound()
    assert sound.fitted == [FIRST_SHARE * START_BPS, ENOUGH_BPS]


async def test_sound_is_chosen_anew_where_losses_begin_or_end() -> None:
    talk, _, duplex = make_talk(SimpleNamespace(believed_bps=60_000.0))
    talk.sound = sound = Sound()  # type: ignore[assignment]
    talk._fit_sound()
    talk._fit_sound()
    assert sound.fitted == [ENOUGH_BPS]
    sound.loses, sound.cost_bps = False, 12_000.0
    talk._fit_sound()
    assert sound.fitted == [ENOUGH_BPS, ENOUGH_BPS]
    assert duplex.sender.kept[-1] == 12_000 + CONTROL_BPS


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
    await asyncio.sleep(0)
    assert keeper.state.recording is None
    assert keeper.state.notices == ("Saved: call.mp4",)
    talk.recorder = Recorder(OSError(28, "No space left on device", "call.mp4"))
    talk.record(True)
    assert keeper.state.recording is None


async def test_a_camera_that_cannot_be_had_again_is_told_of_and_may_be_tried_once_more() -> None:
    talk, keeper, duplex = make_talk()
    paused: list[bool] = []

    def pause(on: bool, *, on_failed: Callable[[str], None]) -> None:
        paused.append(on)
        if not on and len(paused) < 3:
            asyncio.get_running_loop().call_soon(on_failed, "The camera is in use by another program.")

    duplex.sender.pause = pause
    for wanted, is_on in ((False, False), (True, False), (True, True)):
        talk.camera(wanted)
        await asyncio.sleep(0)
        assert keeper.state.camera_on == is_on
    await asyncio.sleep(0)
    assert keeper.state.notices == ("The camera is in use by another program.",)


async def test_who_asks_for_a_repair_or_a_new_picture_gets_an_answer() -> None:
    talk, keeper, duplex = make_talk()
    talk.repair()
    for renews in (True, False):
        duplex.sender.renew_source = lambda renews=renews: renews
        talk.new_source()
    await asyncio.sleep(0)
    assert keeper.state.notices == (REPAIR_ASKED, PICTURE_COMES, PICTURE_STAYS)


async def test_the_other_sides_recording_stays_in_the_state_and_is_told_at_its_begin_and_end() -> None:
    talk, keeper, duplex = make_talk()
    duplex.receiver = SimpleNamespace(idle=lambda on: None)
    for conditions in (Condition.RECORDING, Condition.RECORDING | Condition.MUTED):
        talk.take_conditions(conditions)
        assert keeper.state.their_recording
    talk.take_conditions(0)
    await asyncio.sleep(0)
    assert not keeper.state.their_recording
    assert keeper.state.notices == (THEY_RECORD, THEY_STOPPED)


async def test_a_repair_that_the_other_side_wishes_for_is_the_mirrors_business_and_a_picture_another() -> (
    None
):
    talk, _, duplex = make_talk()
    asked: list[str] = []
    duplex.sender.repair = lambda on_vain: asked.append("repair")
    duplex.sender.renew_source = lambda: asked.append("picture")
    for kind in (Kind.REPAIR, Kind.NEW_PICTURE):
        talk.take(Wish(kind), b"")
    assert asked == ["repair", "picture"]
