"""What waits to go to the page: the newest state, the newest picture of each kind, and a little sound.

It never grows: a page that is slow, or not there, gets the newest of everything when it comes back. Lives on the
event loop; knows no sockets.
"""

from __future__ import annotations

import asyncio
import struct
import time

from call.state import CallState, Phase
from call.web.messages import tell
from call.web.sound import PageSpeaker

# The first byte of a binary message.
REDRAWN = 1  # the other's face, a JPEG
PREVIEW = 2  # the own picture, a JPEG
SOUND = 3  # in how many seconds it is to be heard (float64), then int16 PCM
FILMED = 4  # the other's ordinary video, a JPEG
MICROPHONE = 16  # from the page: int16 PCM
FACES = (REDRAWN, FILMED)
# While the other side is seen.
TALKING: tuple[Phase, ...] = ("connected", "reconnecting")
ENDED: tuple[Phase, ...] = ("ended", "failed")


class Outbox:
    """Keeps what the page has not got yet; `state` is the newest."""

    def __init__(self) -> None:
        self._filled = asyncio.Event()
        self.state: CallState | None = None
        self._told: CallState | None = None
        self._pictures: dict[int, bytes] = {}
        self._unsent: set[int] = set()
        self._began_s: float | None = None
        self._ended_s: float | None = None
        self.speaker = PageSpeaker(self._filled.set)

    @property
    def talked_s(self) -> float | None:
        """How long the call has lasted, or did; None before it."""
        if self._began_s is None:
            return None
        return (self._ended_s or time.monotonic()) - self._began_s

    def show(self, state: CallState) -> None:
        """Leave the newest state; a face that it has no place for waits no more."""
        self.state = state
        if state.phase in TALKING:
            self._began_s = self._began_s or time.monotonic()
        elif state.phase in ENDED:
            self._ended_s = self._ended_s or time.monotonic()
        else:
            self._began_s = None
        self._forget(tuple(kind for kind in FACES if not self._may_show(kind)))
        self._filled.set()

    def picture(self, kind: int, jpeg: bytes) -> None:
        """Leave the newest picture of its kind; a face that was filmed takes the place of one that was drawn, and one
        that comes when its call is over, or a film when its camera is off, is not shown any more."""
        if not self._may_show(kind):
            return
        self._forget(FACES if kind in FACES else (kind,))
        self._pictures[kind] = jpeg
        self._unsent.add(kind)
        self._filled.set()

    def start_over(self) -> None:
        """Begin with a page that knows nothing yet: state and pictures anew, and no old sound."""
        self._told = None
        self._unsent = set(self._pictures)
        self.speaker.take()
        self._filled.set()

    async def wait(self) -> None:
        """Wait until there is something to take."""
        await self._filled.wait()

    def take(self) -> list[str | bytes]:
        """Return what the page has not got yet as messages, the most urgent first."""
        self._filled.clear()
        messages: list[str | bytes] = []
        for block, at_s in self.speaker.take():
            # The page's clock is another one: it is told how long to wait, as of now.
            until_s = struct.pack("<Bd", SOUND, at_s - time.monotonic())
            messages.append(until_s + block.astype("<i2", copy=False).tobytes())
        if (
            self.state is not None
            and (text := tell(self.state, told=self._told, talked_s=self.talked_s)) is not None
        ):
            messages.append(text)
        self._told = self.state
        messages += [bytes([kind]) + self._pictures[kind] for kind in sorted(self._unsent)]
        self._unsent.clear()
        return messages

    def _may_show(self, kind: int) -> bool:
        state = self.state
        if kind not in FACES or state is None:
            return True
        return state.phase in TALKING and (kind != FILMED or state.their_camera_on)

    def _forget(self, kinds: tuple[int, ...]) -> None:
        for kind in kinds:
            self._pictures.pop(kind, None)
            self._unsent.discard(kind)
