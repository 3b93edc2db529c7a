"""Records the other side of a call to a file: what is seen, with a visible mark, and what is heard.

Pictures come from the drawing thread and sound from the event loop; the writer's own thread does the work. Knows no
call.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import platformdirs

from receiver.marks import fit, mark
from receiver.output import Picture
from receiver.parts import left_over
from receiver.timeline import Timeline
from receiver.video_file import VideoFile
from receiver.writer import Writer

if TYPE_CHECKING:
    from receiver.playout import Shown

MARK = "REDRAWN BY VISAVIS, RECORDED"
FILMED_MARK = "RECORDED WITH VISAVIS"


class CallRecorder:
    """One recording after another, each in a file of its own in `folder` (the user's videos, if not given).

    on_error: called from any thread, once, with what ends a recording; `stop` is still to be called.
    """

    def __init__(self, *, folder: Path | None = None, on_error: Callable[[Exception], None]) -> None:
        self._folder = folder
        self._on_error = on_error
        self._told: Exception | None = None
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._path = Path()
        self._timeline = Timeline()
        self._size: tuple[int, int] | None = None  # height and width of all, as the first one has them

    def start(self) -> str:
        """Begin a file and return its name. Raises OutputError where it cannot be written."""
        folder = self._folder or platformdirs.user_videos_path()
        with suppress(OSError):  # told when the file is opened
            folder.mkdir(parents=True, exist_ok=True)
        path = folder / time.strftime("Visavis %Y-%m-%d %H.%M.%S.mp4")
        # One that began within this second may not be complete yet: its part goes when its file is there, not before.
        while left_over(path) or path.exists():
            path = path.with_stem(f"{path.stem}-2")
        writer = Writer(VideoFile(path, sound=True), on_error=self._tell)
        with self._lock:
            self._writer, self._path, self._timeline, self._size = writer, path, Timeline(), None
        return str(path)

    def stop(self, on_ended: Callable[[str | None], None]) -> None:
        """Complete the file, on a thread that the event loop waits for at its end; `on_ended` is called there with
        its name, or None where there was no picture to save."""
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is not None:
            asyncio.get_running_loop().run_in_executor(None, self._complete, writer, self._path, on_ended)

    def show(self, shown: Shown, picture: Picture, at_s: float) -> None:
        """Record a picture that is shown at `at_s` (monotonic seconds)."""
        with self._lock:
            if self._writer is not None:
                self._writer.put(mark(self._fitted(picture), MARK), self._timeline.stamp_s(shown, at_s))

    def film(self, picture: Picture, at_s: float) -> None:
        """Record a picture of ordinary video that is shown at `at_s` (monotonic seconds)."""
        with self._lock:
            if self._writer is not None:
                marked = mark(self._fitted(picture), FILMED_MARK)
                self._writer.put(marked, self._timeline.pass_s(at_s))

    def hear(self, samples: npt.NDArray[np.int16], ticks: float | None, heard_s: float) -> None:
        """Record 20 ms of sound, captured from `ticks` on, None where that is not known, and heard at `heard_s`
        (monotonic seconds)."""
        with self._lock:
            if ticks is not None:
                self._timeline.begin(ticks)
            at_s = None if ticks is None else self._timeline.place_s(ticks, heard_s)
            if self._writer is not None and at_s is not None:
                self._writer.put_sound(samples, at_s)

    def _fitted(self, picture: Picture) -> Picture:
        if self._size is None:
            # H.264's halved colour planes want even sides; what a stranger films need not have them.
            height, width = (max(side - side % 2, 2) for side in picture.shape[:2])
            self._size = height, width
        return fit(picture, *self._size)

    def _complete(self, writer: Writer, path: Path, on_ended: Callable[[str | None], None]) -> None:
        try:
            writer.finish()
        except Exception as error:  # told to the person; nobody waits for this thread
            self._tell(error)
            return
        on_ended(str(path) if path.exists() else None)

    def _tell(self, error: Exception) -> None:
        if error is not self._told:  # what failed while it was written fails once more at the end
            self._told = error
            self._on_error(error)
