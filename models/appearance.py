"""F, the appearance extractor: a source picture -> a feature volume, once a source picture (supplement A.1).

The volume's depth is folded into channels throughout: 3-D convolutions are several times slower than 2-D ones of the
same size in every CPU runtime.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers import ConvBlock, ResidualBlock
from models.profile import NetworkProfile


class SourceFeatures(NamedTuple):
    """What the frame graph wants of a source picture."""

    volume: Tensor  # [B, C * D, H, W]; channel c of plane d is c * D + d
    skip: Tensor  # [B, skip channels, 2 H, 2 W]
    context: Tensor  # [B, skip channels + 3, H, W]: what M sees of the source, the picture itself made small at the end
    picture: Tensor  # [B, 3, S, S]


class Appearance(nn.Module):
    """Picture [B, 3, S, S] in [0, 1] -> SourceFeatures; S is four times the volume's size."""

    def __init__(self, profile: NetworkProfile) -> None:
        super().__init__()
        width = profile.appearance_width
        self.stem = ConvBlock(3, width, kernel=7, stride=2)
        self.skip = nn.Conv2d(width, profile.skip_channels, 1)
        self.down = ConvBlock(width, width * 2, stride=2)
        self.body = nn.Sequential(*(ResidualBlock(width * 2) for _ in range(profile.appearance_blocks)))
        self.volume = nn.Conv2d(width * 2, profile.volume_channels * profile.volume_depth, 1)
        self.context = nn.Conv2d(width * 2, profile.skip_channels, 1)

    def forward(self, picture: Tensor) -> SourceFeatures:
        fine = self.stem((picture - 0.45) * 4)
        features = self.body(self.down(fine))
        context = self.context(features)
        small = functional.avg_pool2d(picture, picture.shape[-1] // context.shape[-1])
        context = torch.cat([context.to(picture.dtype), small], 1)
        return SourceFeatures(self.volume(features), self.skip(fine), context, picture)
