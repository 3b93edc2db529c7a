"""Clips that tell whether lips and voice keep step, and the reading of it from a recording: now and then the head tilts
at once, and for as long a tone is heard. Whatever redraws a face shows the one and whatever codes speech carries the
other. It knows files and samples, and nothing of calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from bench.clips import LONGEST_S, Picture, read_video
from bench.errors import BenchError
from call.errors import CallError
from call.sound_files import BLOCK_SAMPLES, SAMPLE_RATE, read_sound

Floats = npt.NDArray[np.float32]

TILT_DEGREES = 14.0
TONE_HZ, TONE_LEVEL = 1_000.0, 0.3
MARK_S, QUIET_S = 0.6, 0.2
EVERY_S = 5.0
FADE_S = 0.004
EPSILON_S = 0.001  # a frame's time is its number over the rate, but for rounding
# Reading: how near the two must be, and what is looked at on either side.
REACH_S = 0.25
THUMB = 48
BOX_S = 0.010
TONAL = 0.7  # of the power at that moment
LEAST_STEP = 4.0  # of 255, in the mean of a thumbnail: what a head that moves while it talks stays below


@dataclass(frozen=True)
class Recorded:
    """What is in a recording: each picture's time and thumbnail [n, THUMB, THUMB], and the sound from 0 on, -1 to 1."""

    times_s: Floats
    thumbs: Floats
    sound: Floats

    @property
    def picture_s(self) -> float:
        """From the first picture to the last."""
        return float(self.times_s[-1] - self.times_s[0]) if len(self.times_s) else 0.0

    @property
    def sound_s(self) -> float:
        """How long the sound is."""
        return len(self.sound) / SAMPLE_RATE


def make_marked(clip: Path, target: Path) -> None:
    """Write `clip` (at most its first 30 s) with marks, its own sound, or a voice that is made up, as Matroska without
    loss of sound. Raises BenchError where it is no video or too short for a mark."""
    pictures, rate = read_video(clip, longest_s=LONGEST_S)
    seconds = len(pictures) / rate
    marks = [round(at_s * rate) / rate for at_s in mark_times(seconds)]
    if not marks:
        raise BenchError(f"{clip} lasts {seconds:.1f} seconds; two and a half at least are wanted.")
    try:
        sound = read_sound(clip)
    except CallError:
        sound = voice(seconds)
    sound = with_tones(sound, seconds=seconds, marks=marks)
    with av.open(str(target), "w", format="matroska") as container:
        video = container.add_stream(
            "libx264", rate=Fraction(rate).limit_denominator(1001), options={"crf": "12", "preset": "fast"}
        )
        video.height, video.width, video.pix_fmt = *(side & ~1 for side in pictures[0].shape[:2]), "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        for index, picture in enumerate(pictures):
            marked = any(at_s - EPSILON_S < index / rate < at_s + MARK_S - EPSILON_S for at_s in marks)
            shown = _tilted(picture) if marked else picture
            frame = av.VideoFrame.from_ndarray(shown[: video.height, : video.width], format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for began in range(0, len(sound), BLOCK_SAMPLES):
            block = sound[began : began + BLOCK_SAMPLES].reshape(1, -1)
            piece = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            piece.sample_rate, piece.pts = SAMPLE_RATE, began
            container.mux(audio.encode(piece))
        container.mux(audio.encode(None))


def mark_times(seconds: float) -> list[float]:
    """Say when a clip of this length is marked: about every five seconds, nowhere near its ends."""
    count = max(1, int(seconds / EVERY_S))
    if seconds < 4 * MARK_S:
        return []
    return [(index + 0.5) * seconds / count - MARK_S / 2 for index in range(count)]


def with_tones(
    sound: npt.NDArray[np.int16], *, seconds: float, marks: Sequence[float]
) -> npt.NDArray[np.int16]:
    """Return a clip's sound as long as its pictures, with a tone at each mark, and quiet on either side of it."""
    marked = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    marked[: len(sound)] = sound[: len(marked)]
    fade = np.clip(np.arange(round(MARK_S * SAMPLE_RATE)) / (FADE_S * SAMPLE_RATE), 0, 1)
    phases = 2 * np.pi * TONE_HZ * np.arange(len(fade)) / SAMPLE_RATE
    tone = (32_767 * TONE_LEVEL * np.sin(phases) * fade * fade[::-1]).astype(np.int16)
    quiet = round(QUIET_S * SAMPLE_RATE)
    for at_s in marks:
        began = round(at_s * SAMPLE_RATE)
        marked[max(began - quiet, 0) : began + len(tone) + quiet] = 0
        marked[began : began + len(tone)] = tone
    return marked


def voice(seconds: float) -> npt.NDArray[np.int16]:
    """Return what a coder takes for somebody who speaks: a pitch with formants, syllables and pauses between words."""
    draw = np.random.default_rng(0)
    count = round(seconds * SAMPLE_RATE)
    times_s = np.arange(count) / SAMPLE_RATE
    pitch_hz = 120 + 20 * np.sin(2 * np.pi * 0.6 * times_s) + 6 * np.sin(2 * np.pi * 2.3 * times_s)
    phases = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE
    wave = np.zeros(count)
    for harmonic in range(1, 30):
        formants = sum(
            np.exp(-((harmonic * 120 - centre_hz) ** 2) / (2 * 160.0**2)) for centre_hz in (550, 1_500, 2_500)
        )
        wave += (0.05 / harmonic + formants) * np.sin(harmonic * phases)
    wave += 0.2 * draw.standard_normal(count)
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * times_s), 0, 1) ** 0.5
    words = np.sin(2 * np.pi * 0.35 * times_s + 1) > -0.7
    spoken = wave * syllables * words
    return np.asarray(6_000 * spoken / np.abs(spoken).max(), np.int16)


def read_recording(path: Path) -> Recorded:
    """Decode a recording whole. Raises BenchError where it does not decode from its beginning to its end."""
    times_s, thumbs, parts = [], [], [np.empty(0, np.float32)]
    try:
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            for packet in container.demux(video, audio):
                for frame in packet.decode():
                    if isinstance(frame, av.VideoFrame):
                        grey = frame.to_ndarray(format="gray")
                        times_s.append(frame.time or 0.0)
                        thumbs.append(cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_AREA))
                    elif isinstance(frame, av.AudioFrame):
                        missing = round((frame.time or 0.0) * SAMPLE_RATE) - sum(map(len, parts))
                        if missing > 0:
                            parts.append(np.zeros(missing, np.float32))
                        parts.append(frame.to_ndarray()[0].astype(np.float32))
                if len(parts) > 1_000:
                    parts = [np.concatenate(parts)]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise BenchError(f"{path} is no whole recording with pictures and sound: {error}.") from error
    return Recorded(np.asarray(times_s, np.float32), np.asarray(thumbs, np.float32), np.concatenate(parts))


def lip_errors_s(recorded: Recorded) -> list[float]:
    """Return for each tone of a recording by how many seconds the head tilts after it (negative: before it).

    A tone beside which no head tilts within `REACH_S` is left out.
    """
    found = (tilt_s(recorded, tone_s) for tone_s in tones_s(recorded.sound))
    return [error_s for error_s in found if error_s is not None]


def tones_s(sound: Floats) -> list[float]:
    """Return when the marks' tones begin in a recording's sound: where half of their level is reached."""
    if not len(sound):
        return []
    width = round(BOX_S * SAMPLE_RATE)
    turning = np.exp(-2j * np.pi * TONE_HZ * np.arange(len(sound)) / SAMPLE_RATE)
    level = 2 * np.abs(_boxed(sound * turning, width))
    power = np.maximum(_boxed(sound.astype(np.float64) ** 2, width), 1e-9)
    on = (level > TONE_LEVEL / 2) & (level**2 / 2 > TONAL * power)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(np.int8), [0]])))
    long = round(MARK_S / 2 * SAMPLE_RATE)
    return [
        began / SAMPLE_RATE
        for began, ended in zip(edges[::2], edges[1::2], strict=True)
        if ended - began > long
    ]


def tilt_s(recorded: Recorded, tone_s: float) -> float | None:
    """Return by how much the head tilts after a tone, in seconds; None where it does not, anywhere near it."""
    after_s = recorded.times_s - tone_s
    calm = (after_s > -MARK_S) & (after_s < -REACH_S)
    tilted = (after_s > REACH_S) & (after_s < MARK_S - 0.1)
    if not calm.any() or not tilted.any():
        return None
    before = recorded.thumbs[calm].mean(0)
    change = recorded.thumbs[tilted].mean(0) - before
    if np.abs(change).mean() < LEAST_STEP:
        return None
    near = np.abs(after_s) <= REACH_S
    share = np.tensordot(recorded.thumbs[near] - before, change, axes=2) / (change**2).sum()
    over = np.flatnonzero(share >= 0.5)
    return float(after_s[near][over[0]]) if len(over) else None


def _boxed(values: npt.NDArray[np.generic], width: int) -> npt.NDArray[np.generic]:
    """Return the mean over `width` values around each."""
    sums = np.concatenate([np.zeros(1, values.dtype), np.cumsum(values)])
    low = np.clip(np.arange(len(values)) - width // 2, 0, None)
    high = np.clip(np.arange(len(values)) + width - width // 2, None, len(values))
    return (sums[high] - sums[low]) / width


def _tilted(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), TILT_DEGREES, 1.0)
    return np.asarray(
        cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
