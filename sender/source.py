"""The source picture: found in the first frames of an input or in a file, coded, and prepared from its coded
form, so that both sides draw from the same picture. It does not know how it travels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.picture import decode_picture, encode_picture
from runtime.talker import Source, Talker
from sender.capture import Frame
from sender.choose import SourceChooser
from sender.clips import read_picture
from sender.errors import InputError
from sender.observe import Observer

# Where in a clip a first face is looked for, before the clip counts as having none.
SEARCH_S = 60.0
CONFIRM_EVERY_S = 0.2


@dataclass(frozen=True)
class SourcePicture:
    """A source picture (uint8 SxSx3) as the receiver will have it, its code, and its features."""

    picture: np.ndarray
    data: bytes
    prepared: Source


def make_source(picture: np.ndarray, talker: Talker) -> SourcePicture:
    """Code a picture (uint8 SxSx3) and prepare what the code decodes to."""
    data = encode_picture(picture)
    decoded = decode_picture(data)
    return SourcePicture(decoded, data, talker.prepare(decoded))


def picture_of_file(path: Path, observer: Observer, talker: Talker) -> np.ndarray:
    """Return the face's crop of a picture file; raises InputError where it is no picture or shows no face."""
    # The motion graph sees a face in anything; that there is one, the locate graph says, here and below.
    view = observer.observe(read_picture(path), at_s=0.0, source=None)
    if view is None or talker.locate(view.picture) is None:
        raise InputError(f"No face was found in {path}; name a picture that shows one from the front.")
    return view.picture


def find_picture(
    frames: Iterator[Frame],
    observer: Observer,
    talker: Talker,
    *,
    name: str,
    chosen: bool,
    search_s: float | None,
) -> np.ndarray | None:
    """Return the first picture with a face, or the best of a second from then on where `chosen`.

    frames: in their order, from the input's beginning. search_s: how far to look for a face; None looks on
    until the frames end, which of a live input is the user's doing, so None is returned then. Raises
    InputError where no face is found.
    """
    chooser = SourceChooser()
    located = broken_off = False
    looked_s = -math.inf
    for frame in frames:
        if search_s is not None and frame.captured_s > search_s and not located:
            broken_off = True
            break
        view = observer.observe(frame.picture, at_s=frame.captured_s, source=None)
        if view is None:
            continue
        if not located and frame.captured_s - looked_s >= CONFIRM_EVERY_S:
            looked_s = frame.captured_s
            located = talker.locate(view.picture) is not None
        if not located:
            continue
        if not chosen:
            return view.picture
        keypoints = talker.keypoints_of(None, view.rotation, view.translation, view.expression)
        if chooser.add(view.picture, view.rotation, keypoints, at_s=frame.captured_s):
            break
    if located:
        return chooser.best()
    if search_s is None:
        return None
    raise InputError(
        f"No face was found in {name}{' within its first minute' if broken_off else ''}: "
        "it takes a person who looks towards the camera."
    )
