"""The rate bench: what a motion weighs as a packet in each mode of the codec, how long coding takes, and what rounding
does to the picture (MEASURES.md, 'Rate'). It knows packets and their clocks; the picture is the judge's business."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.clips import Clip, Footage, Picture, read_footage
from bench.judge import PictureJudge
from bench.metrics.landmarks import Box
from bench.quality import sampled
from bench.statistics import mean
from bench.talk import Setup, draw, motion_of, take_source
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.motion import Motion

# Whether numbers are rounded to visible steps; without, it is the paper's scheme (face-vid2vid, C.1).
MODES = {"static": True, "static_exact": False}
# Frames of a clip on which pictures of coded and uncoded motion are compared.
DELTA_FRAMES = 4


@dataclass
class Tally:
    """What one mode has cost so far."""

    packet_bytes: list[int] = field(default_factory=list)
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)
    lpips_deltas: list[float] = field(default_factory=list)
    face_lpips_deltas: list[float] = field(default_factory=list)

    def figures(self, *, delta_why: str | None) -> dict[str, Any]:
        """Return the mode's figures under MEASURES.md's keys; bytes include the packet's header."""
        sizes = np.array(self.packet_bytes)
        lpips, face_lpips = (mean(np.array(deltas)) for deltas in (self.lpips_deltas, self.face_lpips_deltas))
        why = {}
        if lpips is None and delta_why:
            why["lpips_delta"] = delta_why
        if face_lpips is None:
            why["face_lpips_delta"] = delta_why or "the clips came without landmarks"
        return {
            "bytes_mean": float(sizes.mean()),
            "bytes_median": float(np.median(sizes)),
            "bytes_min": int(sizes.min()),
            "bytes_max": int(sizes.max()),
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
    """
    tallies = {mode: Tally() for mode in MODES}
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        source = take_source(setup, footage, source="first")
        indices = sampled(len(footage.pictures), every)
        motions = {index: motion_of(setup, footage.pictures[index], source) for index in indices}
        shown = indices[:: max(1, -(-len(indices) // DELTA_FRAMES))]
        plain = [draw(setup, source, motions[index]) for index in shown]
        for mode, rounding in MODES.items():
            received = _code(setup, motions, footage.rate, rounding=rounding, tally=tallies[mode])
            if judge is not None:
                coded = [draw(setup, source, received[index]) for index in shown]
                _compare(judge, footage, shown, plain, coded, tallies[mode])
    return {
        "profile": setup.profile,
        "engine": setup.engine,
        "keypoints": setup.motion_format.keypoints,
        "clips": len(clips),
        "motions": len(tallies["static"].packet_bytes),
        "modes": {mode: tally.figures(delta_why=judge_why) for mode, tally in tallies.items()},
    }


def _code(
    setup: Setup, motions: dict[int, Motion], rate: float, *, rounding: bool, tally: Tally
) -> dict[int, Motion]:
    encoder = MotionEncoder(setup.motion_format, rounding=rounding)
    decoder = MotionDecoder(setup.motion_format)
    received = {}
    for index, motion in motions.items():
        start = time.perf_counter()
        packet = encoder.encode(motion, captured_s=index / rate, source=0)
        coded = time.perf_counter()
        received[index] = decoder.decode(packet)[0].motion
        tally.decode_s.append(time.perf_counter() - coded)
        tally.encode_s.append(coded - start)
        tally.packet_bytes.append(len(packet))
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
