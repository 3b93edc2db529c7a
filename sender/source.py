"""The source picture: found in the first frames of an input or in a file, coded, and prepared from its coded
form, so that both sides draw from the same picture. It does not know how it travels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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
# A source picture's code costs face LPIPS in every picture drawn from it: .044 at quality 44, .015 at 70, .008 at 80,
# .004 at 88 (nine strangers' clips). At 80 a face of 256 x 256 takes 7 kB, once a call.
FINE_QUALITY = 80
# A first picture may take so long where the user limits the rate; else it may be so large, where even a small message
# takes its time or not. 4.5 kB are 2 s at 20 kbit/s.
FIRST_S = 0.7
LEAST_FIRST_BYTES, MOST_FIRST_BYTES = 1_500, 4_500
SLOW_ROUND_TRIP_S = 0.08
SLOW_FIRST_BYTES = 2_500
SMALLER_QUALITIES = (36, 28, 20, 12, 5)


@dataclass(frozen=True)
class SourcePicture:
    """A source picture (uint8 SxSx3) as the receiver will have it, its code, and its features; whether it is coded so
    that what is lost can hardly be seen."""

    picture: np.ndarray
    data: bytes
    prepared: Source
    fine: bool = False


def make_source(picture: np.ndarray, talker: Talker) -> SourcePicture:
    """Code a picture (uint8 SxSx3) and prepare what the code decodes to."""
    data = encode_picture(picture)
    decoded = decode_picture(data)
    return SourcePicture(decoded, data, talker.prepare(decoded))


def make_fine_source(picture: np.ndarray, talker: Talker) -> SourcePicture:
    """Do the same at a quality for which there is time on an idle line: some three times the bytes."""
    data = encode_picture(picture, quality=FINE_QUALITY)
    decoded = decode_picture(data)
    return SourcePicture(decoded, data, talker.prepare(decoded), fine=True)


def corrected(picture: np.ndarray, data: bytes, talker: Talker) -> SourcePicture:
    """Prepare the picture (uint8 SxSx3) that a repair makes, whose code (`codec.repair`) is `data`."""
    return SourcePicture(picture, data, talker.prepare(picture))


def first_picture_bytes(*, limit_bps: float | None, round_trip_s: float | None) -> int:
    """Return how large the picture may be that a call begins with.

    limit_bps: the user's, for all that is sent. round_trip_s: as it is before the picture, with a small message: on a
    narrow line even that takes its time.
    """
    slow = round_trip_s is not None and round_trip_s >= SLOW_ROUND_TRIP_S
    most_bytes = SLOW_FIRST_BYTES if slow else MOST_FIRST_BYTES
    if limit_bps is None:
        return most_bytes
    return min(most_bytes, max(LEAST_FIRST_BYTES, round(FIRST_S * limit_bps / 8)))


def smaller(source: SourcePicture, talker: Talker, *, most_bytes: int) -> SourcePicture:
    """Code a source picture anew in at most so many bytes, or as few as can be, to begin a call with."""
    data = smaller_code(source.picture, most_bytes=most_bytes)
    decoded = decode_picture(data)
    return SourcePicture(decoded, data, talker.prepare(decoded))


def smaller_code(picture: np.ndarray, *, most_bytes: int) -> bytes:
    """Return the best code of a picture (uint8 SxSx3) in at most so many bytes, or the smallest that there is."""
    for quality in SMALLER_QUALITIES:
        data = encode_picture(picture, quality=quality)
        if len(data) <= most_bytes:
            break
    return data


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
    recall: Callable[[np.ndarray], SourcePicture | None] = lambda picture: None,
) -> np.ndarray | SourcePicture | None:
    """Return the first picture with a face, or the best of a second from then on where `chosen`; or what `recall` gives
    for the first one, which is a picture of an earlier call.

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
            if located and (remembered := recall(view.picture)) is not None:
                return remembered
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
