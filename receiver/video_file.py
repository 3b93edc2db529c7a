"""A recording that nothing takes away: what was written so far plays, whenever the program is stopped. It is written in
fragments of half a second to a part beside its target (`receiver.parts`), and made a plain file with its index in front
at the end."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from receiver.errors import OutputError
from receiver.parts import claim_part, spare, told
from receiver.sound_track import SoundTrack

VIDEO_FORMATS = {".mp4": "mp4", ".mkv": "matroska"}
# What a sudden end costs at most, beside the dozen pictures that the encoder looks ahead.
FRAGMENT_S = 0.5
# No fragment waits for longer for sound that does not come.
SOUND_WAIT_S = 1.0
# Sound that has not come so long after its pictures does not come: the track goes on in silence, so that sound which
# begins late in a long recording is neither taken for a clock that leapt nor has to wait for all the silence before it.
SILENT_AFTER_S = 2.0
# The index of an MP4 comes with the first fragment (delay_moov): only then is known what the times begin with.
PART_OPTIONS = {"flush_packets": "1", "max_interleave_delta": str(round(SOUND_WAIT_S * 1e6))}
FRAGMENT_OPTIONS = {
    "mp4": {"movflags": "+delay_moov+default_base_moof", "frag_duration": str(round(FRAGMENT_S * 1e6))},
    "matroska": {"cluster_time_limit": str(round(FRAGMENT_S * 1e3))},
}
# Fine enough for 1/60 s ticks, 25 and 30 frames a second, and for two pictures at nearly the same time.
TIME_BASE = Fraction(1, 600)
# Close to what was drawn: a recording shows the codec's faults, not the file's. Small and cheap all the same.
X264_OPTIONS = {"preset": "veryfast", "crf": "15"}
# Only a hint for the encoder's rate control; the time stamps say when a picture is shown.
NOMINAL_RATE = 30
BT601 = 5  # the matrix that RGB is converted with (AVCOL_SPC_BT470BG), told to the players


class VideoFile:
    """An H.264 file (yuv420p, index in front) that plays in browsers, with the times it was given.

    With `sound` it has a sound track as well (AAC, mono), for what `write_sound` is given. A file that is there already
    is replaced with `overwrite` only; without it that is an OutputError, at once, and where it comes into being later.
    """

    def __init__(self, target: Path, *, sound: bool = False, overwrite: bool = False) -> None:
        self._target = target
        self._overwrite = overwrite
        self._with_sound = sound
        # Whoever gives up waiting for the end of a call discards what a thread still writes, and FFmpeg bears no two.
        self._lock = threading.RLock()
        self._discarded = False
        self._sound: SoundTrack | None = None
        self._stream: av.VideoStream | None = None
        self._format = VIDEO_FORMATS[target.suffix.lower()]
        with told(target):
            self._spare()
            self._part = claim_part(target)  # the plainest of errors come here, before a picture is drawn
            # Also where the program ends by an exception that nobody caught.
            self._cleanup = weakref.finalize(self, _remove_unless_it_plays, self._part)
            options = PART_OPTIONS | FRAGMENT_OPTIONS[self._format]
            self._container = av.open(str(self._part), "w", format=self._format, options=options)

    def write(self, picture: npt.NDArray[np.uint8], at_s: float) -> None:
        """Encode one picture. Raises OutputError."""
        with self._lock, self._told():
            if self._discarded:
                return
            if self._stream is None:
                self._stream = self._open_stream(*picture.shape[:2])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(at_s / TIME_BASE), TIME_BASE
            self._container.mux(self._stream.encode(frame))
            if self._sound is not None:
                self._sound.reach(at_s - SILENT_AFTER_S)

    def _open_stream(self, height: int, width: int) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=NOMINAL_RATE, options=X264_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        stream.codec_context.thread_count = 1  # the networks need the cores more
        stream.codec_context.colorspace = BT601
        if self._with_sound:  # the file's header names all streams
            self._sound = SoundTrack(self._container)
        return stream

    def write_sound(self, samples: npt.NDArray[np.int16], at_s: float) -> None:
        """Code sound, if there is a track for it. Raises OutputError."""
        with self._lock, self._told():
            if self._sound is not None and not self._discarded:
                self._sound.write(samples, at_s)

    def finish(self) -> None:
        """Make a plain file of the fragments, with its index in front, and give it its name. Raises OutputError."""
        with self._lock:
            if self._stream is None:
                self.discard()
            elif not self._discarded:
                self._complete(self._stream)

    def discard(self) -> None:
        """Close the unfinished file, and remove it where it holds no picture; a recording stays where it is."""
        with self._lock:
            self._discarded = True
            with suppress(av.FFmpegError, OSError):  # it is as long as it could be
                self._container.close()
            self._cleanup()

    def _complete(self, stream: av.VideoStream) -> None:
        with self._told():
            self._container.mux(stream.encode(None))
            if self._sound is not None:
                self._sound.finish()
            self._container.close()
            self._spare()  # somebody else's, that was finished meanwhile
            if self._format == "mp4":
                _rewrite(self._part, self._target)
                self._part.unlink()
            else:
                os.replace(self._part, self._target)
        self._cleanup.detach()

    def _spare(self) -> None:
        if not self._overwrite:
            spare(self._target)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell an error as a sentence that names the output, and where its pictures are."""
        try:
            with told(self._target):
                yield
        except OutputError as error:
            if not plays(self._part):
                raise
            raise OutputError(f"{error} What was recorded until then is in {self._part}.") from error


def plays(video: Path) -> bool:
    """Say whether there is a picture in a file."""
    try:
        with av.open(str(video)) as container:
            return next(container.decode(container.streams.video[0]), None) is not None
    except (av.FFmpegError, OSError, IndexError):
        return False


def _rewrite(fragments: Path, target: Path) -> None:
    """Write the streams of an MP4 in fragments as one that can be searched, under its final name when it is whole."""
    whole = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            av.open(str(fragments)) as read,
            av.open(str(whole), "w", format="mp4", options={"movflags": "+faststart"}) as written,
        ):
            streams = {stream.index: written.add_stream_from_template(stream) for stream in read.streams}
            for packet in read.demux():
                if packet.dts is not None:  # the empty one at the end has none
                    packet.stream = streams[packet.stream.index]
                    written.mux(packet)
        os.replace(whole, target)
    finally:
        whole.unlink(missing_ok=True)


def _remove_unless_it_plays(part: Path) -> None:
    if not plays(part):
        with suppress(OSError):  # its folder is gone
            part.unlink(missing_ok=True)
