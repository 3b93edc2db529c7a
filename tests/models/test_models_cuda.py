"""Torch's engine for CUDA: its refusal without a card, its mixed precision, and, on a GPU, what it draws."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models_fakes import tiny_profile  # noqa: E402

from models.cuda import CudaTorchGraph, HalfPrecision, lay_out, load_torch_cuda  # noqa: E402
from models.generator import Generator  # noqa: E402
from runtime.engine import EngineError, load  # noqa: E402
from runtime.profile import load_profile  # noqa: E402
from runtime.talker import Talker  # noqa: E402


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A card that is the processor, and records nothing; for tests that change what torch makes of it."""
    stream = SimpleNamespace(synchronize=lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: None))
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch.nn.Module, "cuda", lambda self: self)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    return monkeypatch


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card_it_says_so(profile_folder: Path) -> None:
    with pytest.raises(EngineError, match="torch-cuda finds no CUDA device here"):
        load_torch_cuda(load_profile("laptop-256"))


NO_KERNEL = (
    "CUDA error: no kernel image is available for execution on the device\nCompile with `TORCH_USE_CUDA_DSA`"
)


def test_a_card_that_this_torch_has_nothing_for_is_one_sentence(
    profile_folder: Path, card: pytest.MonkeyPatch
) -> None:
    class Network(torch.nn.Module):
        def forward(self, picture: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(NO_KERNEL)

    graph = CudaTorchGraph("motion", Network(), ["picture"], ["found"])
    sentence = r"cannot use the card: CUDA error: no kernel image is available for execution on the device\.$"
    with pytest.raises(EngineError, match=sentence):
        graph({"picture": np.zeros(1, np.float32)})

    def refuse(module: torch.nn.Module) -> None:
        raise RuntimeError(NO_KERNEL)

    card.setattr(torch.nn.Module, "cuda", refuse)
    with pytest.raises(EngineError, match=sentence):
        load_torch_cuda(load_profile("laptop-256"))


def test_a_profile_of_graphs_alone_is_one_sentence(
    profile_folder: Path, tmp_path: Path, card: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "profile"
    shutil.copytree(profile_folder, folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(EngineError, match=r"takes a profile's weights, not its graphs: .* has no weights"):
        load_torch_cuda(load_profile(str(folder)))


def test_only_one_graph_is_recorded_at_a_time(card: pytest.MonkeyPatch) -> None:
    met = threading.Barrier(2)

    @contextmanager
    def record(*_: object, **__: object):
        with suppress(threading.BrokenBarrierError):
            met.wait(0.2)
        yield

    card.setattr(torch.cuda, "graph", record)
    graphs = [CudaTorchGraph("motion", torch.nn.ReLU(), ["picture"], ["found"]) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda graph: graph({"picture": np.ones(1, np.float32)}), graphs))
    assert [each["found"] for each in found] == [1, 1]
    assert met.broken, "both recorded at once"


def test_the_generator_in_half_precision_takes_and_gives_float32() -> None:
    torch.manual_seed(0)
    profile = tiny_profile()
    cells = profile.volume_size
    generator = Generator(profile).eval()
    inputs = [
        torch.rand(1, profile.volume_channels * profile.volume_depth, cells, cells),
        torch.rand(1, profile.field_width, cells, cells),
        torch.rand(1, profile.skip_channels, 2 * cells, 2 * cells),
        torch.rand(1, 3, 4 * cells, 4 * cells),
        torch.rand(1, 2, 4 * cells, 4 * cells) / 4,
    ]
    with torch.inference_mode():
        due = generator(*inputs)
        drawn = lay_out(HalfPrecision(generator))(*inputs)
    assert {value.dtype for value in drawn} == {torch.float32}
    assert (drawn[0] - due[0]).abs().max() < 2 / 255
    assert not torch.equal(drawn[0], due[0]), "nothing was computed in half precision"


def test_weights_of_pictures_and_of_volumes_are_laid_out_channels_last() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3), torch.nn.Conv3d(4, 8, 3), torch.nn.Linear(4, 8))
    lay_out(network)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert network[1].weight.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no card here")
def test_it_draws_what_openvino_draws(profile_folder: Path) -> None:
    profile = load_profile("laptop-256")
    graphs = load_torch_cuda(profile), load(profile, engine="openvino-f32")
    fast, exact = (Talker(each, picture_size=256) for each in graphs)
    picture = np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8)
    source = exact.prepare(picture)
    for turn in (0, 5, -5):
        motion = source.rotation + turn, source.translation, source.expression
        drawn, due = fast.draw(source, *motion).astype(float), exact.draw(source, *motion).astype(float)
        assert np.abs(drawn - due).mean() < 0.5
