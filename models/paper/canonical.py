"""L, the keypoint detector of the paper: a picture -> K keypoints, once a source picture (supplement A.1).

They are the person's canonical keypoints, independent of pose and expression; in a profile with direct keypoints the
same network finds the picture's own, in every picture (supplement B.4). With Jacobians (first version of the paper)
each keypoint also gets a matrix: how the patch around it is turned and stretched.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.paper.blocks import DownBlock, UpBlock, full_precision, points_of, wide_convolution
from models.paper.profile import PaperProfile

TEMPERATURE = 0.1  # of the heatmaps' softmax (Siarohin et al. [11], the open implementation)


class Detected(NamedTuple):
    """What L finds in a picture."""

    keypoints: Tensor  # [B, K, 3] in [-1, 1]; z is 0 where the heatmaps are flat
    jacobians: Tensor | None  # [B, K, 3, 3]


class KeypointDetector(nn.Module):
    """Picture [B, 3, S, S] in [0, 1] -> Detected: 2-D encoder, 1x1 to a volume, 3-D decoder, heatmaps."""

    def __init__(self, profile: PaperProfile) -> None:
        super().__init__()
        widths, self.depth, self.size = profile.detector_widths, profile.detector_depth, profile.detector_size
        self.dimensions = 3 if self.depth > 1 else 2
        self.encoder = nn.Sequential(
            *(DownBlock(2, i, o) for i, o in zip((3, *widths[:-1]), widths, strict=True))
        )
        self.to_volume = nn.Conv2d(widths[-1], widths[-1] * self.depth, 1)
        up = (*widths[::-1], widths[0] // 2)
        self.decoder = nn.Sequential(*(UpBlock(self.dimensions, i, o) for i, o in pairwise(up)))
        self.heatmaps = wide_convolution(self.dimensions, up[-1], profile.keypoints)
        self.jacobians: nn.Module | None = None
        if profile.jacobians:
            square = self.dimensions**2
            head = wide_convolution(self.dimensions, up[-1], profile.keypoints * square)
            weight, bias = head.parameters()
            with torch.no_grad():  # patches start as they are
                weight.zero_()
                bias.copy_(torch.eye(self.dimensions).flatten().repeat(profile.keypoints))
            self.jacobians = head

    def forward(self, picture: Tensor) -> Detected:
        small = functional.avg_pool2d(picture, picture.shape[-1] // self.size)
        features = self.to_volume(self.encoder(small))
        if self.depth > 1:
            features = features.unflatten(1, (-1, self.depth))
        features = self.decoder(features)
        logits = self.heatmaps(features).float()  # [B, K, (D,) H, W]
        share = (logits.flatten(2) / TEMPERATURE).softmax(-1)  # [B, K, points]
        points = points_of(tuple(logits.shape[2:]), logits).flatten(0, -2)  # [points, dimensions]
        lacking = 3 - self.dimensions
        with full_precision(share):
            keypoints = share @ points
        if lacking:
            keypoints = functional.pad(keypoints, (0, lacking))
        if self.jacobians is None:
            return Detected(keypoints, None)
        maps = self.jacobians(features).float().flatten(2).unflatten(1, (share.shape[1], -1))
        found = (maps * share[:, :, None]).sum(-1).unflatten(-1, (self.dimensions, self.dimensions))
        found = functional.pad(found, (0, lacking, 0, lacking))
        if lacking:
            found = found + torch.diag(found.new_tensor([0.0, 0.0, 1.0]))
        return Detected(keypoints, found)
