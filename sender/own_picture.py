"""The sender's own source picture from call to call, kept on disk where the user agrees. A receiver that remembers it
too then has nothing to wait for. It is used again only where what the camera sees now is drawn well from it: the same
person in the same light. It knows nothing of how pictures travel."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from codec.errors import BitstreamError
from codec.picture import MAX_PICTURE_BYTES, decode_picture
from runtime.talker import Talker
from sender.distance import cell_distances, look_at
from sender.source import SourcePicture

# The mean over the cells: of frames of 22 clips of strangers, drawn from their own first picture, half are below .17
# and three quarters below .23.
AS_GOOD = 0.2


class OwnPicture:
    """The picture in one file; each method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self, seen: np.ndarray, talker: Talker) -> SourcePicture | None:
        """Return the last call's picture, prepared, where the crop seen now (uint8 SxSx3) is drawn well from it."""
        with contextlib.suppress(OSError, BitstreamError):
            if self._path.stat().st_size > MAX_PICTURE_BYTES:
                return None
            data = self._path.read_bytes()
            picture = decode_picture(data)
            if picture.shape != seen.shape:
                return None
            source = SourcePicture(picture, data, talker.prepare(picture), fine=True)
            drawn = talker.draw(source.prepared, *talker.estimate(seen, source.prepared))
            if cell_distances(look_at(seen), look_at(drawn)).mean() <= AS_GOOD:
                return source
        return None

    def keep(self, data: bytes) -> None:
        """Keep a picture's code, for nobody else to read."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self._path.with_suffix(".part")
            unfinished.touch(mode=0o600)
            unfinished.write_bytes(data)
            unfinished.replace(self._path)
