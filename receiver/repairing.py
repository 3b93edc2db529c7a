"""Repairs: residual codes arrive in pieces with the motion that they belong to, which is drawn once more, corrected,
and becomes a source picture.

It answers each transfer as the gallery does, and knows nothing of time or outputs. All methods run on the event loop;
only the drawing runs on a thread, one repair at a time.
"""

import asyncio
from collections.abc import Callable

from codec.control import PictureReady, PictureRefused, ResidualPiece
from codec.decoder import MotionDecoder
from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.picture import Assembled, Picture
from codec.repair import RepairAssembler, decode_repair
from codec.residual import ResidualFormat, decode_residual
from runtime.repairer import Repairer
from runtime.talker import Source, Talker


class Repairing:
    """Makes source pictures of the repairs of a call.

    Parameters
    ----------
    source_of
        Returns the source picture in a slot, None where there is none.
    send
        Sends an answer to the other side.
    on_ready
        Called with the slot, the repaired picture (SxSx3 RGB uint8) and its source when all is ready.
    on_error
        Called with what the talker raised: no fault of the code's, and the end of the call.
    """

    def __init__(
        self,
        talker: Talker,
        repairer: Repairer,
        motion_format: MotionFormat,
        residual_format: ResidualFormat,
        *,
        source_of: Callable[[int], Source | None],
        send: Callable[[PictureReady | PictureRefused], None],
        on_ready: Callable[[int, Picture, Source], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._talker = talker
        self._repairer = repairer
        self._motion_format = motion_format
        self._residual_format = residual_format
        self._source_of = source_of
        self._send = send
        self._on_ready = on_ready
        self._on_error = on_error
        self._assembler = RepairAssembler()
        self._todo: dict[int, Assembled] = {}  # the newest repair for each slot
        self._task: asyncio.Task[None] | None = None

    def add(self, message: ResidualPiece) -> None:
        """Take a piece. Raises BitstreamError where it cannot be, after having refused the transfer."""
        try:
            assembled = self._assembler.add(message)
        except BitstreamError:
            self._send(PictureRefused(message.piece.transfer, "its pieces make no whole repair"))
            raise
        if assembled is None:
            return
        if (overtaken := self._todo.get(assembled.slot)) is not None:
            self._send(PictureRefused(overtaken.transfer, "a newer repair took its place"))
        self._todo[assembled.slot] = assembled
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._repair_all())

    async def close(self) -> None:
        """Stop repairing; what is being computed ends by itself, without effect."""
        self._todo.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _repair_all(self) -> None:
        while self._todo:
            assembled = self._todo.pop(next(iter(self._todo)))
            try:
                picture, source = await asyncio.to_thread(self._repair, assembled.data)
            except BitstreamError as error:
                self._send(PictureRefused(assembled.transfer, str(error)[:100]))
            except Exception as error:
                self._on_error(error)
                return
            else:
                self._on_ready(assembled.slot, picture, source)
                self._send(PictureReady(assembled.transfer, assembled.slot))

    def _repair(self, data: bytes) -> tuple[Picture, Source]:
        repair = decode_repair(data)
        # A decoder of its own: a repair's motion stands alone, and is no news for the call's.
        motions = MotionDecoder(self._motion_format).decode(repair.packet)
        if len(motions) != 1:
            raise BitstreamError(f"a repair carries one motion, not {len(motions)}")
        source = self._source_of(motions[0].source)
        if source is None:
            raise BitstreamError(f"there is no source picture in slot {motions[0].source}")
        codes = decode_residual(repair.code, self._residual_format, side=self._repairer.side)
        motion = motions[0].motion
        drawn = self._talker.draw(source, motion.rotation, motion.translation, motion.expression)
        picture = self._repairer.repair(drawn, codes)
        return picture, self._talker.prepare(picture)
