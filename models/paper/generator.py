"""G, the generator of the paper: a warped feature volume -> a picture (supplement A.1).

In training all its convolutions carry spectral norm (`norm.add_spectral_norm`), and its batch norm spans all
processes; what ships has neither.
"""

import torch
from torch import Tensor, nn

from models.paper.blocks import ResidualBlock, SameBlock, UpBlock
from models.paper.profile import PaperProfile


class Generator(nn.Module):
    """Warped volume [B, C, D, H, W] (or flat) and occlusion [B, 1, H, W] -> picture [B, 3, 4 H, 4 W] in [0, 1]."""

    def __init__(self, profile: PaperProfile) -> None:
        super().__init__()
        width, self.depth = profile.generator_width, profile.volume_depth
        self.enter = nn.Sequential(
            SameBlock(2, profile.volume_channels * self.depth, width), nn.Conv2d(width, width, 1)
        )
        self.body = nn.Sequential(*(ResidualBlock(2, width) for _ in range(profile.generator_blocks)))
        self.up = nn.Sequential(UpBlock(2, width, width // 2), UpBlock(2, width // 2, width // 4))
        self.leave = nn.Conv2d(width // 4, 3, 7, padding=3)

    def forward(self, volume: Tensor, occlusion: Tensor) -> Tensor:
        flat = volume.flatten(1, 2) if self.depth > 1 else volume
        features = self.enter(flat) * occlusion
        return torch.sigmoid(self.leave(self.up(self.body(features))).float())
