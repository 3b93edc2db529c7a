"""Pictures of the rate-distortion report: original, ours, H.264 at our rate and H.264 at our quality side by side, as
strips of single frames and as a film. It knows one clip's points and pictures; it judges nothing."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.clips import Picture, square
from bench.codecs import CODECS, run_codec
from bench.rd_ours import MODES
from bench.rd_scene import Job, Scene, open_scene
from bench.rd_store import Store
from call.film import whole_file, write_clip
from call.h264 import WORST_CRF
from call.montage import side_by_side

RIVAL = CODECS["h264"]
# A strip's pictures are as large as they are measured, but no larger than this, so that the report stays a file.
SHOWN_SIDE = 320
JPEG_QUALITY = 82

Points = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Panel:
    """A rival's pictures by frame, and what stands above them."""

    title: str
    subtitle: str
    pictures: Mapping[int, Picture]


@dataclass(frozen=True)
class Film:
    """A film to write; it travels to the worker."""

    job: Job
    points: Points
    path: Path


def make_strips(scene: Scene, points: Points) -> list[dict[str, Any]]:
    """Return the strips of a clip: our middle frame and our worst one by face LPIPS (LPIPS where a frame has no face),
    each with its `frame`, `what`, `error` by which `judge`, and `panels` of `title`, `subtitle` and `jpeg` (base64)."""
    ours = headline(points)
    if ours is None:
        return []
    judge = "lpips" if None in ours["by_frame"]["face_lpips"] else "face_lpips"
    errors = list(ours["by_frame"][judge])
    order = np.argsort(errors)
    chosen = {"middle": int(order[len(order) // 2]), "worst": int(order[-1])}
    frames = {what: scene.judged[place] for what, place in chosen.items()}
    panels = make_panels(scene, points, ours, keep=set(frames.values()))
    return [
        {
            "frame": frame,
            "at_s": frame / scene.footage.rate,
            "what": what,
            "error": errors[chosen[what]],
            "judge": judge,
            "panels": [
                {"title": panel.title, "subtitle": panel.subtitle, "jpeg": _jpeg(panel.pictures[frame])}
                for panel in panels
            ],
        }
        for what, frame in frames.items()
    ]


def write_comparison(film: Film) -> None:
    """Write a clip's film, the four side by side, unless the same is there already."""
    ours = headline(film.points)
    if ours is None:
        return
    scene = open_scene(film.job)
    store = Store(film.job.store)
    key = scene.key("film", points=[point["key"] for point in film.points], path=str(film.path))
    if film.path.exists() and store.get(key) is not None:
        return
    count = len(scene.footage.pictures)
    panels = make_panels(scene, film.points, ours, keep=range(count))
    films = [[panel.pictures[index] for index in range(count)] for panel in panels]
    titles = [(panel.title, panel.subtitle) for panel in panels]
    film.path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(film.path) as part:
        write_clip(part, side_by_side(films, titles), frame_rate=scene.footage.rate)
    store.put(key, {"frames": count})


def headline(points: Points) -> Mapping[str, Any] | None:
    """Return the point that the report calls ours; None where no row of ours could be measured."""
    return next((point for name in MODES for point in points if point["codec"] == name), None)


def make_panels(
    scene: Scene, points: Points, ours: Mapping[str, Any], *, keep: Collection[int]
) -> list[Panel]:
    """Return original, ours, and H.264 at our rate and at our quality, with the pictures of the frames `keep`."""
    drawn = scene.talk.run(MODES[ours["codec"]], ours["setting"], keep=keep).pictures
    own = {index: square(picture, scene.job.size) for index, picture in drawn.items()}
    title = (
        "ours" if scene.setup.picture_size == scene.job.size else f"ours, {scene.setup.picture_size} enlarged"
    )
    original = {index: scene.footage.pictures[index] for index in keep}
    curve = [point for point in points if point["codec"] == RIVAL.name]
    panels = [
        Panel("original", f"{scene.job.size} x {scene.job.size}", original),
        Panel(title, _label(ours["payload_kbps"], ours["lpips"]), own),
    ]
    if curve:
        rates = [math.log(point["payload_kbps"]) for point in curve]
        wanted = math.log(ours["payload_kbps"])
        # A curve ends before the encoder does: what needs less than its least is the encoder's worst.
        at_rate = WORST_CRF if wanted < min(rates) else crf_at(curve, rates, wanted)
        errors = [point["lpips"] for point in curve]
        at_quality = crf_at(curve, errors, ours["lpips"])
        nearest = "" if min(errors) <= ours["lpips"] <= max(errors) else ", or nearest to it"
        panels += [
            _rival(scene, "H.264 at our rate, or its least", at_rate, keep),
            _rival(scene, f"H.264 at our LPIPS{nearest}", at_quality, keep),
        ]
    return panels


def crf_at(curve: Points, values: Sequence[float], wanted: float) -> int:
    """Return the CRF at which a codec's `values` (a point each) reach `wanted`; the nearest where none does."""
    order = np.argsort(values)
    crfs = [curve[int(place)]["setting"] for place in order]
    return round(float(np.interp(wanted, np.asarray(values)[order], crfs)))


def _rival(scene: Scene, title: str, crf: int, keep: Collection[int]) -> Panel:
    footage = scene.footage
    stream = run_codec(RIVAL, footage.pictures, frame_rate=footage.rate, crf=crf, keep=keep)
    kbps = 8 * sum(stream.packet_bytes) / footage.seconds / 1000
    return Panel(title, f"CRF {crf}, {kbps:.1f} kbit/s", stream.pictures)


def _label(kbps: float, lpips: float) -> str:
    return f"{kbps:.1f} kbit/s, LPIPS {lpips:.3f}"


def _jpeg(picture: Picture) -> str:
    shown = square(picture, min(SHOWN_SIDE, picture.shape[0]))
    data = cv2.imencode(".jpg", shown[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return base64.b64encode(data.tobytes()).decode()
