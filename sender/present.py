"""How source pictures get to the receiver: in pieces over the reliable channel, again where the receiver refuses
one, until it can be drawn from; by their hash alone where the receiver remembers an earlier call. It knows nothing of
what is in a picture."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from codec.control import Message, PictureOffer, PictureReady, PictureRefused, encode_control
from codec.picture import PIECE_BYTES, cut_picture
from sender.delivery import Wire
from sender.errors import SenderError
from sender.rate import PACKET_BYTES

# The slowest line of the design brings a picture in 5 s, and a receiver may first have to compile its graphs.
PICTURE_LIMIT_S = 60.0
PICTURE_TRIES = 3
TRANSFERS = 0x10000  # their numbers begin anew
SLOT = 0  # the receiver's place for the first source picture


class Presentation:
    """Sends pictures and waits for the receiver's verdict on each; all of it on the event loop."""

    def __init__(self) -> None:
        self.sent_bytes = 0  # of pictures' code, as often as it was sent
        self.remembers = False  # the receiver keeps pictures from call to call, so that a hash may do
        self.piece_bytes = PIECE_BYTES  # as large as a piece may be
        self.carried_bps: float | None = None  # what the line was seen to carry of the picture sent last
        self._transfer = TRANSFERS - 1  # the one before the first
        self._awaited: dict[int, asyncio.Future[PictureReady | PictureRefused]] = {}

    def take(self, verdict: PictureReady | PictureRefused) -> None:
        """Take an answer of the receiver's; one that nobody waits for changes nothing."""
        waiting = self._awaited.get(verdict.transfer)
        if waiting is not None and not waiting.done():
            waiting.set_result(verdict)

    async def send(
        self,
        picture: bytes,
        peer: Wire,
        *,
        slot: int = SLOT,
        cut: Callable[..., Sequence[Message]] = cut_picture,
    ) -> None:
        """Return when the receiver can draw from this picture (its code) in this slot.

        cut: makes messages of it; `codec.repair.cut_repair` where the code is a repair. Raises SenderError where the
        receiver refuses it for good or says nothing.
        """
        if self.remembers and cut is cut_picture and await self._offer(picture, peer, slot):
            return
        reason = ""
        for _ in range(PICTURE_TRIES):
            transfer = self._next_transfer()
            pieces = cut(picture, transfer=transfer, slot=slot, piece_bytes=self.piece_bytes)
            self.sent_bytes += len(picture)
            measuring = asyncio.create_task(self._send_and_measure(pieces, peer))
            try:
                verdict = await self._verdict_on(transfer)
            finally:
                measuring.cancel()  # long done, but where nothing is acknowledged
            if isinstance(verdict, PictureReady):
                return
            reason = verdict.reason
        raise SenderError(f"The other side refuses the source picture: {reason}")

    async def _send_and_measure(self, pieces: Sequence[Message], peer: Wire) -> None:
        """Queue the pieces, and see how long the line takes for them: from the first one's leaving to the last one's
        acknowledgement, less a round trip. Where one had to be sent again, that says nothing."""
        loop = asyncio.get_running_loop()
        messages = [encode_control(piece) for piece in pieces]
        began_s, before = loop.time(), peer.stats()
        for message in messages:
            peer.send_control(message)
        await peer.drain(PICTURE_LIMIT_S)
        carrying_s = loop.time() - began_s - (before.round_trip_s or 0.0)
        carried_bytes = peer.stats().sent_bytes - before.sent_bytes
        once_bytes = sum(len(message) + PACKET_BYTES for message in messages)
        if carrying_s > 0 and 0 < carried_bytes < once_bytes + max(map(len, messages)) / 2:
            self.carried_bps = 8 * carried_bytes / carrying_s

    async def _offer(self, picture: bytes, peer: Wire, slot: int) -> bool:
        """Say which picture it would be; True where the receiver has it."""
        transfer = self._next_transfer()
        digest = hashlib.sha256(picture).digest()
        peer.send_control(encode_control(PictureOffer(transfer, slot, digest)))
        return isinstance(await self._verdict_on(transfer), PictureReady)

    def _next_transfer(self) -> int:
        self._transfer = (self._transfer + 1) % TRANSFERS
        return self._transfer

    async def _verdict_on(self, transfer: int) -> PictureReady | PictureRefused:
        verdict = self._awaited[transfer] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PICTURE_LIMIT_S):
                return await verdict
        except TimeoutError:
            raise SenderError(
                f"The other side has not taken the source picture within {PICTURE_LIMIT_S:g} seconds; "
                "the line may be too slow."
            ) from None
        finally:
            del self._awaited[transfer]
