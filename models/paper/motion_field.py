"""M, the motion field of the paper: where every point of the driving volume comes from in the source (section 3.3).

Each keypoint's flow warps a compressed source volume into a candidate; a U-Net over all candidates and the keypoints'
heatmaps says by masks which flow holds where, and what the source does not show. One more candidate stays in place,
for the background.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.paper.blocks import DownBlock, UpBlock, convolution, full_precision, points_of, wide_convolution
from models.paper.profile import PaperProfile
from models.paper.warp import Warp, warp_candidates, warp_native

HEATMAP_VARIANCE = (
    0.01  # of a keypoint's bump, image units squared (Siarohin et al. [11], the open implementation)
)


class Placed(NamedTuple):
    """The keypoints of a picture."""

    keypoints: Tensor  # [B, K, 3] image coordinates
    linear: Tensor  # [B, K or 1, 3, 3] how the patch around each is turned: R, or the keypoint's Jacobian


class MotionField(NamedTuple):
    """What M says of a driving picture; n is 3, or 2 for a flat volume, whose D is absent."""

    flow: Tensor  # [B, D, H, W, n] source place of each point, image coordinates
    occlusion: Tensor  # [B, 1, H, W] in [0, 1]: 1 where the source shows it
    masks: Tensor  # [B, K + 1, D, H, W]; the first is the background's


class Field(nn.Module):
    """Volume [B, C, D, H, W], source and driving keypoints -> MotionField."""

    def __init__(self, profile: PaperProfile) -> None:
        super().__init__()
        self.dimensions, widths = profile.dimensions, profile.field_widths
        candidates = profile.keypoints + 1
        entering = candidates * (profile.field_compressed + 1)
        self.compress = nn.Sequential(
            convolution(
                self.dimensions, profile.volume_channels, profile.field_compressed, kernel=1, bias=True
            ),
            nn.ReLU(inplace=True),
        )
        self.down = nn.ModuleList(
            DownBlock(self.dimensions, i, o) for i, o in zip((entering, *widths[:-1]), widths, strict=True)
        )
        below = (widths[-1], *(2 * width for width in widths[-2::-1]))  # the skips double what comes up
        up = (*widths[-2::-1], widths[0] // 2)
        self.up = nn.ModuleList(UpBlock(self.dimensions, i, o) for i, o in zip(below, up, strict=True))
        leaving = up[-1] + entering
        self.masks = wide_convolution(self.dimensions, leaving, candidates)
        self.occlusion = nn.Conv2d(leaving * profile.volume_depth, 1, 7, padding=3)

    def forward(
        self, volume: Tensor, source: Placed, driving: Placed, *, warp: Warp = warp_native
    ) -> MotionField:
        points = points_of(tuple(volume.shape[2:]), volume)  # [D, H, W, n]
        flows = candidate_flows(points, source, driving)  # [B, K + 1, D, H, W, n]
        seen = warp_candidates(self.compress(volume), flows, warp=warp)  # [B, K + 1, c, D, H, W]
        bumps = heatmap(points, driving.keypoints) - heatmap(points, source.keypoints)
        bumps = torch.cat([torch.zeros_like(bumps[:, :1]), bumps], 1)[:, :, None]
        features = self.refine(torch.cat([bumps, seen], 2).flatten(1, 2))
        masks = self.masks(features).float().softmax(1)
        flow = (masks[..., None] * flows).sum(1)
        flat = features.flatten(1, 2) if self.dimensions == 3 else features
        return MotionField(flow, torch.sigmoid(self.occlusion(flat).float()), masks)

    def refine(self, inputs: Tensor) -> Tensor:
        """Run the U-Net; what goes in also comes out beside its last features."""
        skips = [inputs]
        for down in self.down:
            skips.append(down(skips[-1]))
        features = skips.pop()
        for up in self.up:
            features = up(features)
            features = torch.cat([features, skips.pop().to(features.dtype)], 1)
        return features


def candidate_flows(points: Tensor, source: Placed, driving: Placed) -> Tensor:
    """Return the background's and each keypoint's flow `J_s J_d^-1 (p - x_d) + x_s` (supplement, equation 1).

    Args:
        points: [..., n] image coordinates, n of 2 or 3; in the plane z is dropped, from the matrices too.
        source, driving: keypoints of K.

    Returns:
        [B, K + 1, ..., n] source places.
    """
    n = points.shape[-1]
    flat = points.reshape(-1, n)  # [P, n]
    away = flat - driving.keypoints[:, :, None, :n]  # [B, K, P, n]
    with full_precision(away):
        back = inverse(driving.linear[..., :n, :n].float())
        linear = source.linear[..., :n, :n].float() @ back  # [B, K or 1, n, n]
        moved = away @ linear.transpose(-1, -2) + source.keypoints[:, :, None, :n]
    still = flat.expand(len(moved), 1, -1, -1)
    return torch.cat([still, moved], 1).unflatten(2, points.shape[:-1])


def inverse(matrices: Tensor) -> Tensor:
    """Invert matrices [..., 2 or 3, 2 or 3] by their cofactors: no solver, which no engine has."""
    if matrices.shape[-1] == 2:
        (a, b), (c, d) = (row.unbind(-1) for row in matrices.unbind(-2))
        adjugate = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)
        return adjugate / (a * d - b * c)[..., None, None]
    first, second, third = matrices.unbind(-2)  # rows
    crossed = [cross(second, third), cross(third, first), cross(first, second)]
    determinant = (first * crossed[0]).sum(-1)
    return torch.stack(crossed, -1) / determinant[..., None, None]


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Return the cross product of vectors [..., 3]."""
    ax, ay, az = a.unbind(-1)
    bx, by, bz = b.unbind(-1)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def heatmap(points: Tensor, keypoints: Tensor) -> Tensor:
    """Return a bump [B, K, ...] over points [..., n] at each keypoint [B, K, 3]."""
    n = points.dim() - 1
    places = keypoints[..., :n].reshape(*keypoints.shape[:2], *[1] * n, n)
    return torch.exp(-(points - places).square().sum(-1) / (2 * HEATMAP_VARIANCE))
