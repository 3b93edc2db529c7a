"""Engines: what runs a profile's graphs. A graph takes and gives named numpy arrays.

OpenVINO runs the exported graphs on the CPU and ships with every call; torch's engines register themselves under their
names. Nothing here knows what the arrays mean.
"""

import importlib
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.profile import GRAPHS, Profile

Arrays = Mapping[str, NDArray[Any]]


# How many calls of a graph run side by side, each on its share of the cores: two pictures on a core each take less
# time than one after the other on both, for a picture's many small steps leave the second core waiting.
STREAMS = {"frame": 2}
# How many threads share a call of a graph, all cores where nothing stands here. The small graphs of every camera frame
# are as soon done by one: the second would spin for its share on a core that something else has to do.
THREADS = {"motion": 1, "locate": 1}

AVX = 10  # CPU_AVX of OpenCV's processor features, which have no names in Python


class EngineError(Exception):
    """An engine that is not there, or a graph that does not run; its text is a sentence for the user."""


class Graph(Protocol):
    """A compiled graph; any thread may call it, and calls that an engine cannot run side by side wait."""

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run once; the arrays that come back belong to the caller."""
        ...


@dataclass(frozen=True)
class Graphs:
    """The graphs of a profile (ARCHITECTURE.md), compiled by one engine."""

    engine: str
    locate: Graph
    source: Graph
    motion: Graph
    frame: Graph
    seen_size: int  # pixels a side that `source` and `motion` look at


Engine = Callable[[Profile], Graphs]


def load(profile: Profile, *, engine: str = "openvino") -> Graphs:
    """Compile a profile's graphs; OpenVINO runs everywhere.

    Raises:
        EngineError: an engine of that name is not there, or a graph does not compile.
    """
    if engine not in ENGINES:
        names = sorted({*ENGINES, *TORCH_ENGINES} - {engine})
        raise EngineError(f"There is no engine {engine!r}; there are: {', '.join(names)}.")
    return ENGINES[engine](profile)


class OpenVinoGraph:
    """A graph compiled by OpenVINO, with as many requests as may run at the same time; further calls wait."""

    def __init__(self, compiled: Any, path: Path, *, streams: int) -> None:
        self._path = path
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.create_infer_request())
        self._inputs = {name for port in compiled.inputs for name in port.get_names()}
        self._outputs = [(port.get_any_name(), index) for index, port in enumerate(compiled.outputs)]

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        request = self._idle.get()
        try:
            taken = {name: value for name, value in inputs.items() if name in self._inputs}
            with _one_sentence(self._path):
                request.infer(taken, share_inputs=True)
            return {name: request.get_output_tensor(index).data.copy() for name, index in self._outputs}
        finally:
            self._idle.put(request)


def compile_openvino(profile: Profile, graph: str) -> Graph:
    """Compile one graph of a profile for the CPU, in float32; raises EngineError where it does not compile."""
    return _compiled(_openvino_core(), profile.graph_path(graph), streams=1)


def openvino_devices() -> list[str]:
    """Return what OpenVINO can compute with here, as it names it: CPU, GPU (Intel's), and so on; empty where it does
    not load."""
    try:
        return list(_bare_core().available_devices)
    except EngineError:
        return []


def _load_openvino_gpu(profile: Profile) -> Graphs:
    if not any(device.partition(".")[0] == "GPU" for device in openvino_devices()):
        raise EngineError("OpenVINO finds no GPU here: it takes Intel's, with their driver for OpenCL.")
    return replace(_load_openvino(profile, int8=True, draws="GPU"), engine="openvino-gpu")


def _load_openvino(profile: Profile, *, int8: bool, draws: str = "CPU") -> Graphs:
    """Compile a profile for the CPU, or its frame graph for the device that `draws`: the small graphs are done on the
    CPU before a GPU has begun."""
    core = _openvino_core()
    # Elsewhere OpenVINO would emulate the 8 bits in float32, more slowly than it runs the float graph.
    int8 = int8 and "INT8" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    compiled: dict[str, Graph] = {}
    for graph in GRAPHS:
        device = draws if graph == "frame" else "CPU"
        in_8_bits = int8 and device == "CPU" and graph in profile.int8
        path = profile.int8_path(graph) if in_8_bits else profile.graph_path(graph)
        streams, threads = STREAMS.get(graph, 1), THREADS.get(graph)
        compiled[graph] = _compiled(core, path, streams=streams, threads=threads, device=device)
    return Graphs("openvino" if int8 else "openvino-f32", **compiled, seen_size=profile.seen_size)


def _bare_core() -> Any:
    # OpenVINO tells Google of each import, by a package that it does without where there is none: a call tells nobody.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise EngineError(f"OpenVINO does not load ({error}).") from None
    return openvino.Core()


def _openvino_core() -> Any:
    core = _bare_core()
    cache = _cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        core.set_property({"CACHE_DIR": str(cache)})
    except OSError:
        pass  # without a cache the graphs compile anew each time, in a second or two
    return core


def _compiled(
    core: Any, path: Path, *, streams: int, threads: int | None = None, device: str = "CPU"
) -> OpenVinoGraph:
    # Flow and heatmap coordinates need all of float32's bits: in half precision they err by a quarter of a pixel.
    settings: dict[str, str | int | bool] = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": streams}
    if device == "CPU":
        # Threads that are bound to cores would crowd on the first ones when several graphs run at once.
        settings["ENABLE_CPU_PINNING"] = False
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    with _one_sentence(path):
        with _alone_in(_cache_folder()):
            compiled = core.compile_model(path, device, settings)
        return OpenVinoGraph(compiled, path, streams=streams)


def _cache_folder() -> Path:
    import platformdirs  # which a machine that only measures a GPU may lack

    return Path(platformdirs.user_cache_dir("visavis")) / "openvino"


@contextmanager
def _alone_in(cache: Path) -> Iterator[None]:
    """Hold off every other process that would compile into the same folder.

    OpenVINO maps what lies there into its memory and, where two processes compile the same graph, writes it there
    twice: the second time under the feet of whoever has mapped it since, whom the system then ends (SIGBUS).
    """
    if sys.platform == "win32":  # which lets nobody write to a file that is mapped
        yield
        return
    import fcntl

    try:
        lock = (cache / "lock").open("w")
    except OSError:  # there is no cache, and so nothing to fight for
        yield
        return
    with lock:
        with suppress(OSError):  # a file system that knows no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        last_line = str(error).strip().splitlines()[-1] if str(error).strip() else "no reason given"
        raise EngineError(f"OpenVINO cannot run {path}: {last_line}{_lacks_avx()}") from None


def _lacks_avx() -> str:
    """Say so of a processor without AVX, for which OpenVINO compiles only some of the graphs."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if not is_x86 or cv2.checkHardwareSupport(AVX):
        return ""
    return " (this processor has no AVX, and OpenVINO needs it: take another machine, or another engine)"


def _found_in(module: str, function: str) -> Engine:
    """Return an engine whose module is loaded when it is asked for."""
    return lambda profile: getattr(importlib.import_module(module), function)(profile)


ENGINES: dict[str, Engine] = {
    "auto": _found_in("runtime.auto", "load_auto"),  # the fastest of those present
    "openvino": partial(_load_openvino, int8=True),  # 8-bit graphs where profile and CPU have them
    "openvino-f32": partial(_load_openvino, int8=False),
    "openvino-gpu": _load_openvino_gpu,  # sees on the CPU, draws on an Intel GPU
    "tensorrt": _found_in("runtime.tensorrt", "load_tensorrt"),
}
TORCH_ENGINES = ("torch", "torch-cuda")  # models/ adds them where they are asked for


def as_picture(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn a graph's picture [1, 3, S, S] in [0, 1] into uint8 [S, S, 3]."""
    side = array.shape[2]
    planes = cv2.convertScaleAbs(array.reshape(-1, side), alpha=255)  # rounds; nothing drawn is negative
    return np.asarray(cv2.merge(list(planes.reshape(3, side, side))), np.uint8)


def as_input(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn uint8 [S, S, 3] into a graph's picture [1, 3, S, S] in [0, 1]."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None]).astype(np.float32) * np.float32(1 / 255)
