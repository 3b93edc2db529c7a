"""G, the generator: warped features -> picture (supplement A.1), with the picture skip that keeps a small one sharp.

Hair, cloth and background are copied from the warped source picture, the face is drawn:
`a * warped + (1 - a) * drawn` with a predicted mask a. What was sampled between pixels is softer than what was filmed:
linear interpolation at a share f of the way to the next pixel adds f (1 - f) / 2 of the second difference, to first
order. A predicted gain takes it away again, in x and y each by its own f; where a pixel was met nothing is sharpened.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers import ConvBlock, PixelShuffleUp, ResidualBlock
from models.profile import NetworkProfile


class GeneratorLayers(nn.Module):
    """The layers up to a picture's size, and how it is mixed of what is drawn and what is copied."""

    leave: nn.Conv2d  # the last features -> colours, copy mask, and perhaps a gain

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

    def features(self, volume: Tensor, features: Tensor, skip: Tensor, picture: Tensor) -> Tensor:
        """Return the last features [B, fine, 4 H, 4 W]; for what they come of see `Generator`."""
        drawn = self.body(self.enter(torch.cat([laid_like(features, volume), features], 1)))
        drawn = self.up_middle(drawn)
        drawn = self.middle(torch.cat([drawn, laid_like(drawn, skip)], 1))
        drawn = self.up_fine(drawn)
        return self.fine(torch.cat([drawn, laid_like(drawn, picture - 0.5)], 1))

    def mix(self, features: Tensor, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw or copy: features and warped picture of one size -> picture, copy mask, and rows [B, n, H * W] of what
        else the last convolution says."""
        # Rows of pixels, not pixels of three colours, are what every engine computes fast.
        drawn, flat = self.leave(features).float().flatten(2), picture.flatten(2)
        copied = torch.sigmoid(drawn[:, 3:4])
        mixed = copied * flat + (1 - copied) * torch.sigmoid(drawn[:, :3])
        return mixed.view_as(picture), copied.unflatten(2, picture.shape[2:]), drawn[:, 4:]


class Generator(GeneratorLayers):
    """Warped volume, field features, warped skip features, warped picture, its softness -> picture and copy mask."""

    def __init__(self, profile: NetworkProfile) -> None:
        super().__init__(profile)
        self.leave = leaving(profile.generator_fine, gain=True)

    def forward(
        self, volume: Tensor, features: Tensor, skip: Tensor, picture: Tensor, soft: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Draw.

        Args:
            volume: [B, C * D, H, W] warped, times the occlusion.
            features: [B, field width, H, W] of M.
            skip: [B, skip channels, 2 H, 2 W] warped.
            picture: [B, 3, 4 H, 4 W] warped.
            soft: [B, 2, 4 H, 4 W] how soft that made it, of `models.warp.softness`.

        Returns:
            picture [B, 3, 4 H, 4 W] in [0, 1] and copy mask [B, 1, 4 H, 4 W].
        """
        return self.finish(self.features(volume, features, skip, picture), picture, soft)

    def finish(self, features: Tensor, picture: Tensor, soft: Tensor) -> tuple[Tensor, Tensor]:
        """Draw or copy, and make it crisp: features, warped picture of their size and its softness -> picture and copy
        mask."""
        mixed, copied, gain = self.mix(features, picture)
        across, down = (gain * soft.flatten(2)).split(1, 1)
        beside, above = (each.flatten(2) for each in neighbours(mixed))
        crisp = (1 + 2 * (across + down)) * mixed.flatten(2) - across * beside - down * above
        return crisp.clamp(0, 1).view_as(picture), copied


def leaving(width: int, *, gain: bool) -> nn.Conv2d:
    """Make the last convolution: features of a width -> colours drawn, copy mask and perhaps a gain, before what bounds
    them. It starts by copying."""
    start = [0.0, 0.0, 0.0, 2.0] + [0.0] * gain
    leave = nn.Conv2d(width, len(start), 3, padding=1)
    with torch.no_grad():
        leave.weight.mul_(0.2)
    leave.bias = nn.Parameter(torch.tensor(start))
    return leave


def neighbours(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the pixels on both sides of each of a picture's [B, C, H, W], and those above and below, as if its border
    went on outside."""
    across = functional.pad(picture, (1, 1, 0, 0), mode="replicate")
    down = functional.pad(picture, (0, 0, 1, 1), mode="replicate")
    return across[..., :-2] + across[..., 2:], down[:, :, :-2] + down[:, :, 2:]


def laid_like(features: Tensor, warped: Tensor) -> Tensor:
    """Give warped values, which come in full precision, the features' own precision and layout."""
    return warped.to(features.dtype, memory_format=torch.channels_last)
