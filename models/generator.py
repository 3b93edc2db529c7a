"""G, the generator: warped features -> picture (supplement A.1), with the picture skip that keeps a small one sharp.

Hair, cloth and background are copied from the warped source picture, the face is drawn:
`a * warped + (1 - a) * drawn` with a predicted mask a. What was warped is between pixels and so is softer than what was
filmed: a predicted gain makes it crisp again, `m + g * (m - blurred m)`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers import ConvBlock, PixelShuffleUp, ResidualBlock
from models.profile import NetworkProfile


class Generator(nn.Module):
    """Warped volume, field features, warped skip features, warped picture -> picture and copy mask."""

    def __init__(self, profile: NetworkProfile) -> None:
        super().__init__()
        width, fine = profile.generator_width, profile.generator_fine
        volume = profile.volume_channels * profile.volume_depth
        self.enter = ConvBlock(volume + profile.field_width, width)
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(profile.generator_blocks)))
        self.up_middle = PixelShuffleUp(width, width // 2)
        self.middle = ConvBlock(width // 2 + profile.skip_channels, width // 2)
        self.up_fine = PixelShuffleUp(width // 2, fine)
        self.fine = ConvBlock(fine + 3, fine)
        self.leave = leaving(fine, gain=True)

    def forward(
        self, volume: Tensor, features: Tensor, skip: Tensor, picture: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Draw.

        Args:
            volume: [B, C * D, H, W] warped, times the occlusion.
            features: [B, field width, H, W] of M.
            skip: [B, skip channels, 2 H, 2 W] warped.
            picture: [B, 3, 4 H, 4 W] warped.

        Returns:
            picture [B, 3, 4 H, 4 W] in [0, 1] and copy mask [B, 1, 4 H, 4 W].
        """
        return self.finish(self.features(volume, features, skip, picture), picture)

    def features(self, volume: Tensor, features: Tensor, skip: Tensor, picture: Tensor) -> Tensor:
        """Return the last features [B, fine, 4 H, 4 W]."""
        drawn = self.body(self.enter(torch.cat([laid_like(features, volume), features], 1)))
        drawn = self.up_middle(drawn)
        drawn = self.middle(torch.cat([drawn, laid_like(drawn, skip)], 1))
        drawn = self.up_fine(drawn)
        return self.fine(torch.cat([drawn, laid_like(drawn, picture - 0.5)], 1))

    def finish(self, features: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Draw or copy, and make it crisp: features and warped picture of one size -> picture and copy mask."""
        mixed, copied, gain = self.mix(features, picture)
        crisp = mixed.flatten(2) + gain * (mixed - blur(mixed)).flatten(2)
        return crisp.clamp(0, 1).view_as(picture), copied

    def mix(self, features: Tensor, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw or copy: features and warped picture of one size -> picture, copy mask, and rows [B, n, H * W] of what
        else the last convolution says."""
        # Rows of pixels, not pixels of three colours, are what every engine computes fast.
        drawn, flat = self.leave(features).float().flatten(2), picture.flatten(2)
        copied = torch.sigmoid(drawn[:, 3:4])
        mixed = copied * flat + (1 - copied) * torch.sigmoid(drawn[:, :3])
        return mixed.view_as(picture), copied.unflatten(2, picture.shape[2:]), drawn[:, 4:]


def leaving(width: int, *, gain: bool) -> nn.Conv2d:
    """Make the last convolution: features of a width -> colours drawn, copy mask and perhaps a gain, before what bounds
    them. It starts by copying."""
    start = [0.0, 0.0, 0.0, 2.0] + [0.0] * gain
    leave = nn.Conv2d(width, len(start), 3, padding=1)
    with torch.no_grad():
        leave.weight.mul_(0.2)
    leave.bias = nn.Parameter(torch.tensor(start))
    return leave


def blur(picture: Tensor) -> Tensor:
    """Average each pixel with those of its eight neighbours that are in the picture [B, C, H, W].

    Sums of shifted rows and columns, for an engine's pooling would have the picture laid out anew before and after.
    """
    counted = torch.ones(1, 1, *picture.shape[2:], device=picture.device)
    return add_neighbours(picture) / add_neighbours(counted)


def add_neighbours(values: Tensor) -> Tensor:
    """Sum each 3 x 3 of values [B, C, H, W], with zeros around them."""
    rows = functional.pad(values, (0, 0, 1, 1))
    columns = functional.pad(rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:], (1, 1))
    return columns[..., :-2] + columns[..., 1:-1] + columns[..., 2:]


def laid_like(features: Tensor, warped: Tensor) -> Tensor:
    """Give warped values, which come in full precision, the features' own precision and layout."""
    return warped.to(features.dtype, memory_format=torch.channels_last)
