"""A call without a network, for the tests of its page: it grants every wish at once and draws the other's face."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
from playwright.async_api import Page as Tab

from call.state import CallState, Figures, Invitation, Line
from call.web.server import Page
from tests.patience import PATIENCE_S

Picture = npt.NDArray[np.uint8]
Open = Callable[..., Awaitable[Tab]]  # opens the page in a browser

PATIENCE_MS = round(1000 * PATIENCE_S)

FIGURES = Figures(
    sent_kbps=21.4, received_kbps=24.2, h264_kbps=171.0, frames_per_s=27.6, latency_ms=84.0, loss=0.021
)
INVITATION = Invitation("192.168.1.5:8765", "F7K2QX", "visavis call 192.168.1.5:8765 F7K2QX")
WORDS = ("apple", "river", "candle", "moon")


async def until(tab: Tab, condition: Callable[[], bool]) -> None:
    """Wait until the program knows what the browser has done."""
    for _ in range(PATIENCE_MS // 20):
        if condition():
            return
        await tab.wait_for_timeout(20)
    raise AssertionError("the page did not ask for it")


async def until_loaded(tab: Tab) -> None:
    """Wait until the page has all that it fetches from its program: its microphone's part comes last."""
    await tab.wait_for_function("() => document.getElementById('microphone').length > 0")


def draw_head(yaw: float, pitch: float, *, tick: int, colour: tuple[int, int, int]) -> Picture:
    """Draw a head of 256x256 whose nose goes where it is turned to and whose mouth moves with `tick`."""
    picture = np.full((256, 256, 3), colour, np.uint8)
    cv2.ellipse(picture, (128, 300), (110, 90), 0, 0, 360, (60, 70, 90), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (128, 124), (62, 80), 0, 0, 360, (224, 182, 154), -1, cv2.LINE_AA)
    right, down = round(1.1 * yaw), round(1.1 * pitch)
    for eye in (-24, 24):
        cv2.circle(picture, (128 + eye + right, 106 + down), 7, (40, 40, 48), -1, cv2.LINE_AA)
    cv2.line(
        picture, (128 + right, 112 + down), (128 + 2 * right, 134 + down), (180, 130, 110), 5, cv2.LINE_AA
    )
    mouth = (22, 4 + 3 * (tick % 4))
    cv2.ellipse(picture, (128 + right, 160 + down), mouth, 0, 0, 360, (150, 60, 66), -1, cv2.LINE_AA)
    return picture


class FakeCall:
    """Implements `call.state.Wishes`, keeps a state, and notes what was wished."""

    def __init__(self) -> None:
        self.page = Page(self)
        self.state = CallState(
            "connected", "You see and hear each other.", figures=FIGURES, safety_words=WORDS
        )
        self.wishes: list[tuple[object, ...]] = []
        self.draw: Callable[[float, float, int], Picture] = lambda yaw, pitch, tick: draw_head(
            yaw, pitch, tick=tick, colour=(120, 150, 160)
        )
        self.redrawn = True
        self.address = ""
        self._drawing: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Begin to show, and return the page's address."""
        self.address = await self.page.start()
        self.page.show(self.state)
        self._drawing = asyncio.create_task(self._draw())
        return self.address

    async def close(self) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
        await self.page.close()

    def change(self, **news: object) -> None:
        """Let the state be another one, and show it."""
        self.state = replace(self.state, **news)  # type: ignore[arg-type]
        self.page.show(self.state)

    async def _draw(self) -> None:
        tick = 0
        while True:
            self.page.picture(self.draw(*self.state.view, tick), redrawn=self.redrawn)
            self.page.preview(draw_head(0.0, 0.0, tick=tick, colour=(170, 140, 120)))
            tick += 1
            await asyncio.sleep(0.1)

    def agree(self, yes: bool) -> None:
        self.wishes.append(("agree", yes))
        if yes:
            self.change(phase="waiting", sentence="Waiting for the other side.", invitation=INVITATION)

    def accept(self, yes: bool) -> None:
        self.wishes.append(("accept", yes))
        self.change(phase="connected" if yes else "waiting")

    def hang_up(self) -> None:
        self.wishes.append(("hang_up",))
        self.change(phase="ended", sentence="You have hung up.")

    def mute(self, on: bool) -> None:
        self.wishes.append(("mute", on))
        self.change(muted=on)

    def camera(self, on: bool) -> None:
        self.wishes.append(("camera", on))
        self.change(camera_on=on)

    def turn(self, yaw: float, pitch: float) -> None:
        self.wishes.append(("turn", yaw, pitch))
        self.change(view=(yaw, pitch))

    def new_source(self) -> None:
        self.wishes.append(("new_source",))

    def repair(self) -> None:
        self.wishes.append(("repair",))

    def limit(self, kbps: float | None) -> None:
        self.wishes.append(("limit", kbps))
        self.change(limit_kbps=kbps)

    def thrifty(self, on: bool) -> None:
        self.wishes.append(("thrifty", on))
        self.change(thrifty=on)

    def record(self, on: bool) -> None:
        self.wishes.append(("record", on))
        self.change(recording="call.mp4" if on else None)

    def say(self, text: str) -> None:
        self.wishes.append(("say", text))
        self.change(chat=(*self.state.chat, Line(True, text)))

    def ordinary_video(self, on: bool) -> None:
        self.wishes.append(("ordinary_video", on))
        self.change(ordinary_video=on)
