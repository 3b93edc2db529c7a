"""The gallery: source pictures, from the line or from an earlier call, fill up to four slots.

It knows what a source picture is; how transfers are put together and answered is `receiver.preparing`'s business, what
is drawn from them the drawing's. All methods run on the event loop.
"""

import asyncio
from collections.abc import Callable

from codec.errors import BitstreamError
from codec.picture import Assembled, Picture, decode_picture
from codec.transfer import PictureOffer, PicturePiece, PictureReady, PictureRefused
from receiver.preparing import Preparing
from receiver.remembered import Remembered
from runtime.talker import Source, Talker


class Gallery:
    """Prepares the source pictures of the call.

    Parameters
    ----------
    picture_size
        S: a picture of another size than SxS is refused.
    send
        Sends an answer to the other side.
    on_ready
        Called with the slot, the picture (SxSx3 RGB uint8, as decoded) and its source when all is ready.
    on_error
        Called with what the talker raised: no fault of the picture's, and the end of the call.
    remembered
        Where pictures are kept from call to call; None keeps none.
    """

    def __init__(
        self,
        talker: Talker,
        *,
        picture_size: int,
        send: Callable[[PictureReady | PictureRefused], None],
        on_ready: Callable[[int, Picture, Source], None],
        on_error: Callable[[Exception], None],
        remembered: Remembered | None = None,
    ) -> None:
        self.pictures_received = 0
        self._talker = talker
        self._picture_size = picture_size
        self._send = send
        self._on_ready = on_ready
        self._remembered = remembered
        self._preparing = Preparing(self._prepare, send=send, on_ready=self._count, on_error=on_error)
        self._seeking: asyncio.Task[None] | None = None

    def add(self, piece: PicturePiece) -> None:
        """Take a piece. Raises BitstreamError where it cannot be, after having refused the transfer."""
        self._preparing.add(piece)

    def offer(self, offer: PictureOffer) -> None:
        """Take the picture from an earlier call, or say that it has to be sent."""
        if self._remembered is None or (self._seeking is not None and not self._seeking.done()):
            self._send(PictureRefused(offer.transfer, "it is not remembered here"))
            return
        self._seeking = asyncio.get_running_loop().create_task(self._seek(offer, self._remembered))

    async def close(self) -> None:
        """Stop preparing; what is being computed ends by itself, without effect."""
        if self._seeking is not None:
            self._seeking.cancel()
            await asyncio.gather(self._seeking, return_exceptions=True)
        await self._preparing.close()

    async def _seek(self, offer: PictureOffer, remembered: Remembered) -> None:
        data = await asyncio.to_thread(remembered.find, offer.digest)
        if data is None:
            self._send(PictureRefused(offer.transfer, "it is not remembered here"))
        else:
            self._preparing.put(Assembled(offer.slot, offer.transfer, data))

    def _count(self, slot: int, picture: Picture, source: Source) -> None:
        self.pictures_received += 1
        self._on_ready(slot, picture, source)

    def _prepare(self, data: bytes) -> tuple[Picture, Source]:
        picture = decode_picture(data)
        wanted = (self._picture_size, self._picture_size, 3)
        if picture.shape != wanted:
            raise BitstreamError(f"the source picture has the shape {picture.shape}, not {wanted}")
        if self._remembered is not None:
            self._remembered.keep(data)
        return picture, self._talker.prepare(picture)
