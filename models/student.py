"""H, Delta and L of the laptop profiles: one backbone that finds the head's pose, expression and neutral geometry.

The keypoints are named facial landmarks (`../papers/semantic-aware-prior.txt`). The network places them, and eleven
rigid points of the level face, as expectations of heatmaps, which moves with the picture to a fraction of a pixel where
pooled regression wobbles; the pose is the closed-form fit to the rigid points. Knows nothing of how a picture is drawn.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.geometry import pose_of_points, rotation_matrix
from models.layers import ConvBlock, InvertedResidual, ResidualBlock
from models.profile import NetworkProfile

# Face mesh vertices of the rigid points: outer eye corners, bridge and tip of the nose, forehead, temples, ears, and
# the nose's wings; spread in depth, for that is what yaw and pitch are read from.
RIGID_VERTICES = (33, 263, 168, 4, 10, 127, 356, 234, 454, 48, 278)


class HeadMotion(NamedTuple):
    """What the student sees in a picture; distances between the irises unless said otherwise."""

    points: Tensor  # [B, K + P, 2] image coordinates of keypoints, then of rigid points
    rotation: Tensor  # [B, 3] degrees
    translation: Tensor  # [B, 3]
    placed: Tensor  # [B, K, 3] keypoints in the head's own scale, `(x - t) e^(t_z)`
    canonical: Tensor  # [B, K, 3] the person's neutral geometry


class MotionStudent(nn.Module):
    """Picture [B, 3, S, S] in [0, 1] -> HeadMotion."""

    level_keypoints: Tensor  # [K, 3] of the level face
    level_rigid: Tensor  # [P, 3]

    def __init__(self, profile: NetworkProfile) -> None:
        super().__init__()
        widths, depths = profile.student_widths, profile.student_depths
        self.stem = ConvBlock(3, widths[0], stride=2)
        self.stages = nn.ModuleList()
        for level, (inputs, outputs, depth) in enumerate(zip(widths[:-1], widths[1:], depths, strict=True)):
            # Where the picture is large, few plain channels beat many depthwise ones, in training above all.
            blocks: list[nn.Module]
            if level < 2:
                blocks = [ConvBlock(inputs, outputs, stride=2)]
                blocks += [ResidualBlock(outputs) for _ in range(depth - 1)]
            else:
                blocks = [InvertedResidual(inputs, outputs, stride=2)]
                blocks += [InvertedResidual(outputs, outputs) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
        decoder = profile.student_decoder
        self.lateral = nn.ModuleList(nn.Conv2d(width, decoder, 1) for width in widths[1:])
        self.merge = nn.ModuleList(ConvBlock(decoder, decoder) for _ in widths[1:-1])
        points = profile.keypoints + len(RIGID_VERTICES)
        self.heatmaps = nn.Conv2d(decoder, points, 1)
        self.depth = nn.Linear(widths[-1], profile.keypoints)
        self.identity = nn.Linear(widths[-1], profile.keypoints * 3)
        for head in (self.depth, self.identity):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.register_buffer("level_keypoints", torch.zeros(profile.keypoints, 3))
        self.register_buffer("level_rigid", torch.zeros(len(RIGID_VERTICES), 3))

    def forward(self, picture: Tensor, *, pose_learns: bool = False) -> HeadMotion:
        """Look at pictures; `pose_learns` lets gradients pass from the pose to the rigid points behind it."""
        features = self.stem((picture - 0.45) * 4)
        pyramid = []
        for stage in self.stages:
            features = stage(features)
            pyramid.append(features)
        pooled = features.mean((2, 3))
        decoded = self.lateral[-1](pyramid[-1])
        for lateral, merge, finer in zip(
            list(self.lateral)[-2::-1], list(self.merge)[::-1], pyramid[-2::-1], strict=True
        ):
            decoded = merge(
                lateral(finer) + functional.interpolate(decoded, scale_factor=2.0, mode="nearest")
            )
        points = self.expectation(self.heatmaps(decoded).float())
        pooled = pooled.float()
        keypoints = self.level_keypoints.shape[0]
        # The points are what is learned; the pose follows from them, and its fit is singular until they have spread.
        rigid = points[:, keypoints:]
        rotation, translation = pose_of_points(rigid if pose_learns else rigid.detach(), self.level_rigid)
        scale_up = torch.exp(translation[:, 2])[:, None, None]
        flat = (points[:, :keypoints] - translation[:, None, :2]) * scale_up
        level = self.level_keypoints @ rotation_matrix(rotation).transpose(1, 2)
        depth = level[..., 2:] + self.depth(pooled)[..., None]
        canonical = self.level_keypoints + self.identity(pooled).unflatten(1, (keypoints, 3))
        return HeadMotion(points, rotation, translation, torch.cat([flat, depth], -1), canonical)

    @staticmethod
    def expectation(heatmaps: Tensor) -> Tensor:
        """Return each heatmap's expected place: [B, N, h, w] logits -> [B, N, 2] image coordinates."""
        height, width = heatmaps.shape[2:]
        # Channels stay last, as the convolution leaves them: to lay them out anew takes a sixth of the network's time.
        share = heatmaps.permute(0, 2, 3, 1).flatten(1, 2).softmax(1)  # [B, h w, N]
        columns = (torch.arange(width, device=heatmaps.device) * 2 + 1) / width - 1
        rows = (torch.arange(height, device=heatmaps.device) * 2 + 1) / height - 1
        places = torch.stack([columns.repeat(height), rows.repeat_interleave(width)])
        with torch.autocast(
            heatmaps.device.type, enabled=False
        ):  # in half precision places err by half a pixel
            return (places @ share).transpose(1, 2)


def expression_of(seen: HeadMotion, canonical: Tensor) -> Tensor:
    """Return the offsets from a person's canonical keypoints [B, K, 3]: `delta = (x - t) e^(t_z) - R x_c`."""
    return seen.placed - canonical @ rotation_matrix(seen.rotation).transpose(1, 2)
