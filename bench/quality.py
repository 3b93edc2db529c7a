"""The quality bench: every clip through the talker, judged beside its frozen picture and beside H.264, and the set's
figures made from the clips' (MEASURES.md, 'Picture quality' and 'Keys of the JSON')."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.clips import Clip, Footage, read_footage
from bench.errors import BenchError
from bench.judge import Figures, Judge, Subject
from bench.metrics import identity
from bench.rivals import RATE_KEYS, against_h264, against_profile
from bench.statistics import (
    METRICS,
    PROFILE_KEYS,
    bootstrap_interval,
    censored_median,
    geometric_mean,
    mean,
    ratio,
    summarise,
)
from bench.talk import Redrawn, Setup, redraw, take_source

# A source picture lasts a call, and a call lasts minutes; the second row is the clip alone.
SOURCE_SPREAD_S = 300.0
# Neighbouring frames judged for flicker: enough for a mean, few enough not to double the judging.
FLICKER_PAIRS = 6
# 'Kept' means nearer than this percentile of pairs of frames of one person in one clip.
SAME_PERSON_PERCENTILE = 95


def run_quality(
    setup: Setup,
    clips: Sequence[Clip],
    judge: Judge,
    *,
    source: str,
    every: int,
    on_clip: Callable[[str], None],
    keypoints: int | None = None,
    flow: bool = True,
    rival: Setup | None = None,
) -> dict[str, Any]:
    """Return the bench's JSON: what was run, `clips` (one dict each) and `summary`.

    Every `every`-th frame is judged and counted, from the middle of the first such group on; H.264 codes them all.
    `on_clip` hears each clip's name before it is worked on. Only the first `keypoints` expression offsets are sent
    where a number is given, and residual flow unless `flow` says otherwise. A `rival` draws the same frames at its own
    size, enlarged to ours.

    Raises BenchError for a number of keypoints that the profile does not have.
    """
    if keypoints is not None and not 0 <= keypoints <= setup.motion_format.keypoints:
        raise BenchError(
            f"{setup.profile} sends 0 to {setup.motion_format.keypoints} keypoints, not {keypoints}."
        )
    rows: list[dict[str, Any]] = []
    kinships: list[np.ndarray] = []
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        row, subject, indices = _judge_clip(
            setup, footage, judge, source=source, every=every, keypoints=keypoints, flow=flow
        )
        if rival is not None:
            row |= against_profile(rival, clip, judge, subject, indices, row, source=source, flow=flow)
        rows.append(row)
        kinships.append(identity.pair_distances(subject.identities[subject.with_face]))
    return {
        "profile": setup.profile,
        "engine": setup.engine,
        "picture_size": setup.picture_size,
        "mode": "static",
        "source": source,
        "every": every,
        "keypoints": setup.motion_format.keypoints if keypoints is None else keypoints,
        "residual_flow": flow and setup.talker.bends,
        "rival": None if rival is None else rival.profile,
        "clips": rows,
        "summary": _summary(rows, np.concatenate(kinships)),
    }


def sampled(count: int, every: int) -> list[int]:
    """Return which of `count` frames are judged, at least one."""
    return list(range(min(every // 2, count - 1), count, every))


def _judge_clip(
    setup: Setup,
    footage: Footage,
    judge: Judge,
    *,
    source: str,
    every: int,
    keypoints: int | None,
    flow: bool,
) -> tuple[dict[str, Any], Subject, list[int]]:
    indices = sampled(len(footage.pictures), every)
    origin = take_source(setup, footage, source=source)
    neighbours = _neighbours(indices, len(footage.pictures))
    wanted = {*indices, *(index + 1 for index in neighbours)}
    redrawn = redraw(setup, footage, wanted, source=origin, keypoints=keypoints, flow=flow)
    boxes = None if footage.boxes is None else [footage.boxes[index] for index in indices]
    subject = judge.subject([footage.pictures[index] for index in indices], boxes)
    ours, frozen = judge.figures(
        subject, [[redrawn.pictures[index] for index in indices], [origin.picture] * len(indices)]
    )
    why: dict[str, str] = {}
    row: dict[str, Any] = {
        "name": footage.name,
        "frames": len(footage.pictures),
        "frames_judged": len(indices),
        "source_index": origin.index,
    }
    row |= _metric_figures(ours, frozen, why)
    row |= _flicker(footage, judge, redrawn, neighbours, why)
    row |= _rates(
        footage, [redrawn.packet_bytes[index] for index in indices], source_bytes=origin.payload_bytes
    )
    row |= against_h264(footage, judge, dict(zip(indices, ours["lpips"], strict=True)), row, why)
    # Kept for the share of identities kept, whose limit is known only when every clip has been seen.
    row["identity_distances"] = [float(value) for value in ours["identity_distance"][subject.with_face]]
    return row | {"why": why}, subject, indices


def _metric_figures(ours: Figures, frozen: Figures, why: dict[str, str]) -> dict[str, float | None]:
    row: dict[str, float | None] = {}
    for metric in METRICS:
        key = metric.key
        if key not in ours:
            row |= {key: None, f"{key}_frozen": None, f"{key}_ratio": None}
            why[key] = "the pictures are too small for its window"
            continue
        row[key], row[f"{key}_frozen"] = mean(ours[key]), mean(frozen[key])
        row[f"{key}_ratio"] = ratio(row[key], row[f"{key}_frozen"])
        if row[key] is None:
            why[key] = "no face was found in the frames judged"
        elif row[f"{key}_ratio"] is None:
            why[f"{key}_ratio"] = "the frozen picture has no error: nothing moves"
    return row


def _neighbours(indices: Sequence[int], count: int) -> list[int]:
    """Return those of the frames judged that flicker is measured from, to the frame after each."""
    able = [index for index in indices if index + 1 < count]
    return able[:: max(1, -(-len(able) // FLICKER_PAIRS))]


def _flicker(
    footage: Footage, judge: Judge, redrawn: Redrawn, earlier: Sequence[int], why: dict[str, str]
) -> dict[str, float | None]:
    """LPIPS between neighbouring frames, redrawn over original: at 1 they change as much as the original's do."""
    drawn, filmed = (
        judge.lpips([pictures[index] for index in earlier], [[pictures[index + 1] for index in earlier]])
        for pictures in (redrawn.pictures, footage.pictures)
    )
    flicker = ratio(mean(drawn), mean(filmed))
    if flicker is None:
        why["flicker"] = "neighbouring frames of the original do not differ"
    return {"flicker": flicker}


def _rates(footage: Footage, packet_bytes: Sequence[int], *, source_bytes: int) -> dict[str, float]:
    motion_kbps = float(np.mean(packet_bytes)) * footage.rate * 8 / 1000
    source_kbit = source_bytes * 8 / 1000
    return {
        "payload_bytes_per_frame": float(np.mean(packet_bytes)),
        "source_bytes": float(source_bytes),
        "payload_kbps": motion_kbps + source_kbit / SOURCE_SPREAD_S,
        "payload_kbps_clip": motion_kbps + source_kbit / footage.seconds,
    }


def _summary(rows: list[dict[str, Any]], kinship: np.ndarray) -> dict[str, Any]:
    summary = summarise(rows)
    why: dict[str, str] = {}
    for key in ("payload_bytes_per_frame", "source_bytes", "payload_kbps", "payload_kbps_clip", "flicker"):
        values = [row[key] for row in rows if row[key] is not None]
        summary[key] = float(np.mean(values)) if values else None
    for key in RATE_KEYS:
        known = [row[key] for row in rows if row[key] is not None]
        # A clip on which even the finest H.264 is worse than ours needs more than any rate on the curve.
        above = sum(row[key] is None and row["h264_lpips_matched"] < row["h264"][0]["lpips"] for row in rows)
        below = len(rows) - len(known) - above
        summary[key] = censored_median(known, above=above, below=below)
        summary[f"{key}_known"], summary[f"{key}_above"], summary[f"{key}_below"] = len(known), above, below
        if summary[key] is None:
            why[key] = "the middle clip's LPIPS lies outside H.264's curve"
    summary |= _identities_kept(rows, kinship, why)
    for key in PROFILE_KEYS:
        ratios = [row[f"{key}_over_rival"] for row in rows if row.get(f"{key}_over_rival") is not None]
        if ratios:
            low, high = bootstrap_interval(ratios)
            summary[f"{key}_over_rival"] = geometric_mean(ratios)
            summary[f"{key}_over_rival_low"], summary[f"{key}_over_rival_high"] = low, high
    summary["share_beaten"] = summary["face_lpips_share_beaten"]
    return summary | {"frames_judged": sum(row["frames_judged"] for row in rows), "why": why}


def _identities_kept(
    rows: list[dict[str, Any]], kinship: np.ndarray, why: dict[str, str]
) -> dict[str, float | list[str] | None]:
    """Give each row its `identity_kept` (share of its frames nearer than the limit), and return the set's figures.

    `identity_kept` is over all frames; `identity_lost` names the clips whose middle frame lies beyond the limit.
    """
    limit = float(np.percentile(kinship, SAME_PERSON_PERCENTILE)) if len(kinship) else None
    everything: list[float] = []
    lost: list[str] = []
    for row in rows:
        distances = row.pop("identity_distances")
        if limit is None or not distances:
            row["identity_kept"] = None
            row["why"]["identity_kept"] = "there are no two frames with a face to compare"
            continue
        row["identity_kept"] = float(np.mean(np.less(distances, limit)))
        everything += distances
        if np.median(distances) >= limit:
            lost.append(row["name"])
    if not everything:
        why["identity_kept"] = "there are no two frames with a face to compare"
    kept = float(np.mean(np.less(everything, limit))) if everything and limit is not None else None
    return {"identity_limit": limit, "identity_kept": kept, "identity_lost": lost if everything else None}
