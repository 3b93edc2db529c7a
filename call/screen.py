"""What a call shows, wherever it is shown: hands pictures and state on to the page, if there is one.

The pictures come from the sender's and the receiver's threads. Knows no call.
"""

from __future__ import annotations

import os
import threading
import time
import webbrowser
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from call import console
from call.state import CallState, Wishes

if TYPE_CHECKING:
    from call.web.server import Page
    from call.web.sound import PageMicrophone, PageSpeaker
    from receiver.playout import Shown
    from runtime.talker import Picture

PAGE_GONE = "No browser shows the page any more, and Visavis goes on. Open it again: {address}"
NO_BROWSER = "No browser could be opened here: open that address in one on this computer."
# The own picture is small on the page and there to see whether one is in it.
PREVIEW_S = 0.2


@dataclass(frozen=True)
class OpenPage:
    """A page that is served: where, and its ends of the sound."""

    address: str
    microphone: PageMicrophone
    speaker: PageSpeaker


class Screen:
    """Takes what is to be shown. `state` is the newest, `talked_s` how long the call has been held so far."""

    def __init__(self) -> None:
        self.state: CallState | None = None
        # Whoever else wants to have the other's pictures as they are shown; called on the drawing thread.
        self.listeners: list[Callable[[Shown, Picture, float], None]] = []
        # And is told of each own frame that goes out; called on the motion thread.
        self.watchers: list[Callable[[], None]] = []
        self.films = False  # the other side's ordinary video is what is seen
        self._page: Page | None = None
        self._preview_s = 0.0
        self._began_s: float | None = None
        self._ended_s: float | None = None

    async def open_page(self, wishes: Wishes, stack: AsyncExitStack) -> OpenPage:
        """Serve the page until the stack is left. Raises CallError where it cannot be."""
        from call.web.server import Page

        def say_gone() -> None:
            console.say(PAGE_GONE.format(address=address))

        self._page = page = Page(wishes, on_gone=say_gone)
        address = await page.start()
        stack.push_async_callback(page.close)
        return OpenPage(address, page.microphone, page.speaker)

    @property
    def talked_s(self) -> float:
        """Seconds from the call's beginning to its end, or to now; 0 before it began."""
        if self._began_s is None:
            return 0.0
        return (self._ended_s or time.monotonic()) - self._began_s

    def show(self, state: CallState) -> None:
        """Show the state."""
        self.state = state
        if state.phase == "connected" and self._began_s is None:
            self._began_s = time.monotonic()
        if state.phase in ("ended", "failed"):
            self._ended_s = self._ended_s or time.monotonic()
        if not self._may_film():
            self.films = False
        if self._page is not None:
            self._page.show(state)

    def on_shown(self, shown: Shown, picture: Picture, at_s: float) -> None:
        """Show the other's face."""
        for listener in self.listeners:
            listener(shown, picture, at_s)
        if self._page is not None and not self.films:
            self._page.picture(picture)

    def on_filmed(self, picture: Picture) -> bool:
        """Show a picture of the other side's ordinary video; False where that has ended meanwhile."""
        self.films = self._may_film()
        if self._page is not None and self.films:
            self._page.picture(picture, redrawn=False)
        return self.films

    def _may_film(self) -> bool:
        state = self.state
        return state is not None and state.their_ordinary_video and state.their_camera_on

    def on_preview(self, picture: Picture) -> None:
        """Show the own source picture."""
        if self._page is not None:
            self._page.preview(picture)

    def on_frame(self, index: int, ticks: int, captured_s: float, picture: Picture) -> None:
        """Show the own picture, now and then."""
        for watcher in self.watchers:
            watcher()
        self.on_own(picture, captured_s)

    def on_own(self, picture: Picture, captured_s: float) -> None:
        """Show the own picture as the other side gets it, now and then."""
        if self._page is not None and captured_s - self._preview_s >= PREVIEW_S:
            self._preview_s = captured_s
            self._page.preview(picture)


def find_browser() -> webbrowser.BaseBrowser | None:
    """Return the person's browser; None where there is none that could show a call."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return None
    # Where there is no desktop that would be one in letters, which takes the terminal and cannot show a call.
    in_letters = type(browser) is webbrowser.GenericBrowser and "BROWSER" not in os.environ
    return None if in_letters else browser


def open_browser(address: str) -> None:
    """Open the page in the person's browser, or say that there is none; returns at once."""
    # One that is not told to go to the background is waited for until it is closed, which is not the call's to do, nor
    # its end's.
    threading.Thread(target=_open, args=(address,), name="browser", daemon=True).start()


def _open(address: str) -> None:
    browser = find_browser()
    if browser is None or not browser.open(address):
        console.say(NO_BROWSER)
