"""The building blocks that several networks share (supplement A.1, figure 2)."""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """Lay a network's weights out with channels last, in which convolutions run fastest; returns the network."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class ConvBlock(nn.Sequential):
    """Convolution, batch norm, ReLU; `stride` 2 halves the picture."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvBlock(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(features + self.second(self.first(features)))


class InvertedResidual(nn.Module):
    """Expand, depthwise convolution, project (MobileNetV2); the identity joins where sizes agree."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, expansion: int = 4) -> None:
        super().__init__()
        inner = inputs * expansion
        self.body = nn.Sequential(
            ConvBlock(inputs, inner, kernel=1),
            nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.joins = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features) if self.joins else self.body(features)


class PixelShuffleUp(nn.Sequential):
    """Double the picture's size by sub-pixel convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs * 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs * 4),
            nn.ReLU(inplace=True),
            nn.PixelShuffle(2),
        )
