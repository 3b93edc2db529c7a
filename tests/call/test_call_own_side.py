"""What a person's wishes do to the parts of this side, without a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from call.keeper import Keeper
from call.own_side import NOTHING_RECORDED, OwnSide
from call.sound_share import CONTROL_BPS, FIRST_SHARE, START_BPS
from call.state import CallState
from sender.rate import ENOUGH_BPS, HEADROOM


class Sound:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.fitted: list[float | None] = []
        self.muted = False
        self.loses = True
        self.cost_bps = 20_000.0
        self.packet_s = 0.06

    def mute(self, on: bool) -> None:
        self.muted = on

    def fit(self, total_bps: float | None) -> None:
        self.fitted.append(total_bps)


class Recorder:
    """Records nothing, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.running = False
        self.saved: str | None = "call.mp4"

    def start(self) -> str:
        if self.error is not None:
            raise self.error
        self.running = True
        return "call.mp4"

    def stop(self, on_ended: Callable[[str | None], None]) -> None:
        self.running = False
        on_ended(self.saved)


def make_own(rate: Any = None) -> tuple[OwnSide, Keeper, SimpleNamespace]:
    keeper = Keeper(CallState("connected", ""), on_state=None, on_notice=None, asks=False)
    limits: list[float | None] = []
    kept: list[float] = []
    rides: list[float | None] = []

    def beside(beside_bps: float, *, ride_s: float | None) -> None:
        kept.append(beside_bps)
        rides.append(ride_s)

    sender = SimpleNamespace(
        stats=SimpleNamespace(rate=rate),
        limit=limits.append,
        limits=limits,
        beside=beside,
        kept=kept,
        rides=rides,
    )
    duplex = SimpleNamespace(sender=sender, line=SimpleNamespace(limit_bps=None), may_ride=False)
    return OwnSide(keeper, duplex, on_change=lambda: None), keeper, duplex  # type: ignore[arg-type]


async def test_a_limit_holds_for_all_that_is_sent_and_motion_leaves_sound_its_share() -> None:
    own, keeper, duplex = make_own(SimpleNamespace(believed_bps=200_000.0))
    own.sound = sound = Sound()  # type: ignore[assignment]
    own.limit(40.0)
    assert keeper.state.limit_kbps == 40.0
    assert duplex.line.limit_bps == 40_000
    assert duplex.sender.limits == [40_000]
    assert sound.fitted == [40_000]
    assert duplex.sender.kept == [sound.cost_bps + CONTROL_BPS]
    own.limit(44.0)
    assert sound.fitted == [40_000], "a change that is hardly worth it would be heard"
    own.limit(None)
    assert sound.fitted == [40_000, HEADROOM * 200_000]
    assert duplex.line.limit_bps is duplex.sender.limits[-1] is None


async def test_sound_begins_small_so_that_the_first_picture_gets_through() -> None:
    own, _, duplex = make_own()
    own.sound = sound = Sound()  # type: ignore[assignment]
    own.fit_sound()
    assert sound.fitted == [FIRST_SHARE * START_BPS]
    duplex.sender.stats.rate = SimpleNamespace(believed_bps=90_000.0)
    own.fit_sound()
    assert sound.fitted == [FIRST_SHARE * START_BPS, ENOUGH_BPS]


async def test_sound_is_chosen_anew_where_losses_begin_or_end() -> None:
    own, _, duplex = make_own(SimpleNamespace(believed_bps=60_000.0))
    own.sound = sound = Sound()  # type: ignore[assignment]
    own.fit_sound()
    own.fit_sound()
    assert sound.fitted == [ENOUGH_BPS]
    sound.loses, sound.cost_bps = False, 12_000.0
    own.fit_sound()
    assert sound.fitted == [ENOUGH_BPS, ENOUGH_BPS]
    assert duplex.sender.kept[-1] == 12_000 + CONTROL_BPS


async def test_motion_may_ride_in_the_packets_of_sound_where_the_other_side_takes_it_there() -> None:
    own, _, duplex = make_own(SimpleNamespace(believed_bps=60_000.0))
    own.sound = Sound()  # type: ignore[assignment]
    own.fit_sound()
    duplex.may_ride = True
    own.fit_sound()
    assert duplex.sender.rides == [None, 0.06]


async def test_mute_and_record_reach_their_parts_and_the_state() -> None:
    own, keeper, _ = make_own()
    own.sound, own.recorder = sound, recorder = Sound(), Recorder()  # type: ignore[assignment]
    own.mute(True)
    own.record(True)
    own.record(True)
    assert (sound.muted, recorder.running) == (True, True)
    assert (keeper.state.muted, keeper.state.recording) == (True, "call.mp4")
    own.record(False)
    assert not recorder.running
    await asyncio.sleep(0)
    assert keeper.state.recording is None
    assert keeper.state.notices == ("Saved: call.mp4",)
    recorder.saved = None
    own.record(True)
    own.record(False)
    await asyncio.sleep(0)
    assert keeper.state.notices[1:] == (NOTHING_RECORDED,)
    own.recorder = Recorder(OSError(28, "No space left on device", "call.mp4"))
    own.record(True)
    assert keeper.state.recording is None


async def test_a_camera_that_cannot_be_had_again_is_told_of_and_may_be_tried_once_more() -> None:
    own, keeper, duplex = make_own()
    paused: list[bool] = []

    def pause(on: bool, *, on_failed: Callable[[str], None]) -> None:
        paused.append(on)
        if not on and len(paused) < 3:
            asyncio.get_running_loop().call_soon(on_failed, "The camera is in use by another program.")

    duplex.sender.pause = pause
    for wanted, is_on in ((False, False), (True, False), (True, True)):
        own.camera(wanted)
        await asyncio.sleep(0)
        assert keeper.state.camera_on == is_on
    await asyncio.sleep(0)
    assert keeper.state.notices == ("The camera is in use by another program.",)
