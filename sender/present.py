"""How the source picture gets to the receiver: in pieces over the reliable channel, again where the receiver
refuses it, until it can be drawn from. It knows nothing of what is in the picture."""

from __future__ import annotations

import asyncio

from codec.control import PictureReady, PictureRefused, encode_control
from codec.picture import cut_picture
from sender.delivery import Wire
from sender.errors import SenderError

# The slowest line of the design brings a picture in 5 s, and a receiver may first have to compile its graphs.
PICTURE_LIMIT_S = 60.0
PICTURE_TRIES = 3
MAX_VERDICTS = 8  # answers to pictures that wait to be read
SLOT = 0  # the receiver's place for the one source picture


class Presentation:
    """Sends one picture at a time and waits for the receiver's verdict; all of it on the event loop."""

    def __init__(self) -> None:
        self.sent_bytes = 0  # of pictures' code, as often as it was sent
        self._verdicts: asyncio.Queue[PictureReady | PictureRefused] = asyncio.Queue(MAX_VERDICTS)

    def take(self, verdict: PictureReady | PictureRefused) -> None:
        """Take an answer of the receiver's."""
        if not self._verdicts.full():  # one is due for each sending; a flood of them is nobody's
            self._verdicts.put_nowait(verdict)

    async def send(self, picture: bytes, peer: Wire) -> None:
        """Return when the receiver can draw from this picture (its code).

        Raises SenderError where it refuses it for good or says nothing.
        """
        reason = ""
        for transfer in range(PICTURE_TRIES):
            for piece in cut_picture(picture, transfer=transfer, slot=SLOT):
                peer.send_control(encode_control(piece))
            self.sent_bytes += len(picture)
            try:
                async with asyncio.timeout(PICTURE_LIMIT_S):
                    verdict = await self._verdict_on(transfer)
            except TimeoutError:
                raise SenderError(
                    f"The other side has not taken the source picture within {PICTURE_LIMIT_S:g} seconds; "
                    "the line may be too slow."
                ) from None
            if isinstance(verdict, PictureReady):
                return
            reason = verdict.reason
        raise SenderError(f"The other side refuses the source picture: {reason}")

    async def _verdict_on(self, transfer: int) -> PictureReady | PictureRefused:
        while True:
            verdict = await self._verdicts.get()
            if verdict.transfer == transfer:
                return verdict
