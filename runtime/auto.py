"""The engine `auto`: whichever of those present is fastest here, measured once for a profile and remembered.

Measured is a call's own work, a motion and a picture again and again for a second. What is remembered lies in the
user's cache as JSON, under the profile's graphs, the machine, its graphics cards and its libraries; where one of them
changes, or the file is damaged, engines are measured again. Torch's engines take part once their package has
registered them.
"""

import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from runtime.cuda_cards import list_cards
from runtime.engine import ENGINES, STREAMS, EngineError, Graphs, load, openvino_devices
from runtime.profile import Profile
from runtime.talker import Talker

AUTO = "auto"
MEASURED_S = 1.0
# Torch on the CPU is the reference and never the fastest; to try it would load torch into a call.
LEFT_OUT = frozenset({AUTO, "torch"})
LIBRARIES = ("openvino", "tensorrt", "torch")  # whose versions change what is fastest


@dataclass(frozen=True)
class Choice:
    """The fastest engine, and what was measured: frames a second, each seen and drawn; None where it is not there."""

    engine: str
    frames_a_second: Mapping[str, float | None]


def load_auto(profile: Profile) -> Graphs:
    """Load a profile on the fastest engine.

    Raises:
        EngineError: no engine runs here.
    """
    choice = recall(profile)
    if choice is not None:
        try:
            return load(profile, engine=choice.engine)
        except EngineError:
            pass  # it ran when it was measured, and is gone since
    choice = measure(profile)
    remember(profile, choice)
    return load(profile, engine=choice.engine)


def measure(profile: Profile) -> Choice:
    """Run every engine that is present for a second; raises EngineError where none is."""
    found: dict[str, float | None] = {}
    for name in sorted(set(ENGINES) - LEFT_OUT):
        try:
            found[name] = frames_a_second(load(profile, engine=name), profile.picture_size)
        # An engine or a driver that is not there, or half there, has as many exceptions as there are drivers.
        except Exception:
            found[name] = None
    fastest = max(found, key=lambda name: found[name] or 0.0, default=None)
    if fastest is None or not found[fastest]:
        raise EngineError("No engine runs here: install visavis again.")
    return Choice(fastest, found)


def frames_a_second(graphs: Graphs, size: int) -> float:
    """Return how often a second a motion is found and a picture drawn and looked at, as many side by side as in a
    call."""
    talker = Talker(graphs, picture_size=size)
    picture = np.full((size, size, 3), 128, np.uint8)
    source = talker.prepare(picture)

    def work(end_s: float) -> int:
        done = 0
        while done == 0 or time.perf_counter() < end_s:
            drawn = talker.draw(source, *talker.estimate(picture, source))
            talker.estimate(drawn, source)  # a receiver looks at what it drew
            done += 1
        return done

    work(0.0)  # the first one also lays out memory
    threads = STREAMS["frame"]
    with ThreadPoolExecutor(threads) as pool:
        start_s = time.perf_counter()
        done = sum(pool.map(work, [start_s + MEASURED_S] * threads))
        return done / (time.perf_counter() - start_s)


def recall(profile: Profile) -> Choice | None:
    """Return what was measured for a profile on this machine, or None."""
    stored: Any = _read().get(key_of(profile))
    try:
        rates = {
            str(name): None if rate is None else float(rate)
            for name, rate in dict(stored["frames_a_second"]).items()
        }
        engine = stored["engine"]
    except (TypeError, KeyError, ValueError):
        return None
    known = isinstance(engine, str) and engine not in LEFT_OUT and bool(rates.get(engine))
    return Choice(engine, rates) if known else None


def remember(profile: Profile, choice: Choice) -> None:
    """Write a choice down; without a cache folder it is measured again each time."""
    stored = _read() | {
        key_of(profile): {"engine": choice.engine, "frames_a_second": dict(choice.frames_a_second)}
    }
    path = cache_path()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # In a folder of its own, so that a full disk keeps no part of it.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            whole = Path(folder) / path.name
            whole.write_text(json.dumps(stored, indent=2), encoding="utf-8")
            os.replace(whole, path)


def key_of(profile: Profile) -> str:
    """Return what a choice is remembered under: the profile, and a digest of its graphs, the machine and libraries."""
    about = {
        "graphs": profile.graphs_hash.hex(),
        "forms": sorted(profile.int8) + sorted(profile.half),
        "machine": [platform.node(), platform.machine(), platform.processor(), os.cpu_count()],
        "cards": [*list_cards(), *openvino_devices()],
        "libraries": [_version(library) for library in LIBRARIES],
    }
    return f"{profile.name} {hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]}"


def cache_path() -> Path:
    """Return where choices are remembered."""
    return Path(platformdirs.user_cache_dir("visavis")) / "engines.json"


def _read() -> dict[str, Any]:
    try:
        stored = json.loads(cache_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
