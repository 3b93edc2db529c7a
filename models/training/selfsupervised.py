"""What holds the paper's keypoints together without landmarks: the losses of supplement A.2, and keypoint dropout.

Pure functions of keypoints, poses and offsets; the weights are those of the supplement's equation 3. Knows no network
and no picture.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from models.paper.blocks import full_precision
from models.training.bend import Bend

PERCEPTUAL_WEIGHT = 10.0
EQUIVARIANCE_WEIGHT = 20.0
KEYPOINT_PRIOR_WEIGHT = 10.0
HEAD_POSE_WEIGHT = 20.0
EXPRESSION_WEIGHT = 5.0
DISTANCE_THRESHOLD = 0.1  # D_t, image units squared
MEAN_DEPTH = 0.33  # z_t, image units
LARGEST_DROP = 0.75  # of the keypoints (supplement C.2)


def equivariance_loss(keypoints: Tensor, bent_keypoints: Tensor, bend: Bend) -> Tensor:
    """Return the L1 distance between a picture's keypoints and those of the bent picture, brought back.

    Args:
        keypoints: [B, K, 2 or 3] of the picture; z is dropped.
        bent_keypoints: the same of `bend.picture(picture)`.
        bend: takes points of the bent picture to the picture.
    """
    return (keypoints[..., :2] - bend(bent_keypoints[..., :2])).abs().mean()


def jacobian_equivariance_loss(
    jacobians: Tensor, bent_jacobians: Tensor, bent_keypoints: Tensor, bend: Bend
) -> Tensor:
    """Return how far `J^-1 T' J_bent` is from the identity (first version of the paper, A.2; Siarohin et al. [11]).

    Args:
        jacobians, bent_jacobians: [B, K, 2 or 3, 2 or 3] of the picture and of the bent picture; z is dropped.
        bent_keypoints: [B, K, 2 or 3] where the bend's own derivative is taken.
        bend: takes points of the bent picture to the picture.
    """
    with full_precision(jacobians):
        back = bend.jacobian(bent_keypoints[..., :2]) @ bent_jacobians[..., :2, :2]
        away = torch.linalg.inv(jacobians[..., :2, :2]) @ back - torch.eye(2, device=back.device)
    return away.abs().mean()


def keypoint_prior_loss(keypoints: Tensor) -> Tensor:
    """Return the supplement's equation 2: keypoints [B, K, 3] keep their distance, at a mean depth.

    `sum_ij max(0, D_t - |x_i - x_j|^2) + |mean z - z_t|`, over i and j that differ; the mean over the batch.
    """
    number = keypoints.shape[1]
    squared = (keypoints[:, :, None] - keypoints[:, None]).square().sum(-1)  # [B, K, K]
    others = 1 - torch.eye(number, device=keypoints.device)
    crowded = (functional.relu(DISTANCE_THRESHOLD - squared) * others).sum((1, 2))
    depth = (keypoints[..., 2].mean(1) - MEAN_DEPTH).abs()
    return (crowded + depth).mean()


def head_pose_loss(rotation: Tensor, teacher: Tensor) -> Tensor:
    """Return the summed differences of yaw, pitch and roll [B, 3] in degrees from a teacher's, in radians.

    In radians because the weight of 20 beside a perceptual distance near 1 asks for that: in degrees nothing else
    would be learned.
    """
    return (rotation - teacher).abs().sum(-1).mean() * (math.pi / 180)


def expression_loss(expression: Tensor) -> Tensor:
    """Return the L1 norm of the offsets [B, K, 3], the mean over keypoints."""
    return expression.abs().sum(-1).mean()


def fewest_kept(keypoints: int) -> int:
    """Return how many of the ordered keypoints are kept at least: a quarter."""
    return math.ceil(keypoints * (1 - LARGEST_DROP))


def random_prefix(batch: int, keypoints: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw how many keypoints each picture keeps, from a quarter of them to all: int64 [B]."""
    return torch.randint(fewest_kept(keypoints), keypoints + 1, (batch,), generator=generator)


def drop_keypoints(expression: Tensor, kept: Tensor) -> Tensor:
    """Zero the offsets [B, K, 3] from each picture's index `kept` [B] on (supplement C.2)."""
    index = torch.arange(expression.shape[1], device=expression.device)
    return expression * (index < kept.to(expression.device)[:, None])[..., None]
