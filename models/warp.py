"""Warps: sampling pictures and feature volumes at the places that the motion field names.

The volume's warp has two forms. `native` is torch's 5-D grid sample; `planes` is the same sum as two 4-D samples of a
tall image of stacked planes, for engines that refuse the 5-D operator (NETWORKS.md). They agree to rounding.
"""

import torch
from torch import Tensor
from torch.nn import functional


def warp_picture(picture: Tensor, places: Tensor) -> Tensor:
    """Sample [B, C, h, w] at image coordinates [B, H, W, 2]; the border goes on outside. Returns [B, C, H, W]."""
    return functional.grid_sample(
        picture.float(), places.float(), mode="bilinear", padding_mode="border", align_corners=False
    )


def softness(places: Tensor) -> Tensor:
    """Say how soft a picture of S x S pixels becomes by being sampled at places [B, S, S, 2], image coordinates.

    Returns f (1 - f) of the share f of the way from one pixel to the next, across and down, [B, 2, S, S]: 0 at pixels,
    1/4 midway.
    """
    pixels = (places.permute(0, 3, 1, 2) + 1) * (places.shape[1] / 2) - 0.5
    share = pixels - pixels.floor()
    return share * (1 - share)


def warp_volume_native(volume: Tensor, places: Tensor, *, depth: int, extent: float) -> Tensor:
    """Warp a folded volume [B, C * D, H, W] to places [B, D, 3, H, W] (image coordinates); returns [B, C * D, H, W]."""
    unfolded = volume.float().unflatten(1, (-1, depth))
    grid = torch.cat([places[:, :, :2], places[:, :, 2:] / extent], 2).permute(0, 1, 3, 4, 2).float()
    warped = functional.grid_sample(
        unfolded, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return warped.flatten(1, 2)


def warp_volume_planes(volume: Tensor, places: Tensor, *, depth: int, extent: float) -> Tensor:
    """Do what `warp_volume_native` does with 4-D samples only."""
    batch, folded, height, width = volume.shape
    channels = folded // depth
    # One tall image, its planes stacked; x and y are clamped to pixel centres so that no plane bleeds into the next.
    tall = volume.float().reshape(batch, channels, depth * height, width)
    x = places[:, :, 0].clamp(-1 + 1 / width, 1 - 1 / width)
    row = ((places[:, :, 1] + 1) * (height / 2) - 0.5).clamp(0, height - 1)
    level = ((places[:, :, 2] / extent + 1) * (depth / 2) - 0.5).clamp(0, depth - 1)
    lower = level.floor()
    share = level - lower
    upper = (lower + 1).clamp_max(depth - 1)
    total = depth * height

    def sample(plane: Tensor) -> Tensor:
        y = (plane * height + row + 0.5) * (2 / total) - 1
        grid = torch.stack([x, y], -1).reshape(batch, depth * height, width, 2)
        sampled = functional.grid_sample(
            tall, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return sampled.reshape(batch, channels, depth, height, width)

    near, far = sample(lower), sample(upper)
    return (near + (far - near) * share[:, None]).reshape(batch, folded, height, width)
