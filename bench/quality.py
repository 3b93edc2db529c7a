"""The quality bench: every clip through the talker, judged beside its frozen picture and beside H.264, and the set's
figures made from the clips' (MEASURES.md, 'Picture quality' and 'Keys of the JSON')."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.clips import Clip, Footage, read_footage
from bench.codecs import CRFS, Point, rate_at, x264
from bench.judge import Figures, Judge
from bench.metrics import identity
from bench.statistics import METRICS, censored_median, mean, ratio, summarise
from bench.talk import Redrawn, Setup, Source, redraw, take_source

# A source picture lasts a call, and a call lasts minutes; the second row is the clip alone.
SOURCE_SPREAD_S = 300.0
# Frames of a clip on which H.264's points are judged, and ours for the match: five points are five judgements.
H264_FRAMES = 12
# Neighbouring frames drawn for flicker: enough for a mean, few enough not to double the drawing.
FLICKER_PAIRS = 6
# 'Kept' means nearer than this percentile of pairs of frames of one person in one clip.
SAME_PERSON_PERCENTILE = 95
RATE_KEYS = ("rate_ratio_h264", "rate_ratio_h264_clip")


def run_quality(
    setup: Setup,
    clips: Sequence[Clip],
    judge: Judge,
    *,
    source: str,
    every: int,
    on_clip: Callable[[str], None],
) -> dict[str, Any]:
    """Return the bench's JSON: what was run, `clips` (one dict each) and `summary`.

    Every `every`-th frame is judged and counted, from the middle of the first such group on; H.264 codes them all.
    `on_clip` hears each clip's name before it is worked on.
    """
    rows: list[dict[str, Any]] = []
    kinships: list[np.ndarray] = []
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        row, vectors = _judge_clip(setup, footage, judge, source=source, every=every)
        rows.append(row)
        kinships.append(_pair_distances(vectors))
    return {
        "profile": setup.profile,
        "engine": setup.engine,
        "picture_size": setup.picture_size,
        "mode": "static",
        "source": source,
        "every": every,
        "clips": rows,
        "summary": _summary(rows, np.concatenate(kinships)),
    }


def sampled(count: int, every: int) -> list[int]:
    """Return which of `count` frames are judged, at least one."""
    return list(range(min(every // 2, count - 1), count, every))


def _judge_clip(
    setup: Setup, footage: Footage, judge: Judge, *, source: str, every: int
) -> tuple[dict[str, Any], np.ndarray]:
    indices = sampled(len(footage.pictures), every)
    origin = take_source(setup, footage, source=source)
    redrawn = redraw(setup, footage, indices, source=origin)
    boxes = None if footage.boxes is None else [footage.boxes[index] for index in indices]
    subject = judge.subject([footage.pictures[index] for index in indices], boxes)
    ours, frozen = judge.figures(subject, [redrawn.pictures, [origin.picture] * len(indices)])
    why: dict[str, str] = {}
    row: dict[str, Any] = {
        "name": footage.name,
        "frames": len(footage.pictures),
        "frames_judged": len(indices),
        "source_index": origin.index,
    }
    row |= _metric_figures(ours, frozen, why)
    row |= _flicker(setup, footage, judge, origin, indices, why)
    row |= _rates(footage, redrawn, source_bytes=origin.payload_bytes)
    row |= _against_h264(footage, judge, dict(zip(indices, ours["lpips"], strict=True)), row, why)
    # Kept for the share of identities kept, whose limit is known only when every clip has been seen.
    row["identity_distances"] = [float(value) for value in ours["identity_distance"][subject.with_face]]
    return row | {"why": why}, subject.identities[subject.with_face]


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


def _flicker(
    setup: Setup, footage: Footage, judge: Judge, origin: Source, indices: Sequence[int], why: dict[str, str]
) -> dict[str, float | None]:
    """LPIPS between neighbouring frames, redrawn over original: at 1 they change as much as the original's do."""
    able = [index for index in indices if index + 1 < len(footage.pictures)]
    earlier = able[:: max(1, -(-len(able) // FLICKER_PAIRS))]
    later = [index + 1 for index in earlier]
    drawn = judge.lpips(
        redraw(setup, footage, earlier, source=origin).pictures,
        [redraw(setup, footage, later, source=origin).pictures],
    )
    filmed = judge.lpips(
        [footage.pictures[index] for index in earlier], [[footage.pictures[index] for index in later]]
    )
    flicker = ratio(mean(drawn), mean(filmed))
    if flicker is None:
        why["flicker"] = "neighbouring frames of the original do not differ"
    return {"flicker": flicker}


def _rates(footage: Footage, redrawn: Redrawn, *, source_bytes: int) -> dict[str, float]:
    motion_kbps = float(np.mean(redrawn.packet_bytes)) * footage.rate * 8 / 1000
    source_kbit = source_bytes * 8 / 1000
    return {
        "payload_bytes_per_frame": float(np.mean(redrawn.packet_bytes)),
        "source_bytes": float(source_bytes),
        "payload_kbps": motion_kbps + source_kbit / SOURCE_SPREAD_S,
        "payload_kbps_clip": motion_kbps + source_kbit / footage.seconds,
    }


def _against_h264(
    footage: Footage, judge: Judge, ours: dict[int, float], row: dict[str, Any], why: dict[str, str]
) -> dict[str, Any]:
    """Find the rate at which H.264 is as good as we are; `ours` is our LPIPS by frame."""
    frames = list(ours)[:: max(1, -(-len(ours) // H264_FRAMES))]
    target = float(np.mean([ours[frame] for frame in frames]))
    coded = [x264(footage.pictures, rate=footage.rate, crf=crf) for crf in CRFS]
    rivals = [[clip.pictures[frame] for frame in frames] for clip in coded]
    errors = judge.lpips([footage.pictures[frame] for frame in frames], rivals).mean(1)
    points = [
        Point(crf, clip.payload_bytes * 8 / footage.seconds / 1000, float(error))
        for crf, clip, error in zip(CRFS, coded, errors, strict=True)
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
    limit = float(np.percentile(kinship, SAME_PERSON_PERCENTILE)) if len(kinship) else None
    distances = np.concatenate([row.pop("identity_distances") for row in rows])
    measured = limit is not None and len(distances) > 0
    summary["identity_limit"] = limit
    summary["identity_kept"] = float((distances < limit).mean()) if measured else None
    if not measured:
        why["identity_kept"] = "there are no two frames with a face to compare"
    summary["share_beaten"] = summary["face_lpips_share_beaten"]
    return summary | {"frames_judged": sum(row["frames_judged"] for row in rows), "why": why}


def _pair_distances(vectors: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(len(vectors), 1)
    return identity.distance(vectors[first], vectors[second])
