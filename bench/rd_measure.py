"""One clip at one size through every row of the rate-distortion bench: what a worker does, on whatever machine. A
codec's points are kept as soon as they are judged. It knows a single clip; the set is somebody else's business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.clips import Picture, square
from bench.codecs import CODECS, run_codec
from bench.judge import Figures
from bench.metrics import identity
from bench.rd_causes import describe
from bench.rd_ours import MODES, able
from bench.rd_rows import FROZEN, Row
from bench.rd_scene import Job, Scene, open_scene
from bench.rd_store import Store
from bench.rd_wire import conventional_cost, our_cost, rates
from bench.statistics import METRICS, mean, ratio

# Kept frame by frame: for the worst frames, and for the share of identities kept.
PER_FRAME = ("lpips", "face_lpips", "identity_distance")

Kept = dict[int, Picture]  # by frame


@dataclass(frozen=True)
class Made:
    """What came out of a codec: its packets' bytes, those of the pictures that a call of ours sends once (None for a
    codec, whose key frame is a packet) and of those that the clip made it send, and the frames that are looked at."""

    packets: list[int]
    once_bytes: int | None
    clip_bytes: int
    pictures: Kept


def measure(job: Job) -> dict[str, Any]:
    """Return a clip's figures: what was measured, `points` (one dict each) and, where asked for, `strips`.

    Raises `rd_scene.Skipped` where the clip is smaller than the size, and BenchError where it cannot be read.
    """
    scene = open_scene(job)
    store = Store(job.store)
    outline = _outline(scene, store)
    filmed = _filmed(scene, store)
    points = [
        _weighed(point, outline, size=job.size)
        for row in job.rows
        if row.name in outline["rows"]
        for point in _row_points(scene, row, filmed, store)
    ]
    frozen = next(point for point in points if point["codec"] == FROZEN)
    result = {
        "clip": job.clip.name,
        "size": job.size,
        **{key: value for key, value in outline.items() if key != "rows"},
        "kinship": filmed["kinship"],
        "happens": _happens(scene, store),
        "points": [point | _related(point, frozen) for point in points],
    }
    if job.strips:
        result["strips"] = _strips(scene, points, store)
    return result


def _outline(scene: Scene, store: Store) -> dict[str, Any]:
    """Return how long the clip is, which of its frames are judged, what draws it, and which rows that can have."""
    names = [row.name for row in scene.job.rows]
    key = scene.key("outline", rows=names, ours=scene.job.versions.ours)
    outline = store.get(key)
    if outline is None:
        footage, setup = scene.footage, scene.setup
        outline = {
            "frames": len(footage.pictures),
            "judged": scene.judged,
            "rate": footage.rate,
            "seconds": footage.seconds,
            "profile": setup.profile,
            "profile_size": setup.picture_size,
            "rows": [
                name for name in names if name not in MODES or able(setup, MODES[name], scene.corrector)
            ],
        }
        store.put(key, outline)
    return outline


def _filmed(scene: Scene, store: Store) -> dict[str, Any]:
    """Return what the originals say of themselves: how far neighbours differ, and the same person's faces."""
    key = scene.key("filmed", judges=scene.job.versions.judges)
    filmed = store.get(key)
    if filmed is None:
        later = [index + 1 for index in scene.earlier]
        change = scene.judge.lpips(scene.pictures(scene.earlier), [scene.pictures(later)])
        vectors = scene.subject.identities[scene.subject.with_face]
        filmed = {"change": mean(change), "kinship": identity.pair_distances(vectors).tolist()}
        store.put(key, filmed)
    return filmed


def _happens(scene: Scene, store: Store) -> dict[str, Any]:
    """Return what makes the clip hard to redraw."""
    key = scene.key("happens", ours=scene.job.versions.ours)
    found = store.get(key)
    if found is None:
        mode = next(mode for mode in MODES.values() if able(scene.setup, mode, scene.corrector))
        drawn = scene.talk.run(mode, next(iter(mode.coding)), keep=scene.judged).pictures
        found = describe(scene.talk.watched, scene.judged, drawn)
        store.put(key, found)
    return found


def _row_points(scene: Scene, row: Row, filmed: dict[str, Any], store: Store) -> list[dict[str, Any]]:
    """Return a row's points; those that are not kept yet are made, and judged together."""
    keys = {setting: _key(scene, row, setting) for setting in row.settings}
    points = {setting: store.get(key) for setting, key in keys.items()}
    missing = [setting for setting, point in points.items() if point is None]
    if missing:
        made = [_make(scene, row, setting) for setting in missing]
        judged = _judge(scene, [each.pictures for each in made], filmed["change"])
        for setting, each, figures in zip(missing, made, judged, strict=True):
            named = {"codec": row.name, "setting": setting, "key": keys[setting]}
            sizes = {
                "packets": each.packets,
                "once_bytes": each.once_bytes,
                "clip_bytes": each.clip_bytes,
            }
            points[setting] = named | sizes | figures
            store.put(keys[setting], named | sizes | figures)
    return [point for point in points.values() if point is not None]


def _weighed(point: dict[str, Any], outline: dict[str, Any], *, size: int) -> dict[str, Any]:
    """Return a kept point with its rates in place of its packets' sizes."""
    frames, seconds = outline["frames"], outline["seconds"]
    packets, once_bytes = point["packets"], point["once_bytes"]
    if once_bytes is None:
        cost = conventional_cost(packets, seconds=seconds)
    else:
        cost = our_cost(
            packets, once_bytes=once_bytes, clip_bytes=point["clip_bytes"], frames=frames, seconds=seconds
        )
    figures = {key: value for key, value in point.items() if key != "packets"}
    return figures | rates(cost, size=size)


def _key(scene: Scene, row: Row, setting: int | None) -> str:
    versions = scene.job.versions
    made_by = {"rivals": versions.rivals} if row.name in CODECS else {"ours": versions.ours}
    return scene.key("point", row=row.name, setting=setting, judges=versions.judges, **made_by)


def _make(scene: Scene, row: Row, setting: int | None) -> Made:
    """Send the clip through a codec."""
    footage = scene.footage
    if row.name in CODECS:
        assert setting is not None
        codec = CODECS[row.name]
        stream = run_codec(codec, footage.pictures, frame_rate=footage.rate, crf=setting, keep=scene.wanted)
        return Made(stream.packet_bytes, None, 0, stream.pictures)
    if row.name == FROZEN:
        frozen = dict.fromkeys(scene.wanted, footage.pictures[0])
        return Made([], scene.talk.source.payload_bytes, 0, frozen)
    said = scene.talk.run(MODES[row.name], setting, keep=scene.wanted)
    pictures = {index: square(picture, scene.job.size) for index, picture in said.pictures.items()}
    return Made(said.packets, said.once_bytes, said.clip_bytes, pictures)


def _judge(scene: Scene, rivals: Sequence[Kept], filmed_change: float | None) -> list[dict[str, Any]]:
    chosen = [[rival[index] for index in scene.judged] for rival in rivals]
    found = scene.judge.figures(scene.subject, chosen)
    return [
        _point_figures(figures, _flicker(scene, rival, filmed_change))
        for figures, rival in zip(found, rivals, strict=True)
    ]


def _point_figures(figures: Figures, flicker: float | None) -> dict[str, Any]:
    means = {metric.key: mean(figures[metric.key]) if metric.key in figures else None for metric in METRICS}
    frames = {
        key: [round(float(value), 5) if np.isfinite(value) else None for value in figures[key]]
        for key in PER_FRAME
    }
    why = {}
    if means["ms_ssim"] is None:
        why["ms_ssim"] = "the pictures are too small for its window"
    if means["face_lpips"] is None:
        why["face_lpips"] = "no face was found in the frames judged"
    if flicker is None:
        why["flicker"] = "neighbouring frames of the original do not differ"
    return means | {"flicker": flicker, "by_frame": frames, "why": why}


def _flicker(scene: Scene, rival: Kept, filmed_change: float | None) -> float | None:
    """LPIPS between neighbouring frames, the rival's over the original's: at 1 they change as much."""
    first = [rival[index] for index in scene.earlier]
    second = [rival[index + 1] for index in scene.earlier]
    if all(np.array_equal(one, other) for one, other in zip(first, second, strict=True)):
        return ratio(0.0, filmed_change)
    return ratio(mean(scene.judge.lpips(first, [second])), filmed_change)


def _related(point: dict[str, Any], frozen: dict[str, Any]) -> dict[str, float | None]:
    """Return a point's figures beside the frozen picture's."""
    related: dict[str, float | None] = {}
    for metric in METRICS:
        related[f"{metric.key}_frozen"] = frozen[metric.key]
        related[f"{metric.key}_ratio"] = ratio(point[metric.key], frozen[metric.key])
    return related


def _strips(scene: Scene, points: Sequence[dict[str, Any]], store: Store) -> list[dict[str, Any]]:
    from bench.rd_strips import make_strips

    key = scene.key("strips", points=[point["key"] for point in points])
    kept = store.get(key)
    if kept is None:
        kept = {"strips": make_strips(scene, points)}
        store.put(key, kept)
    strips: list[dict[str, Any]] = kept["strips"]
    return strips
