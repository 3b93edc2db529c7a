"""TensorRT on an NVIDIA GPU: builds each graph for the card on first use, keeps what was built, and runs it.

From TensorRT 11.2 on, which samples volumes natively and types networks strongly: the frame graph runs in half
precision where the profile has it in that form (`visavis models half`), with its coordinates in float32, and in float32
elsewhere. Buffers and streams are pycuda's. Built engines are read from the user's own cache and nowhere else: to read
one is to run it. Nothing here knows what the arrays mean.
"""

import hashlib
import importlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from runtime.cuda_graph import CudaGraph, CudaGraphError
from runtime.engine import Arrays, EngineError, Graph, Graphs
from runtime.guarded import Guarded
from runtime.installed import how_to_add
from runtime.profile import GRAPHS, Profile
from runtime.resident import Resident

OLDEST = (11, 2)  # the first whose GridSample takes volumes


class Gpu:
    """The first CUDA device, with its primary context, which other libraries of the process share."""

    def __init__(self) -> None:
        self.trt, self.cuda = import_libraries()
        try:
            self.cuda.init()
            device = self.cuda.Device(0)
            self.name = str(device.name())
            self.driver = int(self.cuda.get_driver_version())  # as CUDA counts: 13000 is 13.0
            self._context = device.retain_primary_context()
        except self.cuda.Error as error:
            raise EngineError(f"The engine tensorrt finds no CUDA device here ({error}).") from None
        self.version = str(self.trt.__version__)
        self.logger = self.trt.Logger(self.trt.Logger.ERROR)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the device this thread's own for a while, as every call of CUDA needs it."""
        self._context.push()
        try:
            yield
        finally:
            self.cuda.Context.pop()

    def start(self, part: Callable[[Any], Any]) -> Any:
        """Return a new Runtime or Builder of TensorRT; raises EngineError where it has none for this driver."""
        try:
            return part(self.logger)
        except TypeError:  # its bindings' word for nothing, above all under a driver that is too old
            cuda = f"{self.driver // 1000}.{self.driver % 1000 // 10}"
            raise EngineError(
                f"TensorRT {self.version} does not start on {self.name}: install a newer NVIDIA driver (this one is "
                f"for CUDA {cuda}), or close what else uses the card."
            ) from None


def import_libraries() -> tuple[Any, Any]:
    """Return the modules tensorrt and pycuda.driver; raises EngineError where one is missing, too old or without its
    driver."""
    try:
        trt = importlib.import_module("tensorrt")
        cuda = importlib.import_module("pycuda.driver")
    except ModuleNotFoundError as error:
        raise EngineError(
            f"The engine tensorrt needs {error.name}, which is not installed: {how_to_add('cuda')}."
        ) from None
    except (ImportError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise EngineError(f"The engine tensorrt finds no NVIDIA driver here ({reason}).") from None
    if tuple(int(part) for part in trt.__version__.split(".")[:2]) < OLDEST:
        raise EngineError(
            f"The engine tensorrt needs TensorRT {'.'.join(map(str, OLDEST))} or later; "
            f"installed is {trt.__version__}."
        )
    return trt, cuda


def cache_path(onnx: Path, *, gpu: str, driver: int, version: str) -> Path:
    """Return where the engine of a graph for a card, driver and TensorRT version is kept in the user's cache."""
    key = "\n".join((hashlib.sha256(onnx.read_bytes()).hexdigest(), gpu, str(driver), version))
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", f"{onnx.stem} {gpu} {driver} {version}")
    folder = Path(platformdirs.user_cache_dir("visavis")) / "tensorrt"
    return folder / f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.engine"


def load_tensorrt(profile: Profile) -> Graphs:
    """Build a profile's graphs, or take them from the cache.

    Raises:
        EngineError: TensorRT, pycuda or a CUDA device is not there, or a graph cannot be built.
    """
    gpu = Gpu()
    compiled: dict[str, Graph] = {}
    for graph in GRAPHS:
        exact = partial(open_graph, gpu, profile.graph_path(graph), graph)
        if graph in profile.half:
            compiled[graph] = Guarded(open_graph(gpu, profile.half_path(graph), graph), exact)
        else:
            compiled[graph] = exact()
    return Graphs("tensorrt", **compiled, seen_size=profile.seen_size)


def open_graph(gpu: Gpu, onnx: Path, name: str) -> "TensorRtGraph":
    """Return a graph ready to run, from the cache where it was built before; raises EngineError."""
    path = cache_path(onnx, gpu=gpu.name, driver=gpu.driver, version=gpu.version)
    try:
        with gpu.current():
            runtime = gpu.start(gpu.trt.Runtime)
            kept = read_kept(path)
            engine = runtime.deserialize_cuda_engine(kept) if kept else None
            if engine is None:  # nothing kept, or a damaged file
                built = build(gpu, onnx)
                keep(path, built)
                engine = runtime.deserialize_cuda_engine(built)
            if engine is None:
                raise EngineError(f"TensorRT cannot load what it built of {onnx}.")
            return TensorRtGraph(gpu, engine, name)
    except gpu.cuda.Error as error:
        raise EngineError(f"The engine tensorrt cannot use {gpu.name}: {error}.") from None


def build(gpu: Gpu, onnx: Path) -> bytes:
    """Build an exported graph for the card, with progress on a terminal; takes from seconds to minutes."""
    trt = gpu.trt
    builder = gpu.start(trt.Builder)
    network = builder.create_network()
    parser = trt.OnnxParser(network, gpu.logger)
    if not parser.parse_from_file(str(onnx)):
        reason = parser.get_error(0).desc() if parser.num_errors else "no reason given"
        raise EngineError(f"TensorRT cannot read {onnx}: {reason}")
    settings = builder.create_builder_config()
    # TF32 keeps as few bits as half precision, and coordinates need all of float32's.
    settings.clear_flag(trt.BuilderFlag.TF32)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        monitor = make_monitor(trt, bar, f"Building {onnx.stem} for {gpu.name}")
        settings.progress_monitor = monitor
        built = builder.build_serialized_network(network, settings)
    if built is None:
        raise EngineError(f"TensorRT cannot build {onnx} for {gpu.name}.")
    return bytes(built)


def make_monitor(trt: Any, bar: Progress, title: str) -> Any:
    """Return what TensorRT tells of its phases, from whatever thread; the outermost ones are shown."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.tasks: dict[str, Any] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self.tasks[phase_name] = bar.add_task(title, total=num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self.tasks:
                bar.update(self.tasks[phase_name], completed=step + 1)
            return True  # go on

        def phase_finish(self, phase_name: str) -> None:
            if phase_name in self.tasks:
                bar.remove_task(self.tasks.pop(phase_name))

    return Monitor()


def read_kept(path: Path) -> bytes:
    """Return an engine from the cache, empty where none can be read there."""
    with suppress(OSError):
        return path.read_bytes()
    return b""


def keep(path: Path, built: bytes) -> None:
    """Write an engine into the cache, whole or not at all; without a cache it is built again each time."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # In a folder of its own, so that a full disk keeps no part of it.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            whole = Path(folder) / path.name
            whole.write_bytes(built)
            os.replace(whole, path)


class TensorRtGraph:
    """A built graph with its buffers and stream; one call at a time, from any thread."""

    def __init__(self, gpu: Gpu, engine: Any, name: str) -> None:
        self._gpu, self._engine = gpu, engine
        self._context = engine.create_execution_context()
        if self._context is None:
            raise EngineError(
                f"TensorRT finds too little memory on {gpu.name} for the graph {name}: close what else uses the card."
            )
        self._stream = gpu.cuda.Stream()
        self._resident = Resident(name)
        self._lock = threading.Lock()
        self._recorded: CudaGraph | None = None
        self._calls = 0
        self._host: dict[str, NDArray[Any]] = {}  # page-locked, so that copies need no help of the processor
        self._device: dict[str, Any] = {}
        self._inputs: list[str] = []
        self._outputs: list[str] = []
        for index in range(engine.num_io_tensors):
            tensor = engine.get_tensor_name(index)
            shape, kind = tuple(engine.get_tensor_shape(tensor)), engine.get_tensor_dtype(tensor)
            self._host[tensor] = gpu.cuda.pagelocked_empty(shape, gpu.trt.nptype(kind))
            self._device[tensor] = gpu.cuda.mem_alloc(self._host[tensor].nbytes)
            self._context.set_tensor_address(tensor, int(self._device[tensor]))
            taken = engine.get_tensor_mode(tensor) == gpu.trt.TensorIOMode.INPUT
            (self._inputs if taken else self._outputs).append(tensor)

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        with self._lock:
            try:
                with self._gpu.current():
                    return self._run(inputs)
            except (self._gpu.cuda.Error, CudaGraphError) as error:
                self._resident.forget()
                raise EngineError(f"The engine tensorrt broke down: {error}.") from None

    def _run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        cuda, stream = self._gpu.cuda, self._stream
        for name in self._inputs:
            if self._resident.must_copy(name, inputs[name]):
                np.copyto(self._host[name], inputs[name])
                cuda.memcpy_htod_async(self._device[name], self._host[name], stream)
        if self._recorded is not None:
            self._recorded.launch()
        else:
            self._execute()
        for name in self._outputs:
            cuda.memcpy_dtoh_async(self._host[name], self._device[name], stream)
        stream.synchronize()
        self._calls += 1
        if self._calls == 1:  # the first run does what cannot be recorded
            self._record()
        return {name: self._host[name].copy() for name in self._outputs}

    def _execute(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            raise EngineError("TensorRT could not run a graph.")

    def _record(self) -> None:
        try:
            self._recorded = CudaGraph(self._stream.handle, self._execute)
        except (CudaGraphError, EngineError, OSError):
            self._recorded = None  # launched piece by piece: slower, and as right
