"""Residual codes as the mirror asks for them: what a redrawn picture lacks, coded with the motion that it was drawn of,
and what the receiver will make of it. It knows neither when a picture is at fault nor how a repair travels.

The repaired picture becomes a source picture at the receiver, in a slot of its own: what was brought into the picture
is then warped with all the rest for as long as it stays, at no further cost, and the picture drawn from before is still
there for when it goes. A correction added to every frame by itself would have to be moved with the thing that it shows.
"""

from __future__ import annotations

import cv2
import numpy as np

from codec.encoder import MotionEncoder
from codec.format import MotionFormat
from codec.repair import Repair, encode_repair
from codec.residual import ResidualFormat, encode_residual
from runtime.repairer import Repairer
from runtime.talker import Talker
from sender.bring import Correction, Seen

# Cells of the fault map are looked at as wholes: an object's edge may lie in the one beside.
AROUND = np.ones((3, 3), np.uint8)
# A larger fault is a new picture's business; at 256 x 256 so many cells are a quarter of the picture.
MOST_SHARE = 0.25


class ResidualCorrector:
    """Makes corrections; called on one thread.

    talker: redraws the motion as the repair's own packet carries it.
    """

    def __init__(
        self,
        talker: Talker,
        repairer: Repairer,
        motion_format: MotionFormat,
        residual_format: ResidualFormat,
    ) -> None:
        self._talker = talker
        self._repairer = repairer
        self._encoder = MotionEncoder(motion_format)
        self._residual_format = residual_format

    def __call__(self, seen: Seen, drawn: np.ndarray, where: np.ndarray) -> Correction | None:
        """Code what a redrawn picture lacks of the frame seen, over cells bool [16, 16]; None where that is nothing.

        drawn: uint8 [S, S, 3], of the motion that the receiver has; what is corrected is drawn of the same motion as
        the repair carries it, rounded, and hardly differs.
        """
        codes = self._codes(seen.picture, drawn, where)
        if not codes.any():
            return None
        packet = self._encoder.encode(seen.motion, captured_s=seen.captured_s, source=seen.held.slot)
        motion = self._encoder.last
        assert motion is not None, "it was just coded"
        again = self._talker.draw(
            seen.held.source.prepared, motion.rotation, motion.translation, motion.expression
        )
        codes = self._codes(seen.picture, again, where)
        data = encode_repair(Repair(packet, encode_residual(codes, self._residual_format)))
        return Correction(data, self._repairer.repair(again, codes))

    def _codes(self, picture: np.ndarray, drawn: np.ndarray, where: np.ndarray) -> np.ndarray:
        return codes_at(self._repairer, picture, drawn, where)


def codes_at(repairer: Repairer, picture: np.ndarray, drawn: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the codes int8 [32, S/8, S/8] of what a redrawn picture lacks at a fault, cells bool [16, 16]."""
    side = repairer.side
    near = cv2.dilate(where.astype(np.uint8), AROUND)
    near = cv2.resize(near, (side, side), interpolation=cv2.INTER_NEAREST)
    most = round(MOST_SHARE * side * side)
    return repairer.residual_encode(picture, drawn).codes(within=near != 0, most=most)
