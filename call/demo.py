"""`visavis demo`: a call with itself for a first look: original, redrawn and H.264 side by side, and the figures.

Takes a clip, else a camera, else a portrait that a motion recording brings to life (and says so). Writes
`demo.mp4` and `demo.html`.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from call import console, options, running
from call.ends import Ends, load_ends
from call.errors import CallError
from call.film import whole_file, write_clip
from call.h264 import Coded, x264_at
from call.loopback import NOBODY_S, hold
from call.loopback_figures import all_figures, call_figures, picture_figures
from call.montage import side_by_side
from call.page import make_page
from call.pairs import Pairs
from call.portrait import film_portrait
from call.recording import load_recording
from call.ways import way_in

# A film for the page must stay small enough to mail; a long clip is shown from its beginning.
MOST_PAIRS = 300


@dataclass(frozen=True)
class Camera:
    """What the demo films: what `open_input` takes, how to crop, for how long at most, whether somebody may still
    come before it, and what it is in words."""

    spec: str
    crop: options.Crop
    limit_s: float
    live: bool
    what: str


def run(wanted: options.Demo, *, as_json: bool) -> None:
    """Hold the call, write the films and the page, print the table."""
    from receiver.parts import spare
    from sender.capture import is_live

    film, page = wanted.folder / "demo.mp4", wanted.folder / "demo.html"
    if not wanted.overwrite:
        spare(film)
        spare(page)
    if wanted.video is not None and not is_live(wanted.video):
        with way_in(options.Input(wanted.video)):
            pass  # who named a wrong file is told at once; the call opens it when it begins
    wanted.folder.mkdir(parents=True, exist_ok=True)
    ends = load_ends(wanted.engine)
    with tempfile.TemporaryDirectory(prefix="visavis-") as scratch:
        for camera in cameras(wanted, ends, Path(scratch)):
            console.say(f"Calling ourselves over WebRTC with {camera.what}.")
            pairs = Pairs(MOST_PAIRS)
            call = options.Loopback(options.Input(camera.spec, crop=camera.crop), wanted.engine)
            nobody_s = NOBODY_S if camera.live else None
            held = running.run(hold(call, ends, pairs, limit_s=camera.limit_s, nobody_s=nobody_s))
            if held.interrupted:
                raise KeyboardInterrupt
            if held.watch.began:
                break
            console.say(f"Nobody came before {camera.what}.")
    originals, shown = pairs.as_shown()
    if not originals:
        raise CallError("Nothing was shown in the call: visavis doctor may say why.")
    if held.watch.seconds == 0:
        raise CallError(f"{camera.spec} holds a single picture: the demo takes a clip of a second or more.")

    with console.waiting("Comparing the pictures, and coding them with H.264"):
        figures = all_figures(call_figures(call, ends, held), picture_figures(held.watch, pairs))
        rival = x264_at(originals, frame_rate=held.watch.frame_rate, kbps=figures["payload_kbps"])
        montage = side_by_side([originals, shown, rival.pictures], titles(figures, rival))
        with whole_file(film) as part:
            write_clip(part, montage, frame_rate=held.watch.frame_rate)
    rows = table(figures, rival)
    html = make_page(
        film=film.read_bytes(),
        payload=f"{figures['payload_bytes_per_frame']:.0f}",
        lead=lead(camera, figures),
        rows=rows,
        made_by=f"Made by visavis demo with the profile {figures['profile']} on {figures['engine']}.",
    )
    with whole_file(page) as part:
        part.write_text(html, encoding="utf-8")
    if as_json:
        console.print_json(figures | {"h264_kbps": rival.kbps, "h264_crf": rival.crf, "film": str(film)})
        return
    console.print_table("Demo", ("figure", "value"), rows)
    console.say(f"Look at {film} and {page}")


def cameras(wanted: options.Demo, ends: Ends, scratch: Path) -> Iterator[Camera]:
    """Yield the clip that was named; else a camera that works, and at last the living portrait."""
    if wanted.video is not None:
        from sender.capture import is_live

        yield Camera(wanted.video, "follow", wanted.seconds, is_live(wanted.video), wanted.video)
        return
    from call.doctor import working_cameras

    for number, size in islice(working_cameras(), 1):
        yield Camera(f"camera:{number}", "follow", wanted.seconds, True, f"the camera ({size})")
    film = scratch / "portrait.mkv"
    with console.waiting("Bringing the portrait to life"):
        film_portrait(
            ends.talker,
            size=ends.profile.picture_size,
            recording=load_recording(),
            seconds=wanted.seconds,
            path=film,
        )
    what = (
        "a portrait (astronaut Eileen Collins, NASA, public domain), as no camera shows a face; our own network "
        "moves it after a motion recording, which makes it an easier input than a real face"
    )
    yield Camera(str(film), "full", wanted.seconds, False, what)


def titles(figures: Mapping[str, Any], rival: Coded) -> list[tuple[str, str]]:
    """Name the three films, and say what each costs: over different times, so that each says over which."""
    kbps = figures["payload_kbps"]
    over = rival.kbps > kbps
    return [
        ("Original", "what the camera saw"),
        (
            "Redrawn",
            f"{figures['payload_bytes_per_frame']:.0f} bytes a frame, {kbps:.1f} kbit/s over five minutes",
        ),
        ("H.264", f"{rival.kbps:.1f} kbit/s in this clip" + (", the least it can do" if over else "")),
    ]


def lead(camera: Camera, figures: Mapping[str, Any]) -> str:
    """Tell in two sentences what was done."""
    return (
        f"A call with itself over real WebRTC, with {camera.what}. One picture of "
        f"{figures['source_bytes'] / 1000:.1f} kB crossed first, then {figures['motion_kbps']:.1f} kbit/s of motion."
    )


def table(figures: Mapping[str, Any], rival: Coded) -> list[tuple[str, str]]:
    """Return the demo's table, names and values in words."""
    rows = [
        ("frames captured", console.show(figures["frames_in"])),
        ("frames shown fresh", f"{figures['frames_fresh']} ({100 * (figures['fresh_share'] or 0):.0f} %)"),
        ("frames a second", console.show(figures["fresh_fps"])),
        ("motion", f"{figures['payload_bytes_per_frame']:.1f} bytes a frame"),
        ("motion", f"{figures['motion_kbps']:.1f} kbit/s"),
        ("source picture, once", f"{figures['source_bytes']} bytes"),
        ("both, the picture over five minutes", f"{figures['payload_kbps']:.1f} kbit/s"),
        ("both, the picture in this clip", f"{clip_kbps(figures):.1f} kbit/s"),
        (
            "wire, there and back",
            f"{figures['wire_kbps_forward']:.0f} + {figures['wire_kbps_back']:.0f} kbit/s",
        ),
        ("latency, median", f"{console.show(figures['latency_ms_p50'])} ms"),
        ("latency, 95 percent", f"{console.show(figures['latency_ms_p95'])} ms"),
        ("processor cores, both ends", console.show(figures["cpu_cores"])),
        ("memory, both ends", f"{console.show(figures['rss_mb'])} MB"),
    ]
    rows += [
        (
            f"{name}, redrawn | frozen picture",
            f"{console.show(figures[key])} | {console.show(figures[key + '_frozen'])}",
        )
        for key, name in (
            ("face_lpips", "face LPIPS"),
            ("lpips", "LPIPS"),
            ("psnr", "PSNR"),
            ("ssim", "SSIM"),
        )
        if figures.get(key) is not None
    ]
    return [*rows, ("H.264, its key frame in this clip", f"{rival.kbps:.1f} kbit/s (CRF {rival.crf})")]


def clip_kbps(figures: Mapping[str, Any]) -> float:
    """Return what motion and the source picture cost where the clip alone pays for both, as it does for H.264's key
    frame."""
    played_s = figures["frames_fresh"] / figures["fresh_fps"]
    return float(figures["motion_kbps"] + figures["source_bytes"] * 8 / played_s / 1000)
