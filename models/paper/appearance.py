"""F, the appearance extractor of the paper: a source picture -> a feature volume, once (supplement A.1)."""

from torch import Tensor, nn

from models.paper.blocks import DownBlock, ResidualBlock, SameBlock
from models.paper.profile import PaperProfile


class Appearance(nn.Module):
    """Picture [B, 3, S, S] in [0, 1] -> volume [B, C, D, S/4, S/4], or [B, C, S/4, S/4] for a 2-D warp."""

    def __init__(self, profile: PaperProfile) -> None:
        super().__init__()
        width, self.depth, dimensions = profile.appearance_width, profile.volume_depth, profile.dimensions
        self.flat = nn.Sequential(
            SameBlock(2, 3, width, kernel=7),
            DownBlock(2, width, width * 2),
            DownBlock(2, width * 2, width * 4),
            nn.Conv2d(width * 4, profile.volume_channels * self.depth, 1),
        )
        self.body = nn.Sequential(
            *(ResidualBlock(dimensions, profile.volume_channels) for _ in range(profile.appearance_blocks))
        )

    def forward(self, picture: Tensor) -> Tensor:
        features = self.flat(picture)  # [B, C * D, H, W]
        if self.depth > 1:
            features = features.unflatten(1, (-1, self.depth))  # [B, C, D, H, W]
        return self.body(features)
