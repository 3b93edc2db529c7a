"""The TensorRT engine: where it keeps what it built, what it says where it cannot run, and, on a GPU, what it draws."""

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtime import tensorrt
from runtime.cuda_graph import CudaGraphError
from runtime.engine import EngineError, load
from runtime.guarded import Guarded
from runtime.profile import load_profile
from runtime.resident import Resident
from runtime.talker import Talker

CARD: dict[str, Any] = {"gpu": "NVIDIA RTX A/B", "driver": 13000, "version": "11.4.0.106"}


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(tensorrt.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    return tmp_path


class CudaError(Exception):
    """What pycuda raises."""


class Graph:
    """An engine of TensorRT that computes nothing; where there is no room, it cannot be run."""

    num_io_tensors = 2

    def __init__(self, *, room: bool = True) -> None:
        self.room = room

    def get_tensor_name(self, index: int) -> str:
        return ("volume", "drawn")[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (2,)

    def get_tensor_dtype(self, name: str) -> type:
        return np.float32

    def get_tensor_mode(self, name: str) -> str:
        return {"volume": "in", "drawn": "out"}[name]

    def create_execution_context(self) -> Any:
        return (
            SimpleNamespace(set_tensor_address=lambda *_: True, execute_async_v3=lambda _: True)
            if self.room
            else None
        )


class Runtime:
    """Reads what it has built."""

    def __init__(self, logger: object) -> None:
        pass

    def deserialize_cuda_engine(self, kept: bytes) -> Graph | None:
        return Graph() if kept == b"built" else None


class Card(tensorrt.Gpu):
    """A card and its libraries, of which there is only what a test asks of them."""

    def __init__(self, runtime: Any = Runtime) -> None:
        self.name, self.driver, self.version, self.logger = CARD["gpu"], CARD["driver"], CARD["version"], None
        self.trt = SimpleNamespace(
            Runtime=runtime, nptype=lambda kind: kind, TensorIOMode=SimpleNamespace(INPUT="in")
        )
        self.copies: list[str] = []
        self.cuda = SimpleNamespace(
            Error=CudaError,
            Context=SimpleNamespace(pop=lambda: None),
            Stream=lambda: SimpleNamespace(handle=1, synchronize=lambda: None),
            pagelocked_empty=np.zeros,
            mem_alloc=lambda size: size,
            memcpy_htod_async=lambda *_: self.copies.append("to the card"),
            memcpy_dtoh_async=lambda *_: self.copies.append("back"),
        )
        self._context = SimpleNamespace(push=lambda: None)


def modules(monkeypatch: pytest.MonkeyPatch, *, version: str, init: Any = None) -> None:
    """Put a TensorRT and a pycuda in place that can do nothing but say who they are."""
    trt, package, driver = ModuleType("tensorrt"), ModuleType("pycuda"), ModuleType("pycuda.driver")
    trt.__version__ = version  # type: ignore[attr-defined]
    driver.Error, driver.init = OSError, init  # type: ignore[attr-defined]
    package.driver = driver  # type: ignore[attr-defined]
    for module in (trt, package, driver):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_an_engine_is_kept_for_one_graph_card_driver_and_version(cache: Path, tmp_path: Path) -> None:
    onnx = tmp_path / "frame.onnx"
    onnx.write_bytes(b"a graph")
    path = tensorrt.cache_path(onnx, **CARD)
    assert path == tensorrt.cache_path(onnx, **CARD)
    assert path.is_relative_to(cache)
    assert "/" not in path.name, "a card's name must not lead elsewhere"
    others = [CARD | {"gpu": "NVIDIA RTX A-B"}, CARD | {"driver": 13010}, CARD | {"version": "11.3.0.99"}]
    assert len({path, *(tensorrt.cache_path(onnx, **other) for other in others)}) == 4
    onnx.write_bytes(b"another graph")
    assert tensorrt.cache_path(onnx, **CARD) != path


def test_what_was_built_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        raise OSError("The disk is full.")

    path = tmp_path / "tensorrt" / "frame.engine"
    tensorrt.keep(path, b"built")
    assert path.read_bytes() == b"built"
    assert [each.name for each in path.parent.iterdir()] == ["frame.engine"]
    (tmp_path / "file").write_text("no folder")
    tensorrt.keep(tmp_path / "file" / "frame.engine", b"built")  # a call goes on without a cache
    monkeypatch.setattr(os, "replace", fill)
    tensorrt.keep(tmp_path / "full" / "frame.engine", b"built")
    assert list((tmp_path / "full").iterdir()) == []


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match="make install EXTRAS=cuda"):
        tensorrt.import_libraries()


def test_an_old_tensorrt_is_refused_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    modules(monkeypatch, version="10.16.1.11")
    with pytest.raises(EngineError, match=r"needs TensorRT 11\.2 or later; installed is 10\.16\.1\.11"):
        tensorrt.import_libraries()


def test_without_a_card_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise OSError("no CUDA-capable device is detected")

    modules(monkeypatch, version="11.2.1.2", init=init)
    with pytest.raises(EngineError, match=r"finds no CUDA device here \(no CUDA-capable device"):
        tensorrt.Gpu()


def test_a_driver_that_is_too_old_for_tensorrt_is_one_sentence(cache: Path, tmp_path: Path) -> None:
    def refuse(logger: object) -> None:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    onnx = tmp_path / "frame.onnx"
    onnx.write_bytes(b"a graph")
    with pytest.raises(EngineError, match=r"newer NVIDIA driver \(this one is for CUDA 13\.0\)"):
        tensorrt.open_graph(Card(runtime=refuse), onnx, "frame")


@pytest.mark.parametrize("place", ["unreadable", "damaged", "nothing"])
def test_what_cannot_be_taken_from_the_cache_is_built(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    onnx = tmp_path / "frame.onnx"
    onnx.write_bytes(b"a graph")
    path = tensorrt.cache_path(onnx, **CARD)
    path.parent.mkdir(parents=True)
    if place != "nothing":
        path.write_bytes(b"half a f")
    if place == "unreadable":
        reads = Path.read_bytes

        def forbid(file: Path) -> bytes:
            if file == path:
                raise PermissionError("Permission denied")
            return reads(file)

        monkeypatch.setattr(Path, "read_bytes", forbid)
    monkeypatch.setattr(tensorrt, "build", lambda gpu, onnx: b"built")
    assert isinstance(tensorrt.open_graph(Card(), onnx, "frame"), tensorrt.TensorRtGraph)
    with path.open("rb") as kept:
        assert kept.read() == b"built"


def test_a_card_without_room_for_a_graph_is_one_sentence() -> None:
    with pytest.raises(EngineError, match="too little memory on NVIDIA RTX A/B for the graph frame"):
        tensorrt.TensorRtGraph(Card(), Graph(room=False), "frame")


def test_a_card_that_fails_in_a_call_is_one_sentence_and_holds_nothing_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Recorded:
        def __init__(self, stream: int, work: object) -> None:
            pass

        def launch(self) -> None:
            raise CudaGraphError("cuGraphLaunch failed with CUDA error 700")

    monkeypatch.setattr(tensorrt, "CudaGraph", Recorded)
    card = Card()
    graph = tensorrt.TensorRtGraph(card, Graph(), "frame")
    volume = {"volume": np.ones(2, np.float32)}
    graph(volume)
    for _ in range(2):
        with pytest.raises(EngineError, match="broke down: cuGraphLaunch failed"):
            graph(volume)
    assert card.copies == ["to the card", "back", "to the card"], (
        "what was on the card then is believed to be there"
    )


def test_only_the_sources_share_of_a_frame_stays_on_the_device() -> None:
    volume, keypoints = np.zeros(3), np.zeros(3)
    frame = Resident("frame")
    assert frame.must_copy("volume", volume)
    assert not frame.must_copy("volume", volume)
    assert frame.must_copy("volume", np.zeros(3)), "another source picture"
    assert frame.must_copy("driving_keypoints", keypoints)
    assert frame.must_copy("driving_keypoints", keypoints), "a motion may come in the same memory"
    frame.forget()
    assert frame.must_copy("volume", volume)
    motion = Resident("motion")
    assert motion.must_copy("picture", volume)
    assert motion.must_copy("picture", volume), "a camera's picture may come in the same memory"


@pytest.mark.parametrize(("first", "asked"), [(np.nan, 1), (0.25, 0)])
def test_half_precision_that_overflows_gives_way_to_the_exact_graph(first: float, asked: int) -> None:
    loaded: list[str] = []

    def half(inputs: Any) -> dict[str, Any]:
        return {"drawn": np.array([first])}

    def exact(inputs: Any) -> dict[str, Any]:
        return {"drawn": np.array([0.5])}

    def load_exact() -> Any:
        loaded.append("exact")
        return exact

    graph = Guarded(half, load_exact)
    for _ in range(2):
        assert np.isfinite(graph({})["drawn"]).all()
    assert len(loaded) == asked


@pytest.mark.gpu
def test_it_draws_what_openvino_draws(profile_folder: Path) -> None:
    profile = load_profile("laptop-256")
    try:
        graphs = load(profile, engine="tensorrt")
    except EngineError as error:
        pytest.skip(str(error))
    fast, exact = (Talker(each, picture_size=256) for each in (graphs, load(profile, engine="openvino-f32")))
    picture = np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8)
    source = exact.prepare(picture)
    motion = source.rotation + 5, source.translation, source.expression
    for _ in range(3):  # the first is run piece by piece, the others as recorded
        drawn, due = fast.draw(source, *motion).astype(float), exact.draw(source, *motion).astype(float)
        assert np.abs(drawn - due).mean() < 0.5
