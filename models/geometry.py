"""Head geometry in torch: the same formulas as `runtime.geometry`, batched, differentiable and exportable."""

import math

import numpy as np
import torch
from torch import Tensor


def rotation_matrix(rotation: Tensor) -> Tensor:
    """Turn yaw, pitch, roll in degrees [B, 3] into `Rz(roll) Ry(yaw) Rx(pitch)` [B, 3, 3]."""
    yaw, pitch, roll = (rotation * (math.pi / 180)).unbind(-1)
    cy, sy, cp, sp = yaw.cos(), yaw.sin(), pitch.cos(), pitch.sin()
    cr, sr = roll.cos(), roll.sin()
    rows = [
        torch.stack([cr * cy, -sr * cp - cr * sy * sp, sr * sp - cr * sy * cp], -1),
        torch.stack([sr * cy, cr * cp - sr * sy * sp, -cr * sp - sr * sy * cp], -1),
        torch.stack([sy, cy * sp, cy * cp], -1),
    ]
    return torch.stack(rows, -2)


def head_linear(rotation: Tensor, translation: Tensor) -> Tensor:
    """Return the head's linear part `e^(-t_z) R` [B, 3, 3]."""
    return torch.exp(-translation[:, 2])[:, None, None] * rotation_matrix(rotation)


def keypoints(canonical: Tensor, rotation: Tensor, translation: Tensor, expression: Tensor) -> Tensor:
    """Place canonical keypoints [B, K, 3]: `x = e^(-t_z) (R x_c + delta) + (t_x, t_y, 0)`, image coordinates."""
    turned = canonical @ rotation_matrix(rotation).transpose(1, 2)
    placed = torch.exp(-translation[:, 2])[:, None, None] * (turned + expression)
    shift = torch.cat([translation[:, :2], torch.zeros_like(translation[:, :1])], -1)
    return placed + shift[:, None]


def inverse_head_linear(linear: Tensor) -> Tensor:
    """Invert a scaled rotation [B, 3, 3] without a solver: its transpose over the squared scale."""
    squared_scale = linear.square().sum((1, 2), keepdim=True) / 3
    return linear.transpose(1, 2) / squared_scale


def pose_of_points(points: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Fit the head's pose to the projections of rigid points (scaled orthography, least squares in closed form).

    Args:
        points: [B, P, 2] image coordinates of the rigid points.
        level: [P, 3] the same points on the level face.

    Returns:
        rotation [B, 3] in degrees and translation [B, 3] (x, y of the level face's origin; minus log scale).
    """
    centre = level.mean(0)
    # The pseudo-inverse, 3 x P, is taken outside torch, so that an exported graph holds it as a constant.
    fit = torch.from_numpy(np.linalg.pinv((level - centre).cpu().numpy())).to(level)
    middle = points.mean(1)
    first, second = (fit @ (points - middle[:, None])).unbind(-1)  # the two rows of scale * R
    first_length = first.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    second_length = second.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    first, second = first / first_length, second / second_length
    # The nearest pair of right-angled axes shares its bisectors with the measured pair.
    along = torch.nn.functional.normalize(first + second, dim=-1)
    across = torch.nn.functional.normalize(first - second, dim=-1)
    first, second = (along + across) * 0.5**0.5, (along - across) * 0.5**0.5
    third = torch.stack(
        [
            first[:, 1] * second[:, 2] - first[:, 2] * second[:, 1],
            first[:, 2] * second[:, 0] - first[:, 0] * second[:, 2],
            first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0],
        ],
        -1,
    )
    yaw = torch.asin(third[:, 0].clamp(-0.9999, 0.9999))
    pitch = torch.atan2(third[:, 1], third[:, 2])
    roll = torch.atan2(second[:, 0], first[:, 0])
    scale = (first_length + second_length) / 2
    shift = middle - scale * torch.stack([first @ centre, second @ centre], -1)
    rotation = torch.stack([yaw, pitch, roll], -1) * (180 / math.pi)
    return rotation, torch.cat([shift, -scale.log()], -1)
