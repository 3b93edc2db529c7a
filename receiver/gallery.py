"""The gallery: source pictures arrive in pieces, are prepared off the event loop, and fill up to four slots.

It answers each transfer (ready or refused) and knows nothing of motions, time or outputs. All methods run on
the event loop; only decoding and the source graph run on a thread, one picture at a time.
"""

import asyncio
from collections.abc import Callable

from codec.control import PictureOffer, PicturePiece, PictureReady, PictureRefused
from codec.errors import BitstreamError
from codec.picture import Assembled, Picture, PictureAssembler, decode_picture
from receiver.remembered import Remembered
from runtime.talker import Source, Talker


class Gallery:
    """Holds the prepared source pictures of the call.

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
        self._on_error = on_error
        self._remembered = remembered
        self._assembler = PictureAssembler()
        self._todo: dict[int, Assembled] = {}  # the newest picture for each slot
        self._task: asyncio.Task[None] | None = None
        self._seeking: asyncio.Task[None] | None = None

    def add(self, piece: PicturePiece) -> None:
        """Take a piece. Raises BitstreamError where it cannot be, after having refused the transfer."""
        try:
            assembled = self._assembler.add(piece)
        except BitstreamError:
            self._send(PictureRefused(piece.transfer, "its pieces make no whole picture"))
            raise
        if assembled is not None:
            self._put(assembled)

    def offer(self, offer: PictureOffer) -> None:
        """Take the picture from an earlier call, or say that it has to be sent."""
        if self._remembered is None or (self._seeking is not None and not self._seeking.done()):
            self._send(PictureRefused(offer.transfer, "it is not remembered here"))
            return
        self._seeking = asyncio.get_running_loop().create_task(self._seek(offer, self._remembered))

    async def _seek(self, offer: PictureOffer, remembered: Remembered) -> None:
        data = await asyncio.to_thread(remembered.find, offer.digest)
        if data is None:
            self._send(PictureRefused(offer.transfer, "it is not remembered here"))
        else:
            self._put(Assembled(offer.slot, offer.transfer, data))

    def _put(self, assembled: Assembled) -> None:
        if (overtaken := self._todo.get(assembled.slot)) is not None:
            self._send(PictureRefused(overtaken.transfer, "a newer picture took its place"))
        self._todo[assembled.slot] = assembled
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._prepare_all())

    async def close(self) -> None:
        """Stop preparing; what is being computed ends by itself, without effect."""
        self._todo.clear()
        tasks = [task for task in (self._seeking, self._task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _prepare_all(self) -> None:
        while self._todo:
            assembled = self._todo.pop(next(iter(self._todo)))
            try:
                picture, source = await asyncio.to_thread(self._prepare, assembled.data)
            except BitstreamError as error:
                self._send(PictureRefused(assembled.transfer, str(error)[:100]))
            except Exception as error:
                self._on_error(error)
                return
            else:
                self.pictures_received += 1
                self._on_ready(assembled.slot, picture, source)
                self._send(PictureReady(assembled.transfer, assembled.slot))

    def _prepare(self, data: bytes) -> tuple[Picture, Source]:
        picture = decode_picture(data)
        wanted = (self._picture_size, self._picture_size, 3)
        if picture.shape != wanted:
            raise BitstreamError(f"the source picture has the shape {picture.shape}, not {wanted}")
        if self._remembered is not None:
            self._remembered.keep(data)
        return picture, self._talker.prepare(picture)
