"""LPIPS with SqueezeNet 1.1 (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
CVPR 2018; version 0.1 of the linear heads), in plain torch. It knows two weight files and pictures; it does not know
faces, clips or codecs. Where a perceptual loss was SqueezeNet too, this judge flatters: read it beside the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError

TRUNK_FILE = "squeezenet1_1.pth"
HEADS_FILE = "lpips_squeeze_heads.pth"

# The heads were fitted behind this normalisation of pictures in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

# Fire modules of torchvision's SqueezeNet 1.1: index in `features`, input, squeeze and expand channels.
FIRES = (
    (3, 64, 16, 64),
    (4, 128, 16, 64),
    (6, 128, 32, 128),
    (7, 256, 32, 128),
    (9, 256, 48, 192),
    (10, 384, 48, 192),
    (11, 384, 64, 256),
    (12, 512, 64, 256),
)
POOLS = (2, 5, 8)
TAPS = (1, 4, 7, 9, 10, 11, 12)
TAP_CHANNELS = (64, 128, 256, 384, 384, 512, 512)

# Below this side the third pooling leaves nothing to compare.
SMALLEST_SIDE = 32


class Fire(nn.Module):
    """Squeeze to few channels, expand by a 1x1 and a 3x3 convolution side by side."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.expand1x1(x)), functional.relu(self.expand3x3(x))], 1)


class LPIPS(nn.Module):
    """Perceptual distance between batches of pictures; differentiable, its own weights are fixed."""

    shift: Tensor
    scale: Tensor

    def __init__(self, backbones: Path) -> None:
        """Load the trunk and the heads from the folder `backbones`; raise BenchError where a file is missing or bad."""
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU()]
        fires = {index: Fire(inputs, squeezed, expanded) for index, inputs, squeezed, expanded in FIRES}
        layers += [
            nn.MaxPool2d(3, stride=2, ceil_mode=True) if index in POOLS else fires[index]
            for index in range(2, 13)
        ]
        self.features = nn.Sequential(*layers)
        self.heads = nn.ParameterList([torch.zeros(1, channels, 1, 1) for channels in TAP_CHANNELS])
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))
        self._load(backbones)
        self.requires_grad_(False)
        self.eval()
        # On a CPU SqueezeNet's thin layers run several times faster with the channels innermost.
        nn.Module.to(self, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _load(self, backbones: Path) -> None:
        try:
            trunk = torch.load(backbones / TRUNK_FILE, map_location="cpu", weights_only=True)
            heads = torch.load(backbones / HEADS_FILE, map_location="cpu", weights_only=True)
            self.features.load_state_dict(
                {
                    key.removeprefix("features."): value
                    for key, value in trunk.items()
                    if key.startswith("features.")
                }
            )
            for index, head in enumerate(self.heads):
                head.data.copy_(heads[f"lin{index}.model.1.weight"])
        except FileNotFoundError as error:
            raise BenchError(f"LPIPS needs {error.filename}, which is not there.") from error
        except (KeyError, RuntimeError, ValueError) as error:
            raise BenchError(
                f"The LPIPS weights in {backbones} do not fit SqueezeNet 1.1: {error}"
            ) from error

    def embed(self, pictures: Tensor) -> list[Tensor]:
        """Return the seven unit-length feature maps of `pictures` [N, 3, H, W] in [0, 1], H and W at least 32.

        They may be kept and compared with many others; a batch of one compares with any batch.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3 or min(pictures.shape[2:]) < SMALLEST_SIDE:
            raise ValueError(
                f"LPIPS wants [N, 3, H, W] with sides of at least {SMALLEST_SIDE}, not {list(pictures.shape)}."
            )
        x = ((pictures * 2 - 1 - self.shift) / self.scale).contiguous(memory_format=torch.channels_last)
        taps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in TAPS:
                taps.append(x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10))
        return taps

    def distance(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """Return the distances [N] between two results of `embed`; 0 means the same, 1 very different."""
        parts = [
            ((a - b).square().movedim(1, -1) @ head.flatten()).mean((1, 2))
            for a, b, head in zip(first, second, self.heads, strict=True)
        ]
        return torch.stack(parts).sum(0)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distances [N] between pictures [N, 3, H, W] in [0, 1] of the same size."""
        return self.distance(self.embed(first), self.embed(second))
