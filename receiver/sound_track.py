"""The sound track of a recording: blocks of sound at their times, without seams where they follow on each other.

It belongs to an output's container and is used on that output's thread. It knows no pictures.
"""

from fractions import Fraction
from typing import Final

import av
import av.container
import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 48_000
# AAC and not Opus, since every player of MP4 files has it.
CODEC: Final = "aac"
RATE_BPS = 64_000
# A quarter of the work of FFmpeg's own choice, and for speech at this rate nearer to what was said.
OPTIONS = {"aac_coder": "fast"}
FRAME_SAMPLES = 1_024  # AAC's
# Blocks come with the small irregularities of two clocks: nearer than this to where the track is, one follows on.
SEAM_SAMPLES = 960
LONGEST_GAP_SAMPLES = 600 * SAMPLE_RATE  # a time that is further on is a clock that leapt


class SoundTrack:
    """Makes the sound stream of `container`, which has not been written to yet."""

    def __init__(self, container: av.container.OutputContainer) -> None:
        self._container = container
        self._stream = container.add_stream(CODEC, rate=SAMPLE_RATE, options=OPTIONS)
        self._stream.layout = "mono"
        self._stream.bit_rate = RATE_BPS
        self._stream.codec_context.time_base = Fraction(1, SAMPLE_RATE)
        self._waiting = np.empty(0, np.int16)
        self._coded = 0  # samples

    def write(self, samples: npt.NDArray[np.int16], at_s: float) -> None:
        """Add sound, int16 mono at 48 kHz, that begins at `at_s` seconds."""
        ahead = round(at_s * SAMPLE_RATE) - self._coded - len(self._waiting)
        if ahead > LONGEST_GAP_SAMPLES:
            return
        if ahead >= SEAM_SAMPLES:
            self._add(np.zeros(ahead, np.int16))
        self._add(samples[-ahead:] if ahead <= -SEAM_SAMPLES else samples)

    def reach(self, at_s: float) -> None:
        """Be silent up to `at_s` seconds, as far as no sound has come."""
        missing = round(at_s * SAMPLE_RATE) - self._coded - len(self._waiting)
        for begun in range(0, missing, SAMPLE_RATE):
            self._add(np.zeros(min(SAMPLE_RATE, missing - begun), np.int16))

    def finish(self) -> None:
        """Code what is left."""
        missing = -len(self._waiting) % FRAME_SAMPLES
        self._add(np.zeros(missing, np.int16))
        self._container.mux(self._stream.encode(None))

    def _add(self, samples: npt.NDArray[np.int16]) -> None:
        self._waiting = np.concatenate([self._waiting, samples])
        while len(self._waiting) >= FRAME_SAMPLES:
            part, self._waiting = self._waiting[:FRAME_SAMPLES], self._waiting[FRAME_SAMPLES:]
            floats = (part.astype(np.float32) / 32_768).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(floats, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._coded, Fraction(1, SAMPLE_RATE)
            self._coded += FRAME_SAMPLES
            self._container.mux(self._stream.encode(frame))
