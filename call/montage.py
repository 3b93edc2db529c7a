"""Three films side by side under their names: original, redrawn, H.264. Knows pictures and words only."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

PANEL_SIDE = 384
BAR_HEIGHT = 56
INK = (235, 235, 235)
FAINT = (170, 170, 170)


def side_by_side(films: Sequence[Sequence[Picture]], titles: Sequence[tuple[str, str]]) -> Iterator[Picture]:
    """Yield uint8 [440, 384 n, 3] pictures: the n films' frames at 384 x 384, each under two lines of text."""
    bar = np.hstack([title_bar(*title) for title in titles])
    for frames in zip(*films, strict=True):
        panels = [
            cv2.resize(frame, (PANEL_SIDE, PANEL_SIDE), interpolation=cv2.INTER_CUBIC) for frame in frames
        ]
        yield np.vstack([bar, np.hstack(panels)])


def title_bar(title: str, subtitle: str) -> Picture:
    """Draw a panel's name and what it costs, uint8 [56, 384, 3]."""
    bar = np.full((BAR_HEIGHT, PANEL_SIDE, 3), 24, np.uint8)
    cv2.putText(bar, title, (12, 24), cv2.FONT_HERSHEY_DUPLEX, 0.62, INK, 1, cv2.LINE_AA)
    cv2.putText(bar, subtitle, (12, 46), cv2.FONT_HERSHEY_DUPLEX, 0.45, FAINT, 1, cv2.LINE_AA)
    return bar
