"""The picture that a call begins with: a file's, an earlier call's, or one of the input's first second; and a smaller
code of it for a slow line. It works on the motion thread, but for `keep`, and knows nothing of the wire."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from runtime.talker import Talker
from sender.capture import Input
from sender.crop import Crop
from sender.observe import Observer
from sender.own_picture import OwnPicture
from sender.reader import Reader
from sender.settings import WantedSource
from sender.source import (
    SEARCH_S,
    SourcePicture,
    find_picture,
    first_picture_bytes,
    make_fine_source,
    picture_of_file,
    smaller,
)


class FirstSource:
    """Finds the first source picture.

    observer: sees what the call's own frames show, with notices for the user; what is read twice, and a file, is looked
    at through a crop of `quiet_crop`'s instead, which tells nobody. wanted: chosen in the first second, the first, or a
    file. own: an earlier call's picture, if there may be one.
    """

    def __init__(
        self,
        talker: Talker,
        source_input: Input,
        reader: Reader,
        observer: Observer,
        *,
        wanted: WantedSource,
        quiet_crop: Callable[[], Crop],
        own: OwnPicture | None,
    ) -> None:
        self._talker = talker
        self._input = source_input
        self._reader = reader
        self._observer = observer
        self._wanted = wanted
        self._quiet_crop = quiet_crop
        self._own = own
        self._recalls = True
        self.seen_s: float | None = None  # when a camera saw it, in `time.monotonic()` seconds

    def forget(self) -> None:
        """Take no earlier call's picture from now on: another one is wanted."""
        self._recalls = False

    def find(self) -> SourcePicture | None:
        """Find, code and prepare it; None where a live input was ended before anybody was to be seen.

        Raises InputError where there is no face.
        """
        if isinstance(self._wanted, Path):
            quiet = Observer(self._talker, self._quiet_crop())
            return make_fine_source(picture_of_file(self._wanted, quiet, self._talker), self._talker)
        opening = self._input.opening()
        if opening is None:
            self._reader.start()
            frames, observer = self._reader.frames(), self._observer
        else:
            frames = itertools.takewhile(lambda _: not self._reader.ended, opening)
            observer = Observer(self._talker, self._quiet_crop())
        picture = find_picture(
            frames,
            observer,
            self._talker,
            name=self._input.name,
            chosen=self._wanted == "chosen",
            search_s=None if opening is None else SEARCH_S,
            recall=self._recall,
        )
        self.seen_s = time.monotonic() if opening is None else None
        if picture is None or isinstance(picture, SourcePicture):
            return picture
        return make_fine_source(picture, self._talker)

    def _recall(self, seen: np.ndarray) -> SourcePicture | None:
        return self._own.recall(seen, self._talker) if self._own is not None and self._recalls else None

    async def keep(self, source: SourcePicture) -> None:
        """Keep a picture for the next call, if that may be."""
        if self._own is not None and not isinstance(self._wanted, Path):
            await asyncio.to_thread(self._own.keep, source.data)

    def fitting(
        self, source: SourcePicture, *, limit_bps: float | None, round_trip_s: float | None
    ) -> SourcePicture:
        """Return what the call is to begin with: the source picture, or a smaller code of it where the line is slow."""
        most_bytes = first_picture_bytes(limit_bps=limit_bps, round_trip_s=round_trip_s)
        return (
            source if len(source.data) <= most_bytes else smaller(source, self._talker, most_bytes=most_bytes)
        )
