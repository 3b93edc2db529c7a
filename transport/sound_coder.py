"""Opus through PyAV: mono speech at 6 to 64 kbit/s, packets of 20 or 60 ms. Knows no packets and no network."""

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from transport.sound_packet import SAMPLE_RATE

Samples = npt.NDArray[np.int16]

MIN_RATE_BPS, MAX_RATE_BPS = 6_000, 64_000
FRAMES_MS = (20, 60)
# The coder looks this far ahead (libopus at 48 kHz), so what a decoder gives out is that much older than what went in.
LOOKAHEAD_SAMPLES = 312
# FFmpeg's wrapper of libopus has no discontinuous transmission, so silence is told apart before (`sound_activity`).
# A coder that expects some loss lets frames depend less on one another.
OPTIONS = {"application": "voip", "packet_loss": "5"}


class Encoder:
    """Codes consecutive frames of one rate and duration."""

    def __init__(self, rate_bps: int, frame_ms: int) -> None:
        self.rate_bps, self.frame_ms = rate_bps, frame_ms
        self.samples = SAMPLE_RATE * frame_ms // 1000
        self._coded = 0
        self._context = av.CodecContext.create("libopus", "w")
        assert isinstance(self._context, av.AudioCodecContext)
        self._context.bit_rate = rate_bps
        self._context.sample_rate = SAMPLE_RATE
        self._context.layout = "mono"
        self._context.format = "s16"
        self._context.time_base = Fraction(1, SAMPLE_RATE)
        self._context.options = OPTIONS | {"frame_duration": str(frame_ms)}

    def encode(self, samples: Samples) -> bytes:
        """Code one frame, int16 of `self.samples`."""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, self._coded
        self._coded += self.samples
        (packet,) = self._context.encode(frame)
        return bytes(packet)


class Decoder:
    """Decodes packets in their order; what a lost one held is not asked of it."""

    def __init__(self) -> None:
        self._context = av.CodecContext.create("libopus", "r")
        assert isinstance(self._context, av.AudioCodecContext)
        self._context.sample_rate = SAMPLE_RATE
        self._context.layout = "mono"
        self._context.format = "s16"

    def decode(self, data: bytes, samples: int) -> Samples | None:
        """Return a packet's `samples`, or None where a stranger's bytes are not that long a piece of Opus."""
        try:
            frames = self._context.decode(av.Packet(data))
        except av.FFmpegError:
            return None
        decoded = (
            np.concatenate([frame.to_ndarray()[0] for frame in frames]) if frames else np.empty(0, np.int16)
        )
        return decoded if len(decoded) == samples else None
