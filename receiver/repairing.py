"""Repairs: the motion that a residual code belongs to is drawn once more, corrected, and becomes a source picture.

It knows what a repair is; how transfers are put together and answered is `receiver.preparing`'s business. All methods
run on the event loop.
"""

from collections.abc import Callable

from codec.decoder import MotionDecoder
from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.picture import Picture
from codec.repair import decode_repair
from codec.residual import ResidualFormat, decode_residual
from codec.transfer import PictureReady, PictureRefused, ResidualPiece
from receiver.preparing import Preparing
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
        self._preparing = Preparing(self._repair, send=send, on_ready=on_ready, on_error=on_error)

    def add(self, message: ResidualPiece) -> None:
        """Take a piece. Raises BitstreamError where it cannot be, after having refused the transfer."""
        self._preparing.add(message.piece)

    async def close(self) -> None:
        """Stop repairing; what is being computed ends by itself, without effect."""
        await self._preparing.close()

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
