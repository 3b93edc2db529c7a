"""What comes in pieces over the reliable channel becomes a source picture: put together, made on a thread, one at a
time, the newest for each slot and so many in a second at most, and every transfer answered. It does not know what the
pieces make: a picture for the gallery or a repair. All methods run on the event loop.
"""

import asyncio
from collections.abc import Callable

from codec.errors import BitstreamError
from codec.packet import MAX_SOURCES
from codec.picture import Assembled, Picture, PictureAssembler
from codec.transfer import PicturePiece, PictureReady, PictureRefused
from runtime.talker import Source

# Making one keeps a core busy for some 30 ms, and the bytes of a tiny picture come in no time. A gallery's worth of
# them, as an earlier call may have left, is made at once, and then as many as a mirror that looks twice a second wants.
AT_ONCE = MAX_SOURCES
INTERVAL_S = 0.5


class Preparing:
    """Answers transfers with PictureReady or PictureRefused.

    Parameters
    ----------
    make
        Called on a thread with a whole transfer's bytes; returns the picture (SxSx3 RGB uint8) and its source, or
        raises BitstreamError where the bytes are at fault.
    send
        Sends an answer to the other side.
    on_ready
        Called with the slot, the picture and its source when all is ready, before the answer.
    on_error
        Called with what else `make` raised: no fault of the bytes, and the end of the call.
    """

    def __init__(
        self,
        make: Callable[[bytes], tuple[Picture, Source]],
        *,
        send: Callable[[PictureReady | PictureRefused], None],
        on_ready: Callable[[int, Picture, Source], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._make = make
        self._send = send
        self._on_ready = on_ready
        self._on_error = on_error
        self._assembler = PictureAssembler()
        self._todo: dict[int, Assembled] = {}  # the newest transfer for each slot
        self._task: asyncio.Task[None] | None = None
        self._booked_s = 0.0  # until when the pictures made so far would take, one in each interval

    def add(self, piece: PicturePiece) -> None:
        """Take a piece. Raises BitstreamError where it cannot be, after having refused the transfer."""
        try:
            assembled = self._assembler.add(piece)
        except BitstreamError:
            self._send(PictureRefused(piece.transfer, "its pieces do not make a whole"))
            raise
        if assembled is not None:
            self.put(assembled)

    def put(self, assembled: Assembled) -> None:
        """Take a whole transfer."""
        if (overtaken := self._todo.get(assembled.slot)) is not None:
            self._send(PictureRefused(overtaken.transfer, "a newer one took its place"))
        self._todo[assembled.slot] = assembled
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._make_all())

    async def close(self) -> None:
        """Stop; what is being computed ends by itself, without effect."""
        self._todo.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _make_all(self) -> None:
        while self._todo:
            await self._wait_for_room()  # where the newest of a slot takes an older one's place
            assembled = self._todo.pop(next(iter(self._todo)))
            try:
                picture, source = await asyncio.to_thread(self._make, assembled.data)
            except BitstreamError as error:
                self._send(PictureRefused(assembled.transfer, str(error)[:100]))
            except Exception as error:
                self._on_error(error)
                return
            else:
                self._on_ready(assembled.slot, picture, source)
                self._send(PictureReady(assembled.transfer, assembled.slot))

    async def _wait_for_room(self) -> None:
        now_s = asyncio.get_running_loop().time()
        self._booked_s = max(self._booked_s, now_s) + INTERVAL_S
        await asyncio.sleep(max(self._booked_s - AT_ONCE * INTERVAL_S - now_s, 0.0))
