"""Ordinary video over a connection that stands: it comes and goes, keeps to a limit, and costs nothing before."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.patience import PATIENCE_S
from tests.transport.transport_sides import Pair, Side, until
from transport.video import MOST_BPS, VideoLine
from transport.video_coder import LEAST_BPS, LimitedEncoder, stepped
from transport.video_track import CameraTrack, fitted

Picture = npt.NDArray[np.uint8]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    one, other = Side(), Side()
    offer = await one.peer.create_offer()
    await one.peer.complete(await other.peer.accept(offer))
    await asyncio.gather(one.peer.connected(PATIENCE_S), other.peer.connected(PATIENCE_S))
    yield one, other
    await asyncio.gather(one.peer.close(), other.peer.close())


def scene(tick: int, *, width: int = 320, height: int = 240) -> Picture:
    """Draw a scene whose ball is elsewhere at every tick."""
    across = np.linspace(40, 200, width, dtype=np.uint8)
    picture = np.repeat(np.stack([across, across[::-1], np.full_like(across, 90)], 1)[None], height, 0)
    cv2.circle(picture, (20 + 7 * tick % (width - 40), height // 2), 18, (230, 60, 40), -1, cv2.LINE_AA)
    return np.ascontiguousarray(picture)


def psnr(one: Picture, other: Picture) -> float:
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def has_settled(line: VideoLine) -> bool:
    """Say whether all that was asked for has come about, and nothing of what is over is still on its way."""
    return line._settling is None or line._settling.done()


async def film(line: VideoLine, until_s: Callable[[], bool], *, width: int = 320, height: int = 240) -> int:
    """Send a scene at 25 pictures a second until something has come about; return how many."""
    tick = 0
    async with asyncio.timeout(PATIENCE_S):
        while not until_s():
            line.put(scene(tick, width=width, height=height), time.monotonic())
            tick += 1
            await asyncio.sleep(0.04)
    return tick


async def test_video_comes_and_goes_and_comes_again_over_the_same_connection(pair: Pair) -> None:
    one, other = pair
    for round_ in range(2):
        came: list[Picture] = []
        other.peer.video.receive(True, came.append)
        one.peer.video.send(True)
        shown = await film(one.peer.video, lambda came=came: len(came) >= 12)  # type: ignore[misc]
        best = max(psnr(came[-1], scene(tick)) for tick in range(shown))
        assert came[-1].shape == (240, 320, 3)
        assert best > 28, "the pictures that arrive are those that were filmed"
        one.peer.video.send(False)
        other.peer.video.receive(False)
        await until(lambda: has_settled(one.peer.video) and has_settled(other.peer.video))
        count = len(came)
        before = one.peer.stats().sent_bytes
        for tick in range(10):
            one.peer.video.put(scene(tick), time.monotonic())
            await asyncio.sleep(0.02)
        one.peer.send_control(b"behind them")
        await until(lambda round_=round_: len(other.controls) == round_ + 1)  # type: ignore[misc]
        assert len(came) == count
        assert one.peer.stats().sent_bytes - before < 1_000, "pictures go nowhere while nobody wants them"
    assert one.peer.video.stats().sent >= 24
    assert other.peer.video.stats().received >= 24


async def test_video_that_is_turned_on_again_before_the_other_side_has_noticed_is_seen(pair: Pair) -> None:
    one, other = pair
    came: list[Picture] = []
    other.peer.video.receive(True, came.append)
    one.peer.video.send(True)
    await film(one.peer.video, lambda: len(came) >= 3)
    one.peer.video.send(False)
    await until(lambda: one.peer.video._sending is None)
    one.peer.video.send(True)
    came.clear()
    await film(one.peer.video, lambda: len(came) >= 3)


async def test_nothing_of_video_crosses_before_it_is_asked_for(pair: Pair) -> None:
    one, other = pair
    packets: list[bytes] = []
    transport = one.peer.video._transport
    send = transport._send_rtp

    async def note(data: bytes) -> None:
        packets.append(data)
        await send(data)

    transport._send_rtp = note  # type: ignore[method-assign]
    for tick in range(10):
        one.peer.video.put(scene(tick), time.monotonic())
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.6)  # reports go every half to one and a half seconds
    assert packets == []
    one.peer.video.send(True)
    other.peer.video.receive(True)
    await film(one.peer.video, lambda: len(packets) > 3)


async def test_a_limit_holds_for_all_that_the_connection_sends(pair: Pair) -> None:
    one, other = pair
    one.peer.video.limit(1_000_000, limit_bps=150_000)  # as an encoder that takes too much would
    other.peer.video.receive(True)
    one.peer.video.send(True)
    await until(lambda: one.peer.video._sending is not None)
    began_s, before = time.monotonic(), one.peer.stats().sent_bytes
    noise = np.random.default_rng(0)
    while time.monotonic() - began_s < 3.0 or (
        not one.peer.video.stats().held_back and time.monotonic() - began_s < PATIENCE_S
    ):
        # A scene of which nothing stays as it was.
        picture = cv2.resize(noise.integers(0, 255, (24, 32, 3), np.uint8), (640, 480))
        one.peer.video.put(picture, time.monotonic())  # type: ignore[arg-type]
        await asyncio.sleep(0.04)
    passed_s = time.monotonic() - began_s
    sent_bits = 8 * (one.peer.stats().sent_bytes - before)
    # A second's worth may go at once, and one picture beyond it.
    assert sent_bits < 150_000 * (passed_s + 1) + 300_000
    assert one.peer.video.stats().held_back > 0


async def test_a_connection_that_is_closed_in_mid_video_leaves_no_thread(pair: Pair) -> None:
    one, other = pair
    came: list[Picture] = []
    other.peer.video.receive(True, came.append)
    one.peer.video.send(True)
    await film(one.peer.video, lambda: len(came) >= 2)
    await asyncio.gather(one.peer.close(), other.peer.close())
    assert not [thread for thread in threading.enumerate() if thread.name == "video-decoder"]


def test_rates_go_in_steps_within_their_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.video_coder.RISE_S", PATIENCE_S)
    assert stepped(0) == LEAST_BPS
    assert stepped(LEAST_BPS * 1.3) == LEAST_BPS * 1.25
    assert stepped(1e9) <= MOST_BPS
    encoder = LimitedEncoder(200_000)
    assert 150_000 < encoder.target_bitrate <= 200_000
    encoder.target_bitrate = 80_000
    assert encoder.target_bitrate <= 80_000, "a narrow line counts at once"
    encoder.target_bitrate = 1_000_000
    assert encoder.target_bitrate <= 80_000, (
        "a wider one only after a while: each change costs a whole picture"
    )
    encoder.ceiling_bps = 400_000
    assert 300_000 < encoder.target_bitrate <= 400_000, "what a person allows counts at once"


def test_pictures_are_made_to_fit_with_even_sides() -> None:
    for shape, size in (((481, 641, 3), (640, 480)), ((256, 256, 3), (256, 256)), ((1920, 3, 3), (2, 640))):
        frame = fitted(np.zeros(shape, np.uint8), 640)
        assert (frame.width, frame.height) == size
        assert frame.format.name == "yuv420p"


async def test_at_a_low_rate_pictures_go_half_as_often() -> None:
    counts = []
    for rate in (500_000, 100_000):
        track = CameraTrack(rate_bps=lambda rate=rate: rate, sent_bytes=lambda: 0)  # type: ignore[misc]
        taken: list[Any] = []
        taking = asyncio.create_task(_take_all(track, taken))
        for tick in range(30):
            track.put(scene(tick), tick / 30)
            await until(lambda: not track._arrived.is_set() and len(taken) == track.sent)  # noqa: B023
        taking.cancel()
        counts.append(track.sent)
    assert counts == [30, 15]


async def _take_all(track: CameraTrack, taken: list[Any]) -> None:
    while True:
        taken.append(await track.recv())


async def test_pictures_that_come_quicker_than_they_are_taken_are_left_out(pair: Pair) -> None:
    one, other = pair
    came: list[Picture] = []
    other.peer.video.receive(True, came.append)
    one.peer.video.send(True)
    await film(one.peer.video, lambda: bool(came))
    one.peer.video.send(False)
    await until(lambda: has_settled(one.peer.video))
    receiving = other.peer.video._receiving
    assert receiving is not None
    before = len(came)
    pictures = [fitted(np.full((32, 32, 3), 8 * tick, np.uint8), 32) for tick in range(30)]
    for picture in pictures:
        await receiving.receiver._track._queue.put(picture)
    await until(lambda: bool(came) and came[-1].shape == (32, 32, 3) and came[-1].mean() > 220)
    assert len(came) - before < 6
