"""Input of every kind as one thing: frames with the time at which they were captured. Clips are paced by
their own timestamps on `time.monotonic()` or read as fast as they go; cameras and streams come as they come.
What is in the pictures is nobody's business here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from sender.clips import FOLDER_RATE, Clip, FolderClip, VideoClip
from sender.errors import InputError
from sender.live import CAMERA_RATE, LiveSource, open_camera, open_stream

LIVE_SCHEMES = ("rtsp://", "rtsps://", "rtmp://", "udp://", "srt://")
# Later than this, the machine was stopped (a lid, a debugger) or cannot keep up: the clip goes on from here,
# since frames of a second ago would all come too late to be shown.
STALL_S = 1.0


@dataclass(frozen=True)
class Frame:
    """One whole picture: uint8 HxWx3 RGB, the `time.monotonic()` seconds it belongs to, its number from 0."""

    picture: np.ndarray
    captured_s: float
    index: int


class Input(Protocol):
    """Where frames come from. `opening` is None where the input cannot be read twice (camera, stream)."""

    name: str

    @property
    def frame_rate(self) -> float:
        """Frames a second, as the input says itself; the frames' times are what counts."""
        ...

    keeps_all: bool  # as fast as it goes: the reader sets the pace and no frame may be dropped

    @property
    def began_s(self) -> float | None:
        """When a clip's time was 0, in `time.monotonic()` seconds: later once it was held up. None before its first
        frame, and for what is live; from any thread."""
        ...

    def opening(self) -> Iterator[Frame] | None: ...

    def frames(self) -> Iterator[Frame]: ...

    def rest(self, on: bool, *, on_failed: Callable[[InputError], None]) -> None: ...

    def stop(self) -> None: ...

    def __enter__(self) -> Input: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_input(
    spec: str, *, realtime: bool = True, repeat_s: float | None = None, rests: bool = False
) -> Input:
    """Open a video file, a folder of pictures, a camera ("camera", "camera:1", "/dev/video0") or a stream
    (rtsp://...).

    realtime: clips are paced by their timestamps; otherwise they are read as fast as the consumer takes them.
    repeat_s: loop the clip for that many seconds. rests: a camera or a stream is left alone until it is wanted
    (`Input.rest`). Raises InputError with a sentence for the user.
    """
    if is_live(spec):
        camera = _camera_of(spec)
        if repeat_s is not None:
            raise InputError(f"{spec} is live and cannot be repeated; --repeat is for files and folders.")
        if not realtime:
            raise InputError(f"{spec} is live and comes no faster; --fast is for files and folders.")
        return LiveInput(
            spec, lambda: open_stream(spec) if camera is None else open_camera(camera), rests=rests
        )
    if not spec.strip():
        raise InputError(
            "The input has no name. Name a video, a folder of pictures, camera, or an rtsp:// address."
        )
    path = Path(spec).expanduser()
    if "://" in spec and not path.exists():
        raise InputError(
            f"{spec} cannot be read: an address begins with {', '.join(LIVE_SCHEMES[:-1])} or {LIVE_SCHEMES[-1]}. "
            "Download a video first, and name its file."
        )
    if not path.exists():
        raise InputError(
            f"{spec} does not exist. Name a video, a folder of pictures, camera, or an rtsp:// address."
        )
    clip = FolderClip(path) if path.is_dir() else VideoClip(path)
    return ClipInput(clip, realtime=realtime, repeat_s=repeat_s)


def is_live(spec: str) -> bool:
    """Say whether an input goes on until somebody stops it; raises InputError for a camera without a number."""
    return _camera_of(spec) is not None or spec.startswith(LIVE_SCHEMES)


def _camera_of(spec: str) -> int | str | None:
    if spec == "camera":
        return 0
    if spec.startswith("camera:"):
        number = spec.removeprefix("camera:")
        if not number.isdecimal():
            raise InputError(f"{spec} names no camera: write camera, camera:1, or /dev/video0.")
        return int(number)
    return spec if spec.startswith("/dev/video") else None


class ClipInput:
    """A clip played in real time, or read as fast as it goes, once or in a loop with continuous time."""

    def __init__(self, clip: Clip, *, realtime: bool, repeat_s: float | None = None) -> None:
        self.name = clip.name
        self.keeps_all = not realtime
        self.began_s: float | None = None  # see `Input`
        self._clip = clip
        self._repeat_s = repeat_s
        self._stopped = threading.Event()

    @property
    def frame_rate(self) -> float:
        """Frames a second, as the clip's file says."""
        return self._clip.frame_rate

    def opening(self) -> Iterator[Frame]:
        """Read the clip ahead of the call, without pacing; `captured_s` is the clip's own time."""
        for index, (media_s, picture) in enumerate(self._clip.pictures()):
            yield Frame(picture, media_s, index)

    def frames(self) -> Iterator[Frame]:
        """Yield the call's frames. Each is due at the start plus its timestamp: lateness never adds up."""
        start_s: float | None = None
        for index, (media_s, picture) in enumerate(self._timeline()):
            now_s = time.monotonic()
            if start_s is None:
                start_s = now_s
            wait_s = start_s + media_s - now_s
            if not self.keeps_all:
                if wait_s < -STALL_S:
                    start_s = now_s - media_s
                elif wait_s > 0:
                    self._stopped.wait(wait_s)
            if self._stopped.is_set():
                return
            self.began_s = start_s
            yield Frame(picture, start_s + media_s, index)

    def _timeline(self) -> Iterator[tuple[float, np.ndarray]]:
        origin_s = 0.0
        while True:
            count, last_s = 0, 0.0
            for last_s, picture in self._clip.pictures():
                if self._repeat_s is not None and origin_s + last_s >= self._repeat_s:
                    return
                yield origin_s + last_s, picture
                count += 1
            if self._repeat_s is None or not count:
                return
            # The last picture stays for as long as the others do on average.
            origin_s += last_s + (last_s / (count - 1) if count > 1 else 1 / FOLDER_RATE)

    def rest(self, on: bool, *, on_failed: Callable[[InputError], None]) -> None:
        """Do nothing: a clip holds no device, and its time goes on."""

    def stop(self) -> None:
        """Let `frames` end at once; from any thread."""
        self._stopped.set()

    def __enter__(self) -> ClipInput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class LiveInput:
    """A camera or a stream: each frame's time is the moment it came. `open_source` is called now, unless it `rests` at
    first, and again after each rest; raises InputError as it does."""

    began_s = None  # see `Input`
    keeps_all = False

    def __init__(self, name: str, open_source: Callable[[], LiveSource], *, rests: bool = False) -> None:
        self.name = name
        self._open = open_source
        self._source = None if rests else open_source()
        self._on_failed: Callable[[InputError], None] | None = None
        self._stopped = threading.Event()
        self._wanted = threading.Event()  # not while it rests
        if not rests:
            self._wanted.set()
        self._in_use = threading.Lock()

    @property
    def frame_rate(self) -> float:
        """Frames a second, as the device or stream says; what a camera is asked for, before it is there."""
        return CAMERA_RATE if self._source is None else self._source.frame_rate

    def opening(self) -> None:
        """Return None: what a camera saw cannot be seen again."""

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `stop` or the end of a stream. A device that goes away is rested where somebody is there
        to be told (`rest`), and raises InputError where not."""
        with self._in_use:
            index = 0
            if self._source is None:
                self._reopen()
            while self._source is not None and not self._stopped.is_set():
                # One more picture comes, so that whoever waits for it learns that no more will.
                rests = not self._wanted.is_set()
                try:
                    picture = self._source.read()
                except InputError as error:
                    if self._on_failed is None:
                        raise
                    if self._stopped.is_set():
                        return  # nobody is there any more to want it again
                    self._wanted.clear()
                    self._on_failed(error)
                    self._source.close()
                    self._reopen()
                    continue
                if picture is None:
                    return
                yield Frame(picture, time.monotonic(), index)
                index += 1
                if rests:
                    self._source.close()
                    self._reopen()

    def rest(self, on: bool, *, on_failed: Callable[[InputError], None]) -> None:
        """Let go of the device, so that its light goes out, or take it again; returns at once, from any thread.

        on_failed: is told, on the thread of `frames`, why it cannot be had; it rests on until the next wish.
        """
        self._on_failed = on_failed
        if on:
            self._wanted.clear()
        else:
            self._wanted.set()

    def _reopen(self) -> None:
        """Wait until the device is wanted again and take it."""
        while self._wanted.wait() and not self._stopped.is_set():
            try:
                self._source = self._open()
                return
            except InputError as error:
                self._wanted.clear()
                if self._stopped.is_set():
                    return
                if self._on_failed is not None:
                    self._on_failed(error)

    def stop(self) -> None:
        """Let `frames` end after the picture under way; from any thread."""
        self._stopped.set()
        self._wanted.set()

    def __enter__(self) -> LiveInput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        # A device must not be freed under a reader; one that hangs in its driver is left to the process's
        # end.
        if self._in_use.acquire(timeout=1.0):
            if self._source is not None:
                self._source.close()
            self._in_use.release()
