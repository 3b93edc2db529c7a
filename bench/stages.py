"""One row of the speed bench in a process of its own: the trip of a frame on one engine, stage by stage.

The parent (`bench.speed`) starts it, sends a line with a number of frames for every round, and reads a line of JSON
for each; so that rows take turns in one run, and each has its own memory, start and environment. It knows the trip and
the clock; it compares nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

if TYPE_CHECKING:
    from runtime.talker import Talker

Picture = npt.NDArray[np.uint8]

# A laptop's camera: the clip's square stands in the middle of such a frame, its edges carried on to both sides.
CAMERA_WIDTH, CAMERA_HEIGHT = 1280, 720
# The look at what was drawn comes after it is shown: no picture waits for it, and the trip's end is before it.
STAGES = ("crop", "motion", "encode", "decode", "playout", "frame", "picture", "look", "end_to_end")


@dataclass
class Clocks:
    """Milliseconds of each stage: on the wall, and of all processors together."""

    wall_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, stage: str, wall_s: float, cpu_s: float) -> None:
        """Note one call."""
        self.wall_ms[stage].append(wall_s * 1000)
        self.cpu_ms[stage].append(cpu_s * 1000)

    def figures(self) -> dict[str, Any]:
        """Return what crosses to the parent."""
        return {"wall_ms": dict(self.wall_ms), "cpu_ms": dict(self.cpu_ms)}


class Stopwatch:
    """Wall and processor seconds since it was made, or since the last lap."""

    def __init__(self) -> None:
        self._at = time.perf_counter(), time.process_time()

    def lap(self) -> tuple[float, float]:
        """Return the seconds since the last lap, and begin another."""
        now = time.perf_counter(), time.process_time()
        passed = now[0] - self._at[0], now[1] - self._at[1]
        self._at = now
        return passed


class Row(Protocol):
    """What a worker runs round by round."""

    def start(self) -> None:
        """Get ready to the first picture."""

    def run(self, pictures: Picture, frames: int) -> dict[str, Any]:
        """Run a round over the clip's pictures [N, S, S, 3], going on from the last one."""


class CallRow:
    """The trip of a frame through one engine: seen, coded, decoded, played out, drawn, looked at."""

    def __init__(self, profile: str, engine: str, *, spread: bool) -> None:
        self._profile, self._engine, self._spread = profile, engine, spread
        self._in_graph = {"motion": (0.0, 0.0), "frame": (0.0, 0.0)}
        self._frames = 0
        self._seen: Any = None

    def start(self) -> None:
        """Load everything and draw a first picture, of a grey source."""
        from bench.talk import load_setup
        from runtime.engine import STREAMS, THREADS

        if self._engine == "onnxruntime":
            from bench.references import register_onnxruntime

            register_onnxruntime()
        if self._spread:
            STREAMS.clear()
            THREADS.clear()
        self._setup = load_setup(self._profile, engine=self._engine)
        self._talker = cast("Talker", self._setup.talker)
        graphs = self._talker.graphs
        size = self._setup.picture_size
        source = self._talker.prepare(np.full((size, size, 3), 128, np.uint8))
        self._talker.draw(source, source.rotation, source.translation, source.expression)
        self._talker.graphs = replace(
            graphs, motion=self._timed("motion", graphs.motion), frame=self._timed("frame", graphs.frame)
        )

    def run(self, pictures: Picture, frames: int) -> dict[str, Any]:
        """Run a round; the first one begins by looking for the face and taking the source picture."""
        if self._seen is None:
            self._meet(pictures[0])
        clocks = Clocks()
        for _ in range(frames):
            self._take_trip(pictures[self._frames % len(pictures)], clocks)
            self._frames += 1
        return clocks.figures() | {"drawn_a_second": self._draw_side_by_side(frames)}

    def _meet(self, picture: Picture) -> None:
        from codec.decoder import MotionDecoder
        from codec.encoder import MotionEncoder
        from receiver.playout import Playout
        from sender.crop import CropFollower
        from sender.observe import Observer

        size = self._setup.picture_size
        crop = CropFollower(self._talker.locate, size=size, notice=lambda sentence: None)
        self._observer = Observer(self._talker, crop)
        view = self._observer.observe(camera_frame(picture), at_s=0.0, source=None)
        if view is None:
            raise BenchError("No face is in the clip's first frame.")
        self._seen = self._talker.prepare(view.picture)
        self._encoder = MotionEncoder(self._setup.motion_format)
        self._decoder = MotionDecoder(self._setup.motion_format)
        self._playout = Playout()

    def _take_trip(self, picture: Picture, clocks: Clocks) -> None:
        from codec.motion import Motion

        frame = camera_frame(picture)  # what a camera would have given: not part of the trip
        at_s = (self._frames + 1) / 25
        whole, watch = Stopwatch(), Stopwatch()
        view = self._observer.observe(frame, at_s=at_s, source=self._seen)
        if view is None:
            self._in_graph["motion"] = (0.0, 0.0)
            return  # a call sends nothing then
        self._split(clocks, "motion", "crop", watch.lap())
        motion = Motion(view.rotation, view.translation, view.expression)
        packet = self._encoder.encode(motion, captured_s=at_s, source=0)
        clocks.add("encode", *watch.lap())
        decoded = self._decoder.decode(packet)
        clocks.add("decode", *watch.lap())
        for each in decoded:
            self._playout.push(each, at_s)
        due_s = self._playout.due_s()
        shown = self._playout.next(max(at_s, due_s or at_s))
        clocks.add("playout", *watch.lap())
        motion = decoded[-1].motion if shown is None else shown.motion
        drawn = self._talker.draw(self._seen, motion.rotation, motion.translation, motion.expression)
        self._split(clocks, "frame", "picture", watch.lap())
        clocks.add("end_to_end", *whole.lap())
        self._talker.estimate(drawn, self._seen)
        clocks.add("look", *watch.lap())
        self._in_graph["motion"] = (0.0, 0.0)

    def _split(self, clocks: Clocks, graph: str, rest: str, passed: tuple[float, float]) -> None:
        """Share a stretch of time between its graph and what lies around it."""
        within = self._in_graph[graph]
        clocks.add(graph, *within)
        clocks.add(rest, passed[0] - within[0], passed[1] - within[1])
        self._in_graph[graph] = (0.0, 0.0)

    def _timed(self, name: str, graph: Callable[..., Any]) -> Callable[..., Any]:
        def run(inputs: Any) -> Any:
            watch = Stopwatch()
            outputs = graph(inputs)
            wall_s, cpu_s = watch.lap()
            before = self._in_graph[name]
            self._in_graph[name] = (before[0] + wall_s, before[1] + cpu_s)
            return outputs

        return run

    def _draw_side_by_side(self, frames: int) -> float:
        """Return the pictures a second where as many are in the making at once as a receiver has."""
        from receiver.drawing import DRAWN_AT_ONCE

        seen = self._seen
        with ThreadPoolExecutor(DRAWN_AT_ONCE) as pool:
            start_s = time.perf_counter()
            list(
                pool.map(
                    lambda _: self._talker.draw(seen, seen.rotation, seen.translation, seen.expression),
                    range(frames),
                )
            )
            drawn_a_second = frames / (time.perf_counter() - start_s)
        self._in_graph["frame"] = (0.0, 0.0)
        return drawn_a_second


def camera_frame(picture: Picture) -> Picture:
    """Return a camera's frame, uint8 720x1280x3, with `picture` SxSx3 in its middle."""
    import cv2

    kernel = cv2.INTER_AREA if picture.shape[0] > CAMERA_HEIGHT else cv2.INTER_LINEAR
    middle = cv2.resize(picture, (CAMERA_HEIGHT, CAMERA_HEIGHT), interpolation=kernel)
    side = (CAMERA_WIDTH - CAMERA_HEIGHT) // 2
    return np.asarray(cv2.copyMakeBorder(middle, 0, 0, side, side, cv2.BORDER_REPLICATE), np.uint8)


def row_of(kind: str, name: str, *, spread: bool) -> Row:
    """Return what a worker runs: an engine with a profile, its graphs spread over all cores or not, or a conventional
    codec by its name."""
    if kind == "codec":
        from bench.references import CodecRow

        return CodecRow(name)
    return CallRow(kind, name, spread=spread)


def work(kind: str, name: str, pictures_file: Path, *, spread: bool) -> None:
    """Start a row, say so, and run a round for every number that comes on stdin.

    Every line on stdout is an object of JSON: {"ready": true}, a round's figures, or {"why": sentence} at the end.
    """
    # What libraries print must not come between.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(found: dict[str, Any]) -> None:
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    try:
        row = row_of(kind, name, spread=spread)
        row.start()
        answer({"ready": True})
        pictures = np.load(pictures_file, mmap_mode="r")
        from call.meter import peak_memory_mb

        for line in sys.stdin:
            answer(row.run(pictures, int(line)) | {"rss_mb": peak_memory_mb()})
    # An engine or a codec that is not there has as many exceptions as there are drivers.
    except Exception as error:
        answer({"why": str(error).strip().partition("\n")[0] or type(error).__name__})


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), spread="spread" in sys.argv[4:])
