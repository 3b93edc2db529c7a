"""M, the motion field: where every point of the driving picture comes from in the source (paper, section 3.1).

All flows share one linear part `A = R_s R_d^-1` (times the ratio of the scales) and differ by a constant, so the
composed flow is one small matrix product and no K flow volumes are built. The composition starts from geometry: masks
whose logits are a prior (background, head, a bump at each keypoint) plus what the network learns, which starts at zero.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.appearance import SourceFeatures
from models.geometry import inverse_head_linear
from models.layers import ConvBlock, ResidualBlock
from models.profile import NetworkProfile
from models.warp import warp_picture
from runtime.geometry import KEYPOINT_REACH


class Head(NamedTuple):
    """A head's place in a picture."""

    keypoints: Tensor  # [B, K, 3] image coordinates
    linear: Tensor  # [B, 3, 3] scale times rotation
    shift: Tensor  # [B, 3] image coordinates of the level face's origin; z is 0


class MotionField(NamedTuple):
    """What M says of a driving picture."""

    planes: Tensor  # [B, D, 3, H, W] source place of each point of the volume, image coordinates
    surface: Tensor  # [B, 2, H, W] source place of what is seen at each point
    occlusion: Tensor  # [B, 1, H, W] in [0, 1]: 1 where the source shows it
    features: Tensor  # [B, field width, H, W]
    masks: Tensor  # [B, K + 2, H, W]


# The head's bump in units of the distance between the irises: hair and neck move with the face.
HEAD_CENTRE = (0.0, 0.0, 0.35)
HEAD_RADII = (1.75, 2.1)
HEAD_LOGIT, KEYPOINT_LOGIT = 4.0, 6.5
SURFACE_REACH = 0.45  # over which the keypoints' depths are blended to the surface seen, same unit
CORRECTION = 0.1  # image units: the learned corrections of flow and depth are of this size


class Field(nn.Module):
    """Source features, source head, driving head -> MotionField."""

    reach: Tensor  # [K]
    head_centre: Tensor  # [3]
    head_radii: Tensor  # [2]

    def __init__(self, profile: NetworkProfile) -> None:
        super().__init__()
        width, keypoints = profile.field_width, profile.keypoints
        inputs = (keypoints + 2) + profile.skip_channels + 3 + 2
        self.depth, self.extent = profile.volume_depth, profile.volume_extent
        self.enter = ConvBlock(inputs, width)
        self.down = nn.Sequential(ConvBlock(width, width * 2, stride=2), ResidualBlock(width * 2))
        self.deep = nn.Sequential(ConvBlock(width * 2, width * 3, stride=2), ResidualBlock(width * 3))
        self.join = ConvBlock(width * 5, width * 2)
        self.leave = ConvBlock(width * 3, width)
        # mask logits, flow x and y, depth of the surface, occlusion
        self.head = nn.Conv2d(width, keypoints + 2 + 4, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        self.head.bias = nn.Parameter(torch.zeros(keypoints + 2 + 4))
        self.register_buffer("reach", torch.tensor(KEYPOINT_REACH), persistent=False)
        self.register_buffer("head_centre", torch.tensor(HEAD_CENTRE), persistent=False)
        self.register_buffer("head_radii", torch.tensor(HEAD_RADII), persistent=False)

    def forward(
        self, source: SourceFeatures, source_head: Head, driving_head: Head, residual: Tensor | None = None
    ) -> MotionField:
        """Say where each point of the driving picture comes from.

        residual: [B, 2, H, W] a flow that bends the driving picture besides, image coordinates: each point shows what
        would be seen so far from it without.
        """
        size = source.context.shape[-1]
        grid = image_grid(size, source.context).permute(2, 0, 1)[None]  # [1, 2, H, W]
        if residual is not None:
            grid = grid + residual
        scale = driving_head.linear.square().sum((1, 2)).div(3).sqrt()  # [B]
        prior, depth = self.prior(grid, driving_head, scale)
        linear, offsets = flow_parts(source_head, driving_head)
        shares = prior.softmax(1)
        rough = compose(shares, linear, offsets, grid).at(depth)[:, :2]
        seen = warp_picture(source.context, rough.permute(0, 2, 3, 1))
        features = self.refine(torch.cat([shares, seen, (rough - grid) * 4], 1))
        learned = self.head(features).float()
        flows = prior.shape[1]
        masks = (prior + learned[:, :flows]).softmax(1)
        correction = learned[:, flows : flows + 2] * CORRECTION
        depth = depth + learned[:, flows + 2 : flows + 3] * CORRECTION
        flow = compose(masks, linear, offsets, grid)
        flow = flow._replace(level=flow.level + functional.pad(correction, (0, 0, 0, 0, 0, 1)))
        levels = [((2 * level + 1) / self.depth - 1) * self.extent for level in range(self.depth)]
        planes = torch.stack([flow.at(level) for level in levels], 1)
        occlusion = torch.sigmoid(learned[:, flows + 3 :] + 2)
        return MotionField(planes, flow.at(depth)[:, :2], occlusion, features, masks)

    def refine(self, inputs: Tensor) -> Tensor:
        """Run the small U-Net over the prior: [B, inputs, H, W] -> [B, width, H, W]."""
        fine = self.enter(inputs)
        middle = self.down(fine)
        deep = functional.interpolate(self.deep(middle), scale_factor=2.0, mode="nearest")
        joined = self.join(torch.cat([middle, deep], 1))
        joined = functional.interpolate(joined, scale_factor=2.0, mode="nearest")
        return self.leave(torch.cat([fine, joined], 1))

    def prior(self, grid: Tensor, head: Head, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return the geometric mask logits [B, K + 2, H, W] and the depth of the seen surface [B, 1, H, W]."""
        centre = head.shift[:, :2] + (head.linear @ self.head_centre)[:, :2]
        radii = self.head_radii * scale[:, None]
        away = (grid - centre[:, :, None, None]) / radii[:, :, None, None]
        rigid = (HEAD_LOGIT * (1 - away.square().sum(1, keepdim=True))).clamp_min(-8)  # [B, 1, H, W]
        # |p - x|^2 as a sum of squares over the two axes: [B, K, H, W]
        dx = grid[..., :1, :, :] - head.keypoints[:, :, 0, None, None]
        dy = grid[..., 1:, :, :] - head.keypoints[:, :, 1, None, None]
        squared = (dx.square() + dy.square()) / scale.square()[:, None, None, None]
        bumps = (KEYPOINT_LOGIT - squared / (2 * self.reach.square())[:, None, None]).clamp_min(-30)
        share = (-squared / (2 * SURFACE_REACH**2)).softmax(1)
        depth = (share * head.keypoints[:, :, 2, None, None]).sum(1, keepdim=True)
        return torch.cat([torch.zeros_like(rigid), rigid, bumps], 1), depth


def flow_parts(source: Head, driving: Head) -> tuple[Tensor, Tensor]:
    """Return the flows' shared linear part A [B, 3, 3] and the constants of head and keypoints [B, K + 1, 3]."""
    with full_precision(driving.linear):
        linear = source.linear @ inverse_head_linear(driving.linear)
        sources = torch.cat([source.shift[:, None], source.keypoints], 1)
        drivings = torch.cat([driving.shift[:, None], driving.keypoints], 1)
        return linear, sources - drivings @ linear.transpose(1, 2)


class Flow(NamedTuple):
    """A composed flow, which is linear in depth: the source place of a point at depth z is `level + z * slope`."""

    level: Tensor  # [B, 3, H, W]
    slope: Tensor  # [B, 3, H, W]

    def at(self, depth: Tensor | float) -> Tensor:
        """Return the source places [B, 3, H, W] of points at a depth, a number or [B, 1, H, W]."""
        return self.level + self.slope * depth


def compose(masks: Tensor, linear: Tensor, offsets: Tensor, grid: Tensor) -> Flow:
    """Compose the flow `(1 - m_0) A p + sum_k m_k b_k + m_0 p`; masks [B, K + 2, H, W], grid [2, H, W]
    or one for each picture."""
    still = masks[:, :1]
    points = functional.pad(grid, (0, 0, 0, 0, 0, 1))  # at depth 0
    with full_precision(grid):
        moved = (linear[:, :, :2] @ grid.flatten(-2)).unflatten(-1, grid.shape[-2:])
        shifts = (offsets.transpose(1, 2) @ masks[:, 1:].flatten(2)).unflatten(2, grid.shape[-2:])
    upright = torch.tensor([0.0, 0.0, 1.0], device=grid.device)[:, None, None]
    return Flow(
        (1 - still) * moved + shifts + still * points,
        (1 - still) * linear[:, :, 2, None, None] + still * upright,
    )


def full_precision(like: Tensor) -> torch.autocast:
    """Keep a training's half precision out of coordinates: it errs by up to half a pixel of 256."""
    return torch.autocast(like.device.type, enabled=False)


def image_grid(size: int, like: Tensor) -> Tensor:
    """Return the pixel centres' image coordinates [size, size, 2]."""
    line = (torch.arange(size, device=like.device, dtype=torch.float32) * 2 + 1) / size - 1
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([columns, rows], -1)
