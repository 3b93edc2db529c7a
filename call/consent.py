"""The look at oneself before a call: nothing of a face leaves before its person has seen what it is and agreed to it.

Knows no other side and no meeting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from call.errors import CallError
from call.keeper import Keeper
from call.ringing import Manners
from sender.errors import InputError, SenderError

if TYPE_CHECKING:
    from runtime.talker import Picture
    from sender.sender import Sender

LOOK_S = 0.1
ANOTHER = "Taking another picture of you."
CAMERA_COMES = "The camera is on. This picture of you is what the other side sees in a call."


class Consent:
    """Asks for each call's first source picture; on the event loop. `close` it in the end.

    on_preview: is shown each picture that is about to be sent (SxSx3 RGB). on_lost: is told why no picture will come
    of a camera that was off at first.
    """

    def __init__(
        self,
        keeper: Keeper,
        manners: Manners,
        *,
        on_preview: Callable[[Picture], None] | None,
        on_lost: Callable[[str], None],
    ) -> None:
        self._keeper = keeper
        self._manners = manners
        self._on_preview = on_preview
        self._on_lost = on_lost
        self._waiting: asyncio.Task[None] | None = None  # for a camera that is off

    async def ask(self, sender: Sender, question: str) -> None:
        """Return when the sender's picture may leave. Where the camera is off there is nothing to see yet: who turns it
        on then wants to be seen.

        Raises CallError where nobody is there to agree, and InputError where there is no picture.
        """
        while True:
            preparing = asyncio.create_task(sender.prepare())
            if not await self._prepared(preparing):
                self._waiting = asyncio.create_task(self._wait(sender, preparing))
                return
            if sender.source is None:
                raise InputError("The input has ended before a picture was chosen.")
            self._preview(sender.source.picture)
            if self._manners.sends_picture:
                return
            if not self._manners.asks:
                raise CallError("Nobody is here to agree to the picture that would be sent.")
            if await self._keeper.ask("consent", question):
                return
            # It may take until somebody is to be seen again; until then there is nothing to agree to.
            self._keeper.change(phase="connecting", sentence=ANOTHER)
            sender.forget_source()

    async def close(self) -> None:
        """Wait for no camera any more."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)

    async def _prepared(self, preparing: asyncio.Task[None]) -> bool:
        """Wait for the picture; False where the camera is turned off before, or has failed. Raises what goes wrong."""
        try:
            while self._keeper.state.camera_on and not preparing.done():
                await asyncio.wait({preparing}, timeout=LOOK_S)
        except asyncio.CancelledError:
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)
            raise
        if preparing.done():
            preparing.result()
        return preparing.done()

    async def _wait(self, sender: Sender, preparing: asyncio.Task[None]) -> None:
        """Show the picture as soon as there is one, as the camera is turned on."""
        try:
            await preparing
        except SenderError as error:
            self._on_lost(str(error))
            return
        if sender.source is not None:
            self._preview(sender.source.picture)
            self._keeper.notice(CAMERA_COMES)

    def _preview(self, picture: Picture) -> None:
        if self._on_preview is not None:
            self._on_preview(picture)
