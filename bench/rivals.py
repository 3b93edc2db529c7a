"""What a clip is measured against besides its frozen picture: H.264's own curve, and another profile's drawing of the
same frames. It fills keys of a clip's row; it knows nothing of the set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from bench.clips import Clip, Footage, Picture, read_footage
from bench.codecs import CODECS, CRFS, Point, rate_at, run_codec
from bench.judge import Judge, Subject
from bench.statistics import PROFILE_KEYS, mean, ratio
from bench.talk import Setup, redraw, take_source

# Frames of a clip on which H.264's points are judged, and ours for the match: five points are five judgements.
H264_FRAMES = 12
RATE_KEYS = ("rate_ratio_h264", "rate_ratio_h264_clip")


def against_h264(
    footage: Footage, judge: Judge, ours: dict[int, float], row: dict[str, Any], why: dict[str, str]
) -> dict[str, Any]:
    """Find the rate at which H.264 is as good as we are; `ours` is our LPIPS by frame."""
    frames = list(ours)[:: max(1, -(-len(ours) // H264_FRAMES))]
    target = float(np.mean([ours[frame] for frame in frames]))
    streams = [
        run_codec(CODECS["h264"], footage.pictures, frame_rate=footage.rate, crf=crf, keep=frames)
        for crf in CRFS
    ]
    rivals = [[stream.pictures[frame] for frame in frames] for stream in streams]
    errors = judge.lpips([footage.pictures[frame] for frame in frames], rivals).mean(1)
    points = [
        Point(crf, 8 * sum(stream.packet_bytes) / footage.seconds / 1000, float(error))
        for crf, stream, error in zip(CRFS, streams, errors, strict=True)
    ]
    kbps = rate_at(points, target)
    if kbps is None:
        side = "better than its finest" if target < points[0].error else "worse than its coarsest"
        sentence = f"our LPIPS {target:.3f} lies outside H.264's curve: {side} point"
        why |= dict.fromkeys(("h264_kbps", *RATE_KEYS), sentence)
    return {
        "h264": [{"crf": point.crf, "payload_kbps": point.kbps, "lpips": point.error} for point in points],
        "h264_lpips_matched": target,
        "h264_kbps": kbps,
        "rate_ratio_h264": ratio(kbps, row["payload_kbps"]),
        "rate_ratio_h264_clip": ratio(kbps, row["payload_kbps_clip"]),
    }


def against_profile(
    rival: Setup,
    clip: Clip,
    judge: Judge,
    subject: Subject,
    indices: Sequence[int],
    row: dict[str, Any],
    *,
    source: str,
    flow: bool,
) -> dict[str, float | None]:
    """Judge another profile's drawing of the same frames, enlarged to ours; `_over_rival` is ours over its."""
    footage = read_footage(clip, size=rival.picture_size)
    origin = take_source(rival, footage, source=source)
    size = subject.pictures[0].shape[0]
    redrawn = redraw(rival, footage, indices, source=origin, flow=flow)
    enlarged = [_resized(redrawn.pictures[index], size) for index in indices]
    theirs = {
        "lpips": mean(judge.lpips(subject.pictures, [enlarged])),
        "face_lpips": mean(judge.face_lpips(subject.pictures, subject.boxes, [enlarged])),
    }
    figures: dict[str, float | None] = {}
    for key in PROFILE_KEYS:
        figures[f"{key}_rival"], figures[f"{key}_over_rival"] = theirs[key], ratio(row[key], theirs[key])
    return figures


def _resized(picture: Picture, size: int) -> Picture:
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)
