"""Warps of the paper's networks: feature volumes sampled where a flow names, zero outside.

`warp_native` is torch's own grid sample, of a volume or of flat features. `warp_planes` is the same sum as two samples
of one tall picture of the volume's planes, for engines that refuse the 5-D operator. They agree to rounding.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Warp = Callable[[Tensor, Tensor], Tensor]


def warp_native(volume: Tensor, flow: Tensor) -> Tensor:
    """Sample a volume [B, C, D, H, W] at image coordinates [B, D, H, W, 3], or a picture likewise; zero outside."""
    return functional.grid_sample(
        volume.float(), flow.float(), mode="bilinear", padding_mode="zeros", align_corners=False
    )


def warp_planes(volume: Tensor, flow: Tensor) -> Tensor:
    """Do what `warp_native` does with 4-D samples only."""
    if volume.dim() == 4:
        return warp_native(volume, flow)
    batch, channels, depth, height, width = (int(size) for size in volume.shape)
    points = tuple(int(size) for size in flow.shape[1:4])
    # A row of zeros above and below each plane is what lies outside; none bleeds into its neighbour.
    padded = functional.pad(volume.float(), (0, 0, 1, 1))
    tall = padded.reshape(batch, channels, depth * (height + 2), width)
    x, y, z = flow.float().unbind(-1)  # [B, D, H, W] each
    row = ((y + 1) * (height / 2) - 0.5).clamp(-1, height) + 1
    level = (z + 1) * (depth / 2) - 0.5
    lower = level.floor()
    share = level - lower

    def sample(plane: Tensor, weight: Tensor) -> Tensor:
        inside = plane.clamp(0, depth - 1)
        down = (inside * (height + 2) + row + 0.5) * (2 / (depth * (height + 2))) - 1
        grid = torch.stack([x, down], -1).reshape(batch, points[0] * points[1], points[2], 2)
        sampled = functional.grid_sample(
            tall, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        weight = weight * (plane == inside).float()
        return sampled.reshape(batch, channels, *points) * weight[:, None]

    return sample(lower, 1 - share) + sample(lower + 1, share)


def warp_candidates(volume: Tensor, flows: Tensor, *, warp: Warp = warp_native) -> Tensor:
    """Warp a volume [B, C, D, H, W] by each flow [B, N, D, H, W, 3]; returns [B, N, C, D, H, W]. Flat ones alike."""
    number = flows.shape[1]
    repeated = volume[:, None].expand(-1, number, *volume.shape[1:]).flatten(0, 1)
    return warp(repeated, flows.flatten(0, 1)).unflatten(0, (-1, number))
