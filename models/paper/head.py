"""H and Delta, the head pose and expression estimators of the paper, on one backbone (supplement A.1).

A ResNet-50's bottleneck blocks, a global pool and linear heads, as Ruiz et al. have it: each angle is the expectation
over 66 bins of 3 degrees.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.paper.blocks import Bottleneck, full_precision
from models.paper.norm import BatchNorm
from models.paper.profile import PaperProfile

BINS, BIN_DEGREES = 66, 3.0
EXPANSION = 4  # of a bottleneck's width


class HeadMotion(NamedTuple):
    """What a frame's picture says; all but the bins is what it sends."""

    rotation: Tensor  # [B, 3] yaw, pitch, roll in degrees
    translation: Tensor  # [B, 3]
    expression: Tensor  # [B, K, 3] the paper's delta
    bins: Tensor  # [B, 3, 66] logits of yaw's, pitch's and roll's bins, from which training learns


class HeadEstimator(nn.Module):
    """Picture [B, 3, S, S] in [0, 1] -> HeadMotion."""

    centres: Tensor  # [66] degrees

    def __init__(self, profile: PaperProfile) -> None:
        super().__init__()
        self.keypoints, width = profile.keypoints, profile.head_width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            BatchNorm(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        stages: list[nn.Module] = []
        inputs = width
        for stage, depth in enumerate(profile.head_depths):
            outputs = width * EXPANSION * 2**stage
            stages.append(Bottleneck(inputs, outputs, stride=1 if stage == 0 else 2))
            stages += [Bottleneck(outputs, outputs) for _ in range(depth - 1)]
            inputs = outputs
        self.body = nn.Sequential(*stages)
        self.rotation = nn.Linear(inputs, 3 * BINS)
        self.translation = nn.Linear(inputs, 3)
        self.expression = nn.Linear(inputs, 3 * self.keypoints)
        for head in (self.translation, self.expression):  # a face starts where it is, at rest
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        centres = (torch.arange(BINS) + 0.5 - BINS / 2) * BIN_DEGREES
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, picture: Tensor) -> HeadMotion:
        pooled = functional.adaptive_avg_pool2d(self.body(self.stem(picture)), 1).flatten(1)
        with full_precision(pooled):
            pooled = pooled.float()
            bins = self.rotation(pooled).unflatten(1, (3, BINS))
            return HeadMotion(
                bins.softmax(-1) @ self.centres,
                self.translation(pooled),
                self.expression(pooled).unflatten(1, (self.keypoints, 3)),
                bins,
            )
