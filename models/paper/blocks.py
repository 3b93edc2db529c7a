"""The building blocks of the paper's networks (supplement, figure 2); "for the 3D counterparts, we simply replace
2D convolutions with 3D convolutions": every block takes its number of dimensions. Depth is never halved or doubled.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.paper.norm import BatchNorm


def convolution(
    dimensions: int, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, bias: bool = False
) -> nn.Module:
    """Build a convolution that keeps the size, or halves it with stride 2."""
    kind = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
    return kind(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=bias)


class WideConvolution(nn.Conv3d):
    """A 7x7x7 convolution; on a CPU in float32, as its backward pass in bfloat16 crashes torch 2.13 over few planes."""

    def forward(self, features: Tensor) -> Tensor:
        if features.device.type != "cpu":
            return super().forward(features)
        with full_precision(features):
            return super().forward(features.float())


def wide_convolution(dimensions: int, inputs: int, outputs: int) -> nn.Module:
    """Build a convolution 7 points wide, with which heatmaps and masks are read off."""
    if dimensions == 3:
        return WideConvolution(inputs, outputs, 7, padding=3)
    return nn.Conv2d(inputs, outputs, 7, padding=3)


class SameBlock(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, dimensions: int, inputs: int, outputs: int, *, kernel: int = 3) -> None:
        super().__init__(
            convolution(dimensions, inputs, outputs, kernel=kernel),
            BatchNorm(outputs),
            nn.ReLU(inplace=True),
        )


class DownBlock(nn.Module):
    """Convolution, batch norm, ReLU, and the average of each 2 x 2."""

    def __init__(self, dimensions: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = SameBlock(dimensions, inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        features = self.body(features)
        if features.dim() == 5:
            return functional.avg_pool3d(features, (1, 2, 2))
        return functional.avg_pool2d(features, 2)


class UpBlock(nn.Module):
    """Every point four times, convolution, batch norm, ReLU."""

    def __init__(self, dimensions: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = SameBlock(dimensions, inputs, outputs)
        self.factors = (1.0, 2.0, 2.0) if dimensions == 3 else (2.0, 2.0)

    def forward(self, features: Tensor) -> Tensor:
        return self.body(functional.interpolate(features, scale_factor=self.factors, mode="nearest"))


class ResidualBlock(nn.Module):
    """Twice batch norm, ReLU and convolution, beside the identity."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        # Not in place: the first ReLU's input may be the identity's.
        self.body = nn.Sequential(
            BatchNorm(channels),
            nn.ReLU(),
            convolution(dimensions, channels, channels),
            BatchNorm(channels),
            nn.ReLU(inplace=True),
            convolution(dimensions, channels, channels, bias=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


class Bottleneck(nn.Module):
    """ResNet's 1x1, 3x3, 1x1 convolutions beside the identity, or beside a projection where the shape changes."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        inner = outputs // 4
        self.body = nn.Sequential(
            SameBlock(2, inputs, inner, kernel=1),
            convolution(2, inner, inner, stride=stride),
            BatchNorm(inner),
            nn.ReLU(inplace=True),
            convolution(2, inner, outputs, kernel=1),
            BatchNorm(outputs),
        )
        self.beside: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.beside = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), BatchNorm(outputs)
            )

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.beside(features) + self.body(features))


def points_of(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return the image coordinates of a grid's centres.

    Args:
        shape: (H, W) or (D, H, W).
        like: a tensor of the grid's device.

    Returns:
        [*shape, 2 or 3]: x, y and, in a volume, z, each in [-1, 1].
    """
    lines = [
        (torch.arange(size, device=like.device, dtype=torch.float32) * 2 + 1) / size - 1 for size in shape
    ]
    return torch.stack(torch.meshgrid(*lines, indexing="ij")[::-1], -1)


def full_precision(like: Tensor) -> torch.autocast:
    """Keep what follows out of a training's autocast: a place in half precision errs by a quarter of a pixel."""
    device = like.device.type
    return torch.autocast("cpu" if device == "meta" else device, enabled=False)
