"""How source pictures get to the receiver: in pieces over the reliable channel, again where the receiver refuses
one, until it can be drawn from; by their hash alone where the receiver remembers an earlier call. It knows nothing of
what is in a picture."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from codec.control import Message, encode_control
from codec.feedback import ReadyTransfers
from codec.picture import PIECE_BYTES, cut_picture
from codec.transfer import TRANSFERS_CYCLE, PictureOffer, PictureReady, PictureRefused
from sender.adapting import LEAST_PIECES_BPS, Carried
from sender.delivery import Wire
from sender.errors import SenderError

# The slowest line of the design brings a picture in 5 s, and a receiver may first have to compile its graphs. Beside
# motion a picture may have `LEAST_PIECES_BPS` alone, at which a finely coded one of 14 kB takes twice as long.
PICTURE_LIMIT_S = 60.0
# A piece's headers at the IP layer with IPv6: IP and UDP 48, DTLS 29, SCTP 12, chunk 16, and padding.
HEADERS_BYTES = 48 + 29 + 12 + 16 + 2
SHORTEST_S = 0.005  # that is told from nothing
LINE_LOOK_S = 1.0  # a line that brought nothing for so long is lost, which is not the picture's fault
PICTURE_TRIES = 3
SLOT = 0  # the receiver's place for the first source picture


class Presentation:
    """Sends pictures and waits for the receiver's verdict on each; all of it on the event loop."""

    def __init__(self) -> None:
        self.sent_bytes = 0  # of pictures' code, as often as it was sent
        self.remembers = False  # the receiver keeps pictures from call to call, so that a hash may do
        self.piece_bytes = PIECE_BYTES  # as large as a piece may be
        self.carried: Carried | None = None  # of the picture sent last
        self._transfer = TRANSFERS_CYCLE - 1  # the one before the first
        self._under_way_bytes = 0  # of the pictures that are waited for
        # By transfer; comes to be why the picture is refused, or None where it is ready.
        self._awaited: dict[int, asyncio.Future[str | None]] = {}

    def take(self, verdict: PictureReady | PictureRefused) -> None:
        """Take an answer of the receiver's; one that nobody waits for changes nothing."""
        self._decide(verdict.transfer, verdict.reason if isinstance(verdict, PictureRefused) else None)

    def learn(self, ready: ReadyTransfers | None) -> None:
        """Take what feedback says of the pictures that are ready, where that comes before the answer."""
        for transfer in [] if ready is None else ready.transfers:
            self._decide(transfer, None)

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
            self._under_way_bytes += len(picture)
            measuring = asyncio.create_task(self._send_and_measure(pieces, peer))
            try:
                refused = await self._verdict_on(transfer, peer)
            finally:
                self._under_way_bytes -= len(picture)
                measuring.cancel()  # long done, but where nothing is acknowledged
            if refused is None:
                return
            reason = refused
        raise SenderError(f"The other side refuses the source picture: {reason}")

    async def _send_and_measure(self, pieces: Sequence[Message], peer: Wire) -> None:
        """Queue the pieces, and see how long the line takes for all but the first: from that one's acknowledgement to
        the last one's. Where there is but one, that says nothing."""
        loop = asyncio.get_running_loop()
        messages = [encode_control(piece) for piece in pieces]
        before_bytes = peer.stats().sent_bytes
        for message in messages:
            peer.send_control(message)
        await peer.drain(PICTURE_LIMIT_S, one=True)
        answered_s = loop.time()
        await peer.drain(PICTURE_LIMIT_S)
        sent_bytes = peer.stats().sent_bytes - before_bytes
        weights = [len(message) + HEADERS_BYTES for message in messages]
        if len(weights) > 1:
            bps = 8 * sum(weights[1:]) / max(loop.time() - answered_s, SHORTEST_S)
            self.carried = Carried(bps, again=sent_bytes > sum(weights) + max(weights) / 2)

    async def _offer(self, picture: bytes, peer: Wire, slot: int) -> bool:
        """Say which picture it would be; True where the receiver has it."""
        transfer = self._next_transfer()
        digest = hashlib.sha256(picture).digest()
        peer.send_control(encode_control(PictureOffer(transfer, slot, digest)))
        return await self._verdict_on(transfer, peer) is None

    def _next_transfer(self) -> int:
        self._transfer = (self._transfer + 1) % TRANSFERS_CYCLE
        return self._transfer

    def _decide(self, transfer: int, refused: str | None) -> None:
        waiting = self._awaited.get(transfer)
        if waiting is not None and not waiting.done():
            waiting.set_result(refused)

    async def _verdict_on(self, transfer: int, peer: Wire) -> str | None:
        """Wait for an answer, as long as it takes while the line is lost; returns why the picture is refused, None
        where it is ready."""
        verdict = self._awaited[transfer] = asyncio.get_running_loop().create_future()
        limit_s = PICTURE_LIMIT_S + 8 * self._under_way_bytes / LEAST_PIECES_BPS
        waited_s = 0.0
        try:
            while waited_s < limit_s:
                before_bytes = peer.stats().received_bytes
                await asyncio.wait({verdict}, timeout=LINE_LOOK_S)
                if verdict.done():
                    return verdict.result()
                if peer.stats().received_bytes > before_bytes:
                    waited_s += LINE_LOOK_S
        finally:
            del self._awaited[transfer]
        raise SenderError(
            f"The other side has not taken the source picture within {limit_s:.0f} seconds; "
            "the line may be too slow."
        )
