"""What mends a redrawn picture: a residual code over a fault; and where somebody asked for a repair, whether or not a
fault was seen, what would make the picture better, if anything would. It knows no slots and no line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime.talker import Talker
from sender.bring import Coded, Correction, Corrector, Seen
from sender.distance import Floats, cell_distances, look_at
from sender.redrawn import Redrawn, draw_from
from sender.repair import CALM, RESIDUAL_SHARE, Faults, fault_of
from sender.source import SourcePicture, corrected, make_fine_source, make_source


def correct(corrector: Corrector, redrawn: Redrawn, where: np.ndarray, *, fault: Faults) -> Correction | None:
    """Code what a fault lacks, over cells bool [16, 16]; None where it cannot be, or is at fault still: then a picture
    is better."""
    correction = corrector(redrawn.seen, redrawn.picture, where)
    if correction is None or fault(redrawn.distances_of(correction.picture)) >= CALM:
        return None
    return correction


def draws_calmly(talker: Talker, source: SourcePicture, frames: Sequence[Seen], calm: Floats) -> bool:
    """Say whether all of these frames are drawn from a picture without a fault, by the cells' usual distances
    [16, 16]."""
    for seen in frames:
        cells = cell_distances(look_at(seen.picture), look_at(draw_from(talker, seen, source)))
        if fault_of(cells, calm) >= CALM:
            return False
    return True


def mend(
    talker: Talker,
    frames: Sequence[Redrawn],
    *,
    corrector: Corrector | None,
    picture_bytes: int,
    finely: bool,
) -> tuple[SourcePicture, Coded] | None:
    """Return a source picture from which all of these frames are drawn better, and how it is coded; None where there is
    none. The last frame is what it shows: how well that one is drawn says little, so there should be an earlier one.

    It is a residual code over the cells that are drawn worst where that helps in less than `picture_bytes`, else the
    frame itself, `finely` coded or not. corrector: None leaves residual codes out.
    """

    def helps(source: SourcePicture) -> bool:
        return all(each.is_worse_than(draw_from(talker, each.seen, source)) for each in frames)

    newest = frames[-1]
    if corrector is not None:
        worst = np.zeros(newest.cells.size, bool)
        worst[np.argsort(newest.cells, axis=None)[-round(RESIDUAL_SHARE * worst.size) :]] = True
        correction = corrector(newest.seen, newest.picture, worst.reshape(newest.cells.shape))
        if correction is not None and len(correction.data) < picture_bytes:
            source = corrected(correction.picture, correction.data, talker)
            if helps(source):
                return source, "residual"
    source = (make_fine_source if finely else make_source)(newest.seen.picture, talker)
    return (source, "picture") if helps(source) else None
