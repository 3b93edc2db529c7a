"""The engine `torch-cuda`: a profile's networks run by torch on an NVIDIA GPU, under the interface of exported graphs.

The generator computes in half precision, everything that a place to sample at comes from in float32 (without TF32,
which keeps as few bits); convolutions are laid out channels-last; each graph is recorded as a CUDA graph at its first
call and launched whole afterwards. It is the reference on CUDA, and the way there where TensorRT is not installed.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.engine import graph_modules
from models.networks import Networks, load_networks
from models.paper.networks import PaperNetworks
from models.profile import ProfileError
from runtime.engine import ENGINES, Arrays, EngineError, Graph, Graphs
from runtime.profile import Profile
from runtime.resident import Resident

WARM_UP_CALLS = 3  # before recording: libraries choose their algorithms and take their memory
LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
# Before torch records it waits for the whole device, which CUDA forbids while another thread records on it.
RECORDING = threading.Lock()


class HalfPrecision(nn.Module):
    """A network that computes in half precision between float32 inputs and float32 outputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, *inputs: Tensor) -> Any:
        found = self.network(*(each.half() for each in inputs))
        return found.float() if isinstance(found, Tensor) else tuple(each.float() for each in found)


class CudaTorchGraph:
    """A network recorded as a CUDA graph; one call at a time, from any thread."""

    def __init__(self, name: str, network: nn.Module, inputs: list[str], outputs: list[str]) -> None:
        self.network, self.inputs, self.outputs = lay_out(network.eval().cuda()), inputs, outputs
        self._resident = Resident(name)
        self._lock = threading.Lock()
        self._stream = torch.cuda.Stream()
        self._recorded: torch.cuda.CUDAGraph | None = None
        self._staged: list[Tensor] = []  # page-locked, so that copies need no help of the processor
        self._given: list[Tensor] = []  # on the device, where the recorded work reads
        self._found: tuple[Tensor, ...] = ()
        self._fetched: list[Tensor] = []

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        arrays = [np.ascontiguousarray(inputs[name]) for name in self.inputs]
        with self._lock, _one_sentence(), torch.inference_mode(), torch.cuda.stream(self._stream):
            if self._recorded is None:
                with RECORDING:
                    self._record(arrays)
            for name, array, staged, given in zip(
                self.inputs, arrays, self._staged, self._given, strict=True
            ):
                if self._resident.must_copy(name, inputs[name]):
                    staged.copy_(torch.from_numpy(array))
                    given.copy_(staged, non_blocking=True)
            assert self._recorded is not None
            self._recorded.replay()
            for fetched, found in zip(self._fetched, self._found, strict=True):
                fetched.copy_(found, non_blocking=True)
            self._stream.synchronize()
            return {
                name: value.numpy().copy() for name, value in zip(self.outputs, self._fetched, strict=True)
            }

    def time_recorded(self, runs: int) -> list[float]:
        """Return the milliseconds that each of some runs of the recorded work takes on the card, without the copies.

        The graph must have been called before.
        """
        assert self._recorded is not None, "it is recorded at the first call"
        found = []
        with self._lock, _one_sentence(), torch.cuda.stream(self._stream):
            for _ in range(runs):
                begins, ends = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                begins.record()
                self._recorded.replay()
                ends.record()
                self._stream.synchronize()
                found.append(begins.elapsed_time(ends))
        return found

    def _record(self, arrays: list[NDArray[Any]]) -> None:
        self._staged = [torch.from_numpy(array).clone().pin_memory() for array in arrays]
        self._given = [each.cuda() for each in self._staged]
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            for _ in range(WARM_UP_CALLS):
                self._run()
            self._stream.synchronize()
            recorded = torch.cuda.CUDAGraph()
            # Other graphs run on other threads meanwhile.
            with torch.cuda.graph(recorded, stream=self._stream, capture_error_mode="thread_local"):
                self._found = self._run()
        self._fetched = [torch.empty(each.shape, dtype=each.dtype).pin_memory() for each in self._found]
        self._recorded = recorded

    def _run(self) -> tuple[Tensor, ...]:
        found = self.network(*self._given)
        return found if isinstance(found, tuple) else (found,)


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of which all are that torch raises of a card
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise EngineError(f"The engine torch-cuda cannot use the card: {reason}.") from None


def lay_out(network: nn.Module) -> nn.Module:
    """Lay a network's convolutions out channels-last, which is what GPUs compute fast in half precision."""
    for weight in network.parameters():
        if weight.dim() in LAYOUTS:
            weight.data = weight.data.contiguous(memory_format=LAYOUTS[weight.dim()])
    return network


def load_torch_cuda(profile: Profile) -> Graphs:
    """Build the profile's networks as graphs on the GPU.

    Raises:
        EngineError: there is no CUDA device, or none that this torch can use, or the profile has no weights.
    """
    if not torch.cuda.is_available():
        raise EngineError(f"The engine torch-cuda finds no CUDA device here (torch {torch.__version__}).")
    try:
        networks = load_networks(profile.folder)
    except ProfileError as error:
        raise EngineError(
            f"The engine torch-cuda takes a profile's weights, not its graphs: {error}."
        ) from None
    graphs: dict[str, Graph] = {**record_networks(networks)}
    return Graphs("torch-cuda", **graphs, seen_size=profile.seen_size)


def record_networks(networks: Networks | PaperNetworks) -> dict[str, CudaTorchGraph]:
    """Put a profile's networks on the card, the generator in half precision; raises EngineError."""
    networks.talker.set_submodule("generator", HalfPrecision(networks.talker.generator))
    with _one_sentence():
        return {name: CudaTorchGraph(name, *parts) for name, parts in graph_modules(networks).items()}


ENGINES["torch-cuda"] = load_torch_cuda
