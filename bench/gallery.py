"""The gallery bench: the clips whose heads turn most and whose mouths open widest, drawn from the pictures that the
sender's mirror brings while the line is idle, against one source picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from bench.clips import Clip, Footage, Picture, read_footage
from bench.judge import Judge
from bench.mirror_play import Drawn, play
from bench.quality import sampled
from bench.statistics import bootstrap_interval, geometric_mean, mean
from bench.talk import Setup
from receiver.crossfade import FRAMES
from runtime.geometry import INNER_LIPS, IRISES

SHARE = 0.1  # of the clips: the most turned, and the widest mouths
EXTREME = 90  # the percentile of a clip's frames by which it is ranked
RANKED_EVERY = 5
KEYS = ("face_lpips", "mouth_expression", "lpips", "eye_expression")
# Frames this near to one of which a picture is held are not judged: they would be copies of it.
APART_S = 0.2
FLICKERS = 6  # changes of a clip that are looked at
SPREAD_S = 300.0  # a call's pictures are counted over five minutes, as its first one is
FILL_S = 30.0  # of which the gallery has so many to fill, with what the idle line has by then


def rank_clips(setup: Setup, clips: Sequence[Clip], on_clip: Callable[[str], None]) -> dict[str, list[Clip]]:
    """Return the tenth of the clips in which heads are `turned` most from the first frame, and that with the widest
    `mouths`."""
    turned, mouths = [], []
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        poses = [setup.talker.estimate(picture, None) for picture in footage.pictures[::RANKED_EVERY]]
        angles = [float(np.linalg.norm(pose[0] - poses[0][0])) for pose in poses]
        turned.append(float(np.percentile(angles, EXTREME)))
        mouths.append(float(np.percentile([_opening(setup, pose) for pose in poses], EXTREME)))
    count = max(1, round(SHARE * len(clips)))
    return {
        "turned": [clips[index] for index in np.argsort(turned)[::-1][:count]],
        "mouths": [clips[index] for index in np.argsort(mouths)[::-1][:count]],
    }


def run_gallery(
    setup: Setup,
    groups: dict[str, list[Clip]],
    judge: Judge,
    *,
    budget_bytes_per_s: float,
    every: int,
    on_clip: Callable[[str], None],
) -> dict[str, Any]:
    """Return the bench's JSON: `clips`, and `summary` of each group with the ratios of the gallery to one picture.

    Each clip is played forwards and backwards for half a minute and then forwards once more, as one call. `first_` is
    the first playing, in which the gallery begins to fill; the figures without it are of the last, where a frame near
    to one of which a picture was brought is left out. `_one` is what one source picture gives for the same frames,
    coded as finely as those of the gallery are. All that was brought is counted.
    """
    rows: dict[str, dict[str, Any]] = {}
    for clip in {clip.name: clip for group in groups.values() for clip in group}.values():
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        rows[clip.name] = _play_clip(
            setup, footage, judge, budget_bytes_per_s=budget_bytes_per_s, every=every
        )
    summary = {name: _summary([rows[clip.name] for clip in group]) for name, group in groups.items()}
    return {
        "profile": setup.profile,
        "budget_bytes_per_s": budget_bytes_per_s,
        "every": every,
        "clips": list(rows.values()),
        "summary": summary,
    }


def _play_clip(
    setup: Setup, footage: Footage, judge: Judge, *, budget_bytes_per_s: float, every: int
) -> dict[str, Any]:
    count = len(footage.pictures)
    there_and_back = [*footage.pictures, *footage.pictures[::-1]]
    rounds = math.ceil(FILL_S * footage.rate / len(there_and_back))
    frames = [*rounds * there_and_back, *footage.pictures]
    indices = sampled(count, every)
    played = play(setup, frames, rate=footage.rate, budget_bytes_per_s=budget_bytes_per_s)
    taken = [_origin(event.bring.source.picture, footage.pictures) for event in played.events]
    far = [
        index
        for index in indices
        if all(abs(index - origin) > APART_S * footage.rate for origin in [0, *taken])
    ]
    drawn, from_one = Drawn(setup, played), Drawn(setup, played, only=played.first)
    row: dict[str, Any] = {
        "name": footage.name,
        "pictures": len(played.events),
        "repairs": played.counts.repairs,
        "picture_bytes": played.picture_bytes,
        "picture_kbps": played.picture_bytes * 8 / 1000 / SPREAD_S,
        "changes": len(played.changes),
        "frames_judged": len(far),
        "flicker_at_changes": _flicker(drawn, frames, played.changes, judge),
    }
    for prefix, chosen, start in (("first_", indices, 0), ("", far, len(frames) - count)):
        subject = judge.subject(
            [footage.pictures[index] for index in chosen],
            None if footage.boxes is None else [footage.boxes[index] for index in chosen],
        )
        places = [start + index for index in chosen]
        rivals = [
            [drawn.picture(place) for place in places],
            [from_one.picture(place) for place in places],
        ]
        ours, one = judge.figures(subject, rivals) if chosen else ({}, {})
        for key in KEYS:
            row[f"{prefix}{key}"] = mean(ours[key]) if chosen else None
            row[f"{prefix}{key}_one"] = mean(one[key]) if chosen else None
    return row


def _flicker(drawn: Drawn, frames: list[Picture], changes: Sequence[int], judge: Judge) -> float | None:
    """Return the largest LPIPS between neighbouring frames while one picture fades into another, over the largest of
    the original's there; the median over some changes, spread over the playing."""
    if not changes:
        return None
    some = np.unique(np.linspace(0, len(changes) - 1, FLICKERS).astype(int))
    ratios = []
    for place in (changes[index] for index in some):
        places = range(place - 1, min(place + FRAMES + 1, len(frames)))
        shown = [drawn.picture(index) for index in places]
        filmed = [frames[index] for index in places]
        largest = [float(judge.lpips(each[:-1], [each[1:]])[0].max()) for each in (shown, filmed)]
        ratios.append(largest[0] / max(largest[1], 1e-6))
    return float(np.median(ratios))


def _origin(picture: Picture, frames: Sequence[Picture]) -> int:
    """Return which frame a picture was taken from."""
    small = [cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA).astype(int) for frame in frames]
    wanted = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA).astype(int)
    return int(np.argmin([np.abs(frame - wanted).sum() for frame in small]))


def _opening(setup: Setup, pose: tuple[Any, Any, Any]) -> float:
    points = setup.talker.keypoints_of(None, *pose)
    lips, irises = (float(np.linalg.norm(points[a] - points[b])) for a, b in (INNER_LIPS, IRISES))
    return lips / max(irises, 1e-3)


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    summary: dict[str, Any] = {"clips": [row["name"] for row in rows]}
    for prefix in ("first_", ""):
        for key in KEYS:
            known = [row for row in rows if row[f"{prefix}{key}"] is not None]
            ratios = [row[f"{prefix}{key}"] / row[f"{prefix}{key}_one"] for row in known]
            low, high = bootstrap_interval(ratios) if ratios else (None, None)
            summary[f"{prefix}{key}_ratio"] = geometric_mean(ratios) if ratios else None
            summary |= {f"{prefix}{key}_ratio_low": low, f"{prefix}{key}_ratio_high": high}
            for suffix in ("", "_one"):
                summary[f"{prefix}{key}{suffix}"] = (
                    float(np.mean([row[f"{prefix}{key}{suffix}"] for row in known])) if known else None
                )
    for key in ("pictures", "repairs", "picture_bytes", "picture_kbps", "changes"):
        summary[key] = float(np.mean([row[key] for row in rows]))
    flickers = [row["flicker_at_changes"] for row in rows if row["flicker_at_changes"] is not None]
    summary["flicker_at_changes"] = float(np.median(flickers)) if flickers else None
    return summary
