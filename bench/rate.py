"""The rate bench: what a motion weighs as a packet in each mode of the codec, how long coding takes, and what it
does to the picture (MEASURES.md, 'Rate'). It knows packets and their clocks; the picture is the judge's business."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.clips import Clip, Footage, Picture, read_footage
from bench.judge import PictureJudge
from bench.metrics.landmarks import Box
from bench.quality import sampled
from bench.statistics import geometric_mean, mean
from bench.talk import Setup, draw, motion_of, take_source
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.format import MotionFormat
from codec.motion import Motion
from codec.predictive_encoder import Capture, PredictiveEncoder
from codec.static import visible_keypoints
from codec.time import ticks_of

RATE = 25.0  # frames a second at most: faster clips are thinned to it
# Frames of a clip on which pictures of coded and uncoded motion are compared.
DELTA_FRAMES = 4

Packets = Iterator[tuple[bytes, list[int]]]  # each with the indices of the frames in it


@dataclass(frozen=True)
class Static:
    """Every motion alone: rounded or the paper's scheme (face-vid2vid, C.1), with all keypoints or as many as show."""

    rounding: bool = True
    adaptive: bool = False

    def packets(self, motion_format: MotionFormat, captures: dict[int, Capture]) -> Packets:
        """Yield the packets of a clip."""
        encoder = MotionEncoder(motion_format, rounding=self.rounding)
        for index, capture in captures.items():
            motion = capture.motion
            keypoints = visible_keypoints(motion, motion_format) if self.adaptive else None
            packet = encoder.encode(motion, captured_s=capture.captured_s, source=0, keypoints=keypoints)
            yield packet, [index]


@dataclass(frozen=True)
class Predictive:
    """Bundles of so many motions, each acknowledged so many frames after its last one was captured."""

    round_trip: int
    bundle: int

    def packets(self, motion_format: MotionFormat, captures: dict[int, Capture]) -> Packets:
        """Yield the packets of a clip."""
        encoder = PredictiveEncoder(motion_format)
        indices = list(captures)
        waiting: deque[tuple[int, int]] = deque()  # when it is acknowledged, in frames, and its ticks
        for first in range(0, len(indices), self.bundle):
            chosen = indices[first : first + self.bundle]
            now = first + len(chosen) - 1
            while waiting and waiting[0][0] <= now:
                encoder.acknowledge(waiting.popleft()[1])
            bundle = [captures[index] for index in chosen]
            yield encoder.encode(bundle, source=0), chosen
            waiting.append((now + self.round_trip, ticks_of(bundle[-1].captured_s)))


STATIC_MODES = {
    "static_exact": Static(rounding=False),
    "static": Static(),
    "static_adaptive": Static(adaptive=True),
}
PREDICTIVE_MODES = {
    f"predictive_{round_trip}_by_{bundle}": Predictive(round_trip, bundle)
    for round_trip in (1, 3, 8, 15)
    for bundle in (1, 2, 4)
}


@dataclass
class Tally:
    """What one mode has cost so far."""

    frame_bytes: list[float] = field(default_factory=list)
    clip_bytes: list[float] = field(default_factory=list)
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)
    lpips_deltas: list[float] = field(default_factory=list)
    face_lpips_deltas: list[float] = field(default_factory=list)

    def figures(self, *, delta_why: str | None) -> dict[str, Any]:
        """Return the mode's figures under MEASURES.md's keys; bytes are a frame's share of its packet with its header,
        `bytes_clips` the geometric mean over clips of each clip's mean."""
        sizes = np.array(self.frame_bytes)
        lpips, face_lpips = (mean(np.array(deltas)) for deltas in (self.lpips_deltas, self.face_lpips_deltas))
        why = {}
        if lpips is None and delta_why:
            why["lpips_delta"] = delta_why
        if face_lpips is None:
            why["face_lpips_delta"] = delta_why or "the clips came without landmarks"
        return {
            "bytes_clips": geometric_mean(self.clip_bytes),
            "bytes_mean": float(sizes.mean()),
            "bytes_median": float(np.median(sizes)),
            "bytes_min": float(sizes.min()),
            "bytes_max": float(sizes.max()),
            "encode_us": float(np.median(self.encode_s) * 1e6),
            "decode_us": float(np.median(self.decode_s) * 1e6),
            "lpips_delta": lpips,
            "face_lpips_delta": face_lpips,
            "why": why,
        }


def run_rate(
    setup: Setup,
    clips: Sequence[Clip],
    judge: PictureJudge | None,
    *,
    every: int,
    judge_why: str | None,
    on_clip: Callable[[str], None],
) -> dict[str, Any]:
    """Return the bench's JSON: what was run, and `modes` with the figures of each.

    A delta is the mean of LPIPS(original, drawn from the coded motion) less LPIPS(original, drawn from the motion as
    estimated), the source being the clip's first frame; null without a judge, `judge_why` saying what it lacks.
    Predictive modes are `predictive_R_by_B`, R frames to the acknowledgement and B motions in a bundle; a profile
    whose tables know no prediction has none.
    """
    modes: dict[str, Static | Predictive] = {**STATIC_MODES}
    if setup.motion_format.prediction is not None:
        modes |= PREDICTIVE_MODES
    tallies = {mode: Tally() for mode in modes}
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        source = take_source(setup, footage, source="first")
        indices = thinned(len(footage.pictures), footage.rate)[::every]
        captures = {
            index: Capture(motion_of(setup, footage.pictures[index], source), index / footage.rate)
            for index in indices
        }
        shown = [indices[place] for place in sampled(len(indices), -(-len(indices) // DELTA_FRAMES))]
        plain = [] if judge is None else [draw(setup, source, captures[index].motion) for index in shown]
        for mode, coding in modes.items():
            received = _code(setup.motion_format, coding, captures, tallies[mode])
            if judge is not None:
                coded = [draw(setup, source, received[index]) for index in shown]
                _compare(judge, footage, shown, plain, coded, tallies[mode])
    return {
        "profile": setup.profile,
        "engine": setup.engine,
        "keypoints": setup.motion_format.keypoints,
        "clips": len(clips),
        "motions": len(tallies["static"].frame_bytes),
        "modes": {mode: tally.figures(delta_why=judge_why) for mode, tally in tallies.items()},
    }


def thinned(count: int, rate: float) -> list[int]:
    """Return which of `count` pictures at `rate` a second are sent, so that it is `RATE` a second at most."""
    step = max(1.0, rate / RATE)
    return sorted({index for number in range(count) if (index := round(number * step)) < count})


def _code(
    motion_format: MotionFormat, coding: Static | Predictive, captures: dict[int, Capture], tally: Tally
) -> dict[int, Motion]:
    """Send a clip and receive it; times are a frame's share of its packet's."""
    decoder = MotionDecoder(motion_format)
    received: dict[int, Motion] = {}
    total = 0
    packets = coding.packets(motion_format, captures)
    while True:
        start = time.perf_counter()
        packet, indices = next(packets, (b"", []))
        coded = time.perf_counter()
        if not indices:
            break
        motions = decoder.decode(packet)
        decoded = time.perf_counter()
        received |= {index: one.motion for index, one in zip(indices, motions, strict=True)}
        tally.encode_s.append((coded - start) / len(indices))
        tally.decode_s.append((decoded - coded) / len(indices))
        tally.frame_bytes += [len(packet) / len(indices)] * len(indices)
        total += len(packet)
    tally.clip_bytes.append(total / len(received))
    return received


def _compare(
    judge: PictureJudge,
    footage: Footage,
    shown: Sequence[int],
    plain: Sequence[Picture],
    coded: Sequence[Picture],
    tally: Tally,
) -> None:
    originals = [footage.pictures[index] for index in shown]
    boxes: list[Box | None] = [footage.boxes[index] if footage.boxes else None for index in shown]
    whole = judge.lpips(originals, [plain, coded])
    face = judge.face_lpips(originals, boxes, [plain, coded])
    tally.lpips_deltas += (whole[1] - whole[0]).tolist()
    tally.face_lpips_deltas += (face[1] - face[0]).tolist()
