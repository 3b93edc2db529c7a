"""Known transforms of pictures for the equivariance loss: an affine map and a thin-plate spline (supplement A.2).

A bend takes a point of the bent picture to its place in the original, so that bending a picture is one sampling, and
a keypoint found in the bent picture is brought back by one call.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.motion_field import image_grid
from models.paper.blocks import full_precision
from models.warp import warp_picture

AFFINE_SPREAD = 0.05  # of the affine map's numbers around the identity (Siarohin et al. [11])
SPLINE_SPREAD = 0.005  # of the spline's weights (the same)
CONTROL_POINTS = 5  # along each axis (the same)
TINY = 1e-6  # keeps the logarithm finite at a control point


@dataclass(frozen=True)
class Bend:
    """`T(p) = A p + b + sum_i w_i U(|p - c_i|)`, U(r) = r^2 log r^2; one for each picture of a batch."""

    affine: Tensor  # [B, 2, 3]
    weights: Tensor  # [B, n, 2]
    centres: Tensor  # [n, 2]

    def __call__(self, points: Tensor) -> Tensor:
        """Take points [B, N, 2] of the bent picture to the original."""
        away = points[:, :, None] - self.centres  # [B, N, n, 2]
        squared = away.square().sum(-1)
        with full_precision(points):
            spline = (squared * (squared + TINY).log()) @ self.weights
            return points @ self.affine[..., :2].transpose(1, 2) + self.affine[:, None, :, 2] + spline

    def jacobian(self, points: Tensor) -> Tensor:
        """Return the derivative of T at points [B, N, 2]: [B, N, 2, 2], rows are outputs."""
        away = points[:, :, None] - self.centres
        squared = away.square().sum(-1)
        slope = 2 * ((squared + TINY).log() + squared / (squared + TINY))[..., None] * away  # [B, N, n, 2]
        with full_precision(points):
            return self.affine[:, None, :, :2] + torch.einsum("bkno,bnd->bkdo", slope, self.weights)

    def picture(self, picture: Tensor) -> Tensor:
        """Bend a picture [B, C, S, S]; what was outside repeats the border."""
        size = picture.shape[-1]
        grid = image_grid(size, picture).flatten(0, 1).expand(len(picture), -1, -1)
        return warp_picture(picture, self(grid).unflatten(1, (size, size)))


def random_bend(
    batch: int,
    *,
    generator: torch.Generator | None = None,
    affine: float = AFFINE_SPREAD,
    spline: float = SPLINE_SPREAD,
    device: torch.device | str = "cpu",
) -> Bend:
    """Draw a bend for each picture of a batch; the random numbers are drawn on the CPU, the same on every device."""
    line = torch.linspace(-1, 1, CONTROL_POINTS)
    centres = torch.cartesian_prod(line, line)
    moved = torch.eye(2, 3) + affine * torch.randn(batch, 2, 3, generator=generator)
    weights = spline * torch.randn(batch, len(centres), 2, generator=generator)
    return Bend(moved.to(device), weights.to(device), centres.to(device))
