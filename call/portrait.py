"""A camera for machines without one: a portrait that a motion recording brings to life.

The portrait is scikit-image's picture of the astronaut Eileen Collins (NASA, public domain). What comes out is a
square film, as lossless as a camera's picture; the call that is held with it knows nothing of how it was made.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from call.errors import CallError
from call.recording import Recording
from runtime.installed import how_to_add

if TYPE_CHECKING:
    from runtime.talker import Talker

Picture = NDArray[np.uint8]

# The square about the face in the 512 x 512 portrait: top, left, side in pixels. It frames the head as a
# laptop's camera does.
PORTRAIT_SQUARE = (0, 100, 240)


def load_portrait(size: int) -> Picture:
    """Return the portrait, uint8 [size, size, 3] RGB. Raises CallError where scikit-image is not installed."""
    try:
        from skimage.data import astronaut
    except ImportError as error:
        raise CallError(
            f"The demo's portrait comes with scikit-image, which is not installed: {how_to_add('demo')}; "
            "or name a clip: visavis demo clip.mp4"
        ) from error
    import cv2

    top, left, side = PORTRAIT_SQUARE
    square = astronaut()[top : top + side, left : left + side]
    kind = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (size, size), interpolation=kind), np.uint8)


def animate(talker: "Talker", portrait: Picture, recording: Recording, frames: int) -> Iterator[Picture]:
    """Draw `frames` pictures of the portrait moving as the recording does, over and over, there and back.

    The recording's differences from rest are added to the portrait's own pose and expression.
    """
    source = talker.prepare(portrait)
    if recording.expression.shape[1] != len(source.expression):
        raise CallError("The motion recording was made with another profile: it has other keypoints.")
    for index in range(frames):
        at = there_and_back(index, len(recording))
        yield talker.draw(
            source,
            source.rotation + recording.rotation[at],
            source.translation + recording.translation[at],
            source.expression + recording.expression[at],
        )


def there_and_back(index: int, length: int) -> int:
    """Return where in 0..length-1 a film that is played forwards, then backwards, stands at frame `index`.

    >>> [there_and_back(index, 3) for index in range(7)]
    [0, 1, 2, 1, 0, 1, 2]
    """
    if length == 1:
        return 0
    at = index % (2 * (length - 1))
    return at if at < length else 2 * (length - 1) - at


def film_portrait(talker: "Talker", *, size: int, recording: Recording, seconds: float, path: Path) -> None:
    """Write `seconds` of the living portrait to the video file `path`."""
    from call.film import write_film

    frames = max(1, round(seconds * recording.frame_rate))
    pictures = animate(talker, load_portrait(size), recording, frames)
    write_film(path, pictures, frame_rate=recording.frame_rate)
