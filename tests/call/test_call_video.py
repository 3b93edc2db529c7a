"""Ordinary video in a call: turned on and off in the middle of it, over the connection that there is."""

from __future__ import annotations

import asyncio
import math
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from call.ends import Ends
from call.film import read_film
from call.keeper import Keeper
from call.media import Media
from call.own_side import NO_VIDEO
from call.screen import Screen
from call.state import THRIFTY_KBPS, CallState
from call.talk import Talk
from call.video import BACK_TO_REDRAWN, LEAST_KBPS, VideoLink, refusal
from codec.conversation import Condition
from tests.call.session_sides import Side, Table
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.usefixtures("patient")

Picture = npt.NDArray[np.uint8]


def psnr(one: Picture, other: Picture) -> float:
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return math.inf if error == 0 else float(10 * np.log10(255**2 / error))


async def test_a_call_goes_over_to_ordinary_video_at_a_click_and_back(ends: Ends, face_clip: Path) -> None:
    filmed: list[Picture] = []
    with ExitStack() as stack:
        table = Table()
        stack.callback(table.close)
        one, other = (Side(ends, table, face_clip, stack) for _ in range(2))
        one.session.use(lambda duplex: Media(video=VideoLink(on_picture=lambda picture: None)))
        other.session.use(lambda duplex: Media(video=VideoLink(on_picture=filmed.append)))
        for side in (one, other):
            await side.until(lambda state: state.phase == "connected")
        await other.shows("fresh")

        one.session.ordinary_video(True)
        await one.until(lambda state: state.ordinary_video)
        await other.until(lambda state: state.their_ordinary_video)
        await other.until(lambda state: len(filmed) >= 15)
        await other.until(lambda state: state.figures.frames_per_s and state.figures.latency_ms is None)
        source = list(read_film(face_clip))
        assert filmed[-1].shape == source[0].shape
        # What is seen is what was filmed, as soon as there was time to code it well.
        await other.until(lambda state: max(psnr(filmed[-1], picture) for picture in source) > 25)
        sent = one.session.duplex.sender.stats.frames_sent
        filmed.clear()
        await other.until(lambda state: len(filmed) >= 8)
        assert one.session.duplex.sender.stats.frames_sent == sent, "no motion goes beside it"
        await one.shows("fresh")  # the other direction goes on as it was

        # The connection breaks, and with another one the video goes on.
        assert one.session._encounter._link is not None
        await one.session._encounter._link.peer.close()
        await other.comes_to("reconnecting")
        filmed.clear()
        await other.until(lambda state: state.phase == "connected" and len(filmed) >= 5)

        # A camera that is off shows nothing, whichever way it would have gone.
        one.session.camera(False)
        await other.until(lambda state: not state.their_camera_on)
        await other.shows("idle", frames=3)
        one.session.camera(True)
        filmed.clear()
        await other.until(lambda state: state.their_camera_on and len(filmed) >= 3)

        one.session.ordinary_video(False)
        await other.until(lambda state: not state.their_ordinary_video)
        await other.shows("fresh")
        # What was under way still comes, and then nothing while faces are drawn again.
        async with asyncio.timeout(PATIENCE_S):
            while True:
                filmed.clear()
                await other.shows("fresh")
                if not filmed:
                    break
        assert table.met > 1
        one.session.hang_up()
        await asyncio.gather(one.running, other.running)


async def test_a_thrifty_call_stays_under_thirty_kilobits_a_second_each_way(
    ends: Ends, face_clip: Path
) -> None:
    with ExitStack() as stack:
        table = Table()
        stack.callback(table.close)
        one, other = (Side(ends, table, face_clip, stack) for _ in range(2))
        one.session.thrifty(True)
        for side in (one, other):
            await side.until(lambda state: state.phase == "connected")
        await other.until(lambda state: state.their_thrifty)
        lines = [side.session.duplex.line for side in (one, other)]
        loop = asyncio.get_running_loop()
        # The first pictures are what is large: without the limit they alone would take longer than this.
        began_s, before = loop.time(), [line.stats().sent_bytes for line in lines]
        await asyncio.gather(asyncio.sleep(3.0), one.shows("fresh"), other.shows("fresh"))
        passed_s = loop.time() - began_s
        for line, sent_bytes in zip(lines, before, strict=True):
            sent_bits = 8 * (line.stats().sent_bytes - sent_bytes)
            # What went at once, or once more on a busy machine, is made up for later.
            assert 0 < sent_bits <= 1000 * THRIFTY_KBPS * (passed_s + 1.0)
        one.session.hang_up()
        await asyncio.gather(one.running, other.running)


def make_talk() -> tuple[Talk, Keeper, SimpleNamespace]:
    keeper = Keeper(CallState("connected", ""), on_state=None, on_notice=None, asks=False)
    films: list[Any] = []
    limits: list[float | None] = []
    sender = SimpleNamespace(
        stats=SimpleNamespace(rate=None), film=films.append, films=films, limit=limits.append
    )
    receiver = SimpleNamespace(idle=lambda on: None)
    duplex = SimpleNamespace(
        sender=sender, receiver=receiver, line=SimpleNamespace(limit_bps=None), limits=limits
    )
    return Talk(keeper, duplex, foreign=False, on_fault=lambda error: None), keeper, duplex  # type: ignore[arg-type]


class Line:
    """Notes what a connection's video is told."""

    def __init__(self) -> None:
        self.sends = self.receives = False
        self.limits: list[tuple[float | None, float | None]] = []

    def send(self, on: bool) -> None:
        self.sends = on

    def receive(self, on: bool, on_picture: Any = None) -> None:
        self.receives = on

    def limit(self, rate_bps: float | None, *, limit_bps: float | None) -> None:
        self.limits.append((rate_bps, limit_bps))


async def test_ordinary_video_is_refused_where_too_little_is_allowed_and_given_up_where_it_comes_to_that() -> (
    None
):
    talk, keeper, duplex = make_talk()
    talk.own.ordinary_video(True)
    await asyncio.sleep(0)
    assert keeper.state.notices == (NO_VIDEO,)
    talk.own.video = VideoLink(on_picture=lambda picture: None)
    line = Line()
    talk.own.video.use(line)  # type: ignore[arg-type]

    talk.own.limit(LEAST_KBPS - 1)
    talk.own.ordinary_video(True)
    await asyncio.sleep(0)
    assert not keeper.state.ordinary_video
    assert keeper.state.notices[-1] == refusal(LEAST_KBPS - 1)
    assert "149" in keeper.state.notices[-1]

    talk.own.limit(LEAST_KBPS)
    talk.own.ordinary_video(True)
    assert keeper.state.ordinary_video
    assert line.sends
    assert duplex.sender.films == [talk.own.video.put]
    rate_bps, limit_bps = line.limits[-1]
    assert rate_bps is not None
    assert rate_bps < limit_bps == 1000 * LEAST_KBPS  # type: ignore[operator]

    talk.own.thrifty(True)
    await asyncio.sleep(0)
    assert not keeper.state.ordinary_video
    assert not line.sends
    assert duplex.sender.films[-1] is None
    assert keeper.state.notices[-1] == BACK_TO_REDRAWN


async def test_thrift_holds_for_both_sides_whoever_asks_for_it_and_leaves_the_own_limit_as_it_was() -> None:
    talk, keeper, duplex = make_talk()
    talk.own.limit(80.0)
    assert duplex.line.limit_bps == 80_000
    talk.take_conditions(Condition.THRIFTY)
    assert keeper.state.their_thrifty
    assert duplex.line.limit_bps <= 1000 * THRIFTY_KBPS
    talk.own.thrifty(True)
    talk.take_conditions(0)
    assert duplex.line.limit_bps <= 1000 * THRIFTY_KBPS
    talk.own.limit(20.0)
    assert duplex.line.limit_bps == 20_000, "a limit below it counts"
    talk.own.limit(80.0)
    talk.own.thrifty(False)
    assert duplex.line.limit_bps == 80_000
    assert keeper.state.limit_kbps == 80.0


def test_what_is_seen_is_the_video_only_while_the_other_side_sends_it() -> None:
    screen, picture = Screen(), np.zeros((4, 4, 3), np.uint8)
    assert not screen.on_filmed(picture)
    screen.show(CallState("connected", "", their_ordinary_video=True))
    assert not screen.films, "the drawn face stays until a picture comes"
    assert screen.on_filmed(picture)
    assert screen.films
    screen.show(CallState("connected", "", their_ordinary_video=True, their_camera_on=False))
    assert not screen.films
    assert not screen.on_filmed(picture)
    screen.show(CallState("connected", ""))
    assert not screen.on_filmed(picture), "what comes late is not shown"
