"""What the speed bench's rows are held against, and anyone can run: the same graphs on ONNX Runtime, and the codecs
that a call would use instead of us. Knows how each is set up for a call; compares nothing."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np

from bench.errors import BenchError
from bench.stages import Clocks, Picture, Stopwatch
from runtime.engine import ENGINES, Graphs
from runtime.profile import GRAPHS, Profile

RATE = 25
# A video call's ordinary quality, in bits a pixel: 200 kbit/s at 256, 800 at 512.
BITS_A_PIXEL = 0.12
# Encoder, decoder, and the encoder's options as real-time calls set them: no frame waits for another.
CODECS: Mapping[str, tuple[str, str, dict[str, str]]] = {
    "x264": ("libx264", "h264", {"preset": "veryfast", "tune": "zerolatency"}),
    "vp8": ("libvpx", "vp8", {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0"}),
    "vp9": ("libvpx-vp9", "vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
}


class OnnxRuntimeGraph:
    """An exported graph run by ONNX Runtime on the CPU."""

    def __init__(self, path: str) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self._inputs = [each.name for each in self._session.get_inputs()]
        self._outputs = [each.name for each in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run once."""
        found = self._session.run(self._outputs, {name: inputs[name] for name in self._inputs})
        return dict(zip(self._outputs, found, strict=True))


def register_onnxruntime() -> None:
    """Add the engine `onnxruntime`: the float graphs as they are exported, with its own defaults."""

    def load(profile: Profile) -> Graphs:
        graphs: Any = {name: OnnxRuntimeGraph(str(profile.graph_path(name))) for name in GRAPHS}
        return Graphs("onnxruntime", **graphs, seen_size=profile.seen_size)

    ENGINES["onnxruntime"] = load


class CodecRow:
    """A conventional codec on the clip itself: a picture in, a packet, a picture out."""

    def __init__(self, name: str) -> None:
        self._encoder_name, self._decoder_name, self._options = CODECS[name]
        self._size = 0
        self._frames = 0

    def start(self) -> None:
        """Open the codec."""
        try:
            self._encoder: Any = av.CodecContext.create(self._encoder_name, "w")
            self._decoder: Any = av.CodecContext.create(self._decoder_name, "r")
            self._decoder.thread_type = "SLICE"  # threads by frame would hold pictures back
        except av.FFmpegError as error:
            raise BenchError(f"PyAV was built without {self._encoder_name}.") from error

    def run(self, pictures: Picture, frames: int) -> dict[str, Any]:
        """Run a round: each picture encoded, its packets decoded; RGB to 4:2:0 and back belong to it."""
        if not self._size:
            self._size = size = pictures.shape[1]
            self._encoder.width = self._encoder.height = size
            self._encoder.pix_fmt, self._encoder.options = "yuv420p", self._options
            self._encoder.framerate, self._encoder.time_base = Fraction(RATE), Fraction(1, RATE)
            self._encoder.bit_rate = int(BITS_A_PIXEL * size * size * RATE)
        clocks = Clocks()
        for _ in range(frames):
            picture = np.array(pictures[self._frames % len(pictures)])
            whole, watch = Stopwatch(), Stopwatch()
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = self._frames, Fraction(1, RATE)
            packets = self._encoder.encode(frame)
            clocks.add("encode", *watch.lap())
            for packet in packets:
                for decoded in self._decoder.decode(packet):
                    decoded.to_ndarray(format="rgb24")
            clocks.add("decode", *watch.lap())
            clocks.add("end_to_end", *whole.lap())
            self._frames += 1
        return clocks.figures()
