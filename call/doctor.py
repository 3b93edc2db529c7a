"""`visavis doctor`: what this machine has for a call, and what to do about what it lacks. Changes nothing."""

import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from call import console
from call.address import DEFAULT_PORT, SERVE_PORT
from call.errors import CallError
from call.options import Engine
from call.screen import find_browser
from runtime.installed import HOME, how_to_add, in_clone

if TYPE_CHECKING:
    from runtime.profile import Profile

State = Literal["good", "slow", "missing", "damaged", "broken"]

# A call needs these; the others are for some people only.
NEEDED = frozenset({"profile", "engine openvino", "sockets", "H.264", "source pictures"})
CAMERAS_TRIED = 4
FRAMES_TIMED = 30
TIMED_S = 1.0
# Frames a second, both ends, from which a profile is worth advising: the mirror, sound and the page want their share
# of a call at 30.
AMPLE = 45.0
USUAL_ENGINE = Engine.engine
# How much faster another one has to be before it is worth a word.
CLEARLY = 1.1


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, and what to do where it is not good."""

    what: str
    state: State
    found: str
    advice: str = ""


def run(profile: str, *, as_json: bool) -> int:
    """Print the findings; returns the exit code, 1 where a call cannot be held."""
    findings: list[Finding] = []
    for look in (python, lambda: engines(profile), profile_to_use, cameras, browser, ports, codecs, data):
        with console.waiting("Looking at this machine"):
            findings += look()
    if as_json:
        console.print_json([asdict(finding) for finding in findings])
    else:
        rows = [(finding.what, finding.state, finding.found, finding.advice) for finding in findings]
        console.print_table("Doctor", ("what", "state", "found", "what to do"), rows)
    return int(any(finding.state not in ("good", "slow") and finding.what in NEEDED for finding in findings))


def python() -> list[Finding]:
    """Say which Python and how many cores a call has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    version = ".".join(str(part) for part in sys.version_info[:3])
    if cores >= 2:
        return [Finding("python", "good", f"{version}, {cores} cores")]
    advice = (
        "Short for a side of a call: close other programs. Frames that there is no time for are left out."
    )
    return [Finding("python", "slow", f"{version}, 1 core", advice)]


def engines(profile: str) -> list[Finding]:
    """Load the profile on each engine and time the two graphs that run every frame."""
    from call.ends import load_format
    from runtime.engine import ENGINES, TORCH_ENGINES
    from runtime.profile import ProfileError, load_profile

    try:
        loaded = load_profile(profile)
        load_format(loaded)
    except ProfileError as error:
        advice = error.advice or "Name one that visavis models list shows as built."
        return [Finding("profile", "damaged" if error.damaged else "missing", error.what, advice)]
    except CallError as error:
        return [Finding("profile", "damaged", str(error))]
    found = [Finding("profile", "good", f"{loaded.name}, {loaded.picture_size} pixels")]
    # Torch's engines register themselves when they are asked for by name.
    names = sorted({*ENGINES, *TORCH_ENGINES} - {"auto"})
    return found + [_engine(profile, name) for name in names] + [_auto(loaded)]


def _auto(profile: "Profile") -> Finding:
    """Say what `--engine auto` takes here; it measures when it is first asked for, not now."""
    from runtime.auto import recall

    choice = recall(profile)
    if choice is None:
        return Finding("engine auto", "good", "not measured yet: --engine auto does so once, in some seconds")
    rates = [f"{name} {rate:.0f}" for name, rate in choice.frames_a_second.items() if rate]
    return Finding("engine auto", "good", f"takes {choice.engine} (frames a second: {', '.join(rates)})")


def profile_to_use() -> list[Finding]:
    """Advise the profile of the largest picture that this machine draws with time to spare, and the engine for it."""
    from runtime.profile import list_built_profiles, load_profile

    fastest: list[tuple[int, str, float, str]] = []
    for name in list_built_profiles():
        if rates := _engine_rates(name):
            engine = max(rates, key=lambda engine: rates[engine] * (CLEARLY if engine == USUAL_ENGINE else 1))
            fastest.append((load_profile(name).picture_size, name, rates[engine], engine))
    if not fastest:
        return []
    fastest.sort()
    ample = [each for each in fastest if each[2] >= AMPLE]
    size, chosen, _, engine = ample[-1] if ample else fastest[0]
    on = {each: "" if each == USUAL_ENGINE else f" on {each}" for _, _, _, each in fastest}
    found = ", ".join(f"{name} {rate:.0f}{on[each]}" for _, name, rate, each in fastest)
    option = "" if engine == USUAL_ENGINE else f", and --engine {engine} here"
    advice = f"Use --profile {chosen} on both sides ({size} pixels){option}."
    return [Finding("profile to use", "good", f"{chosen} (frames a second both ends: {found})", advice)]


def _engine_rates(profile: str) -> dict[str, float]:
    """Return the frames a second, both ends, of each engine that runs a profile here and that a call may take."""
    from runtime.auto import LEFT_OUT
    from runtime.engine import ENGINES, TORCH_ENGINES

    rates: dict[str, float] = {}
    for engine in sorted({*ENGINES, *TORCH_ENGINES} - LEFT_OUT):
        # What is wrong with it, the engine's own line or `visavis models verify` says.
        with suppress(Exception):
            rates[engine] = in_a_call(*frame_times(profile, engine))
    return rates


def frame_times(profile: str, engine: str) -> tuple[float, float]:
    """Return what a profile's motion and frame take on an engine, medians in milliseconds.

    Raises what an engine or a driver that is not there raises.
    """
    from call.ends import load_talker
    from receiver.drawing import DRAWN_AT_ONCE

    talker, loaded = load_talker(profile, engine)
    picture = np.full((loaded.picture_size, loaded.picture_size, 3), 128, np.uint8)
    source = talker.prepare(picture)
    rotation, translation, expression = talker.estimate(picture, source)
    estimate_ms = median_ms(lambda: talker.estimate(picture, source))
    # As a receiver draws, several pictures side by side: one alone would leave cores idle.
    with ThreadPoolExecutor(DRAWN_AT_ONCE) as pool:

        def draw_side_by_side() -> None:
            motions = [(source, rotation, translation, expression)] * DRAWN_AT_ONCE
            list(pool.map(lambda motion: talker.draw(*motion), motions))

        return estimate_ms, median_ms(draw_side_by_side) / DRAWN_AT_ONCE


def in_a_call(estimate_ms: float, draw_ms: float) -> float:
    """Return the frames a second of both ends: each is looked at by the sender, drawn, and looked at again."""
    return 1000 / (2 * estimate_ms + draw_ms)


def _engine(profile: str, name: str) -> Finding:
    what = f"engine {name}"
    try:
        estimate_ms, draw_ms = frame_times(profile, name)
    # An engine that is not installed, or a driver that is not there, has as many exceptions as drivers.
    except Exception as error:
        return Finding(what, "missing", str(error).strip().partition("\n")[0], _engine_advice(name))
    frames_a_second = in_a_call(estimate_ms, draw_ms)
    found = f"{frames_a_second:.0f} frames a second both ends (motion {estimate_ms:.1f} ms, frame {draw_ms:.1f} ms)"
    if frames_a_second >= 25:
        return Finding(what, "good", found)
    if name == "torch":
        return Finding(what, "slow", found, "It is the reference, for training: a call takes openvino.")
    return Finding(what, "slow", found, "Slower than a camera: frames will be dropped. Close other programs.")


def _engine_advice(name: str) -> str:
    if name == "openvino-gpu":
        return "Only for Intel graphics: install their OpenCL driver (Debian: intel-opencl-icd)."
    if name.startswith("openvino"):
        return "pip install --upgrade openvino"
    if name == "tensorrt":
        return f"Only for NVIDIA cards: {how_to_add('cuda')}"
    if name == "torch-cuda":
        return f"Only for NVIDIA cards, where TensorRT is not installed: {how_to_add('train')}"
    return f"Only needed for training and as a reference: {how_to_add('train')}"


def median_ms(work: Callable[[], object]) -> float:
    """Time `work` again and again and return the median in milliseconds."""
    times: list[float] = []
    while len(times) < FRAMES_TIMED and sum(times) < TIMED_S * 1000:
        start_s = time.perf_counter()
        work()
        times.append((time.perf_counter() - start_s) * 1000)
    return statistics.median(times)


def cameras() -> list[Finding]:
    """Open the first cameras in turn and read a picture from each."""
    found = [Finding(f"camera:{number}", "good", size) for number, size in working_cameras()]
    if found:
        return found
    advice = "Plug one in, close the program that holds it, or send a file."
    return [Finding("camera", "missing", "none gives a picture", advice)]


def working_cameras() -> Iterator[tuple[int, str]]:
    """Yield the number and picture size of each camera that gives a picture."""
    # Read before OpenCV is loaded: it prints to stderr about each camera that is not there.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    import cv2

    for number in range(CAMERAS_TRIED):
        if sys.platform == "linux" and not Path(f"/dev/video{number}").exists():
            continue
        camera = cv2.VideoCapture(number)
        try:
            ok, picture = camera.read() if camera.isOpened() else (False, None)
        finally:
            camera.release()
        if ok and picture is not None:
            yield number, f"{picture.shape[1]} x {picture.shape[0]}"


def browser() -> list[Finding]:
    """Look for the browser that shows a call's page; the microphone is its own, and nobody else's to open."""
    own = "the browser's own: the page asks for it as a call begins, and shows its loudness in Details"
    microphone = Finding("microphone", "good", own)
    if (found := find_browser()) is not None:
        return [Finding("browser", "good", getattr(found, "name", "found")), microphone]
    advice = "Open the address that visavis call prints in one on this computer, or call without: --headless."
    return [Finding("browser", "missing", "none can be opened from here", advice), microphone]


def ports() -> list[Finding]:
    """Send a datagram to ourselves, and see whether the port is free that a side listens on."""
    found = [_sockets()]
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("0.0.0.0", DEFAULT_PORT))
            found.append(Finding(f"port {DEFAULT_PORT}", "good", "free for call --listen and receive"))
        except OSError as error:
            advice = f"To call --listen and receive, name another: --listen 0.0.0.0:{SERVE_PORT + 1}"
            found.append(Finding(f"port {DEFAULT_PORT}", "broken", error.strerror or str(error), advice))
    return found


def _sockets() -> Finding:
    advice = "Allow UDP between this machine's own addresses: a firewall or sandbox forbids it."
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(1)
        try:
            one.bind(("127.0.0.1", 0))
            one.sendto(b"visavis", one.getsockname())
            one.recv(16)
        except OSError as error:
            return Finding("sockets", "broken", error.strerror or str(error), advice)
    return Finding("sockets", "good", "UDP reaches this machine itself")


def codecs() -> list[Finding]:
    """Ask PyAV's libraries for what a call uses."""
    import av

    available = av.codecs_available
    advice = "Install PyAV's own wheel: pip install --force-reinstall av"
    found = []
    stills = [name for name in ("libsvtav1", "libaom-av1") if name in available]
    if stills:
        found.append(Finding("source pictures", "good", f"AVIF ({stills[0]}), PyAV {av.__version__}"))
    elif "libwebp" in available:
        found.append(Finding("source pictures", "good", "WebP: no AV1 encoder", "Larger pictures. " + advice))
    else:
        found.append(Finding("source pictures", "missing", "neither AVIF nor WebP", advice))
    for what, names in (("H.264", ("libx264", "h264")), ("Opus", ("libopus", "opus"))):
        there = [name for name in names if name in available]
        if there:
            found.append(Finding(what, "good", there[0]))
        else:
            found.append(Finding(what, "missing", "not in this build of PyAV", advice))
    return found


def data() -> list[Finding]:
    """Look for the data folder, of which benches take the judges' networks and some tests their clips."""
    named = os.environ.get("VISAVIS_DATA")
    if named is None and not in_clone():
        return []  # an installed program has neither tests nor training
    folder = Path(named) if named else HOME.parent / "shared" / "data"
    if (folder / "index.csv").is_file():
        return [Finding("data", "good", str(folder))]
    advice = "A call needs none. For benches and tests: set VISAVIS_DATA to the data folder."
    return [Finding("data", "missing", f"no clips at {folder}", advice)]
