"""The locate network: where the face is in a whole camera frame, at 128 x 128. Our own small detector of one face."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers import ConvBlock, ResidualBlock

SIZE = 128  # pixels of its picture
CELLS = 32  # the heatmap's side


class Located(NamedTuple):
    """Maps over the frame."""

    score: Tensor  # [B, 1, 32, 32] logits: a face's centre is in this cell
    shift: Tensor  # [B, 2, 32, 32] from the cell's centre to the face's, in cells
    size: Tensor  # [B, 1, 32, 32] log of the face's height in image units (the frame's side is 2)


class Locate(nn.Module):
    """Frame [B, 3, 128, 128] in [0, 1] -> Located."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(ConvBlock(3, 16, stride=2), ConvBlock(16, 32, stride=2), ResidualBlock(32))
        self.middle = nn.Sequential(ConvBlock(32, 48, stride=2), ResidualBlock(48))
        self.coarse = nn.Sequential(
            ConvBlock(48, 64, stride=2), ResidualBlock(64), ConvBlock(64, 96, stride=2), ResidualBlock(96)
        )
        self.join_middle = ConvBlock(96 + 48, 48)
        self.join_fine = ConvBlock(48 + 32, 48)
        self.head = nn.Conv2d(48, 4, 1)
        # Faces are rare cells.
        self.head.bias = nn.Parameter(torch.tensor([-4.0, 0.0, 0.0, -0.7]))

    def forward(self, frame: Tensor) -> Located:
        fine = self.fine((frame - 0.45) * 4)
        middle = self.middle(fine)
        deep = functional.interpolate(self.coarse(middle), scale_factor=4.0, mode="nearest")
        deep = self.join_middle(torch.cat([deep, middle], 1))
        deep = functional.interpolate(deep, scale_factor=2.0, mode="nearest")
        maps = self.head(self.join_fine(torch.cat([deep, fine], 1))).float()
        return Located(maps[:, :1], maps[:, 1:3], maps[:, 3:])


def best_face(located: Located) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best cell's face: present [B, 1] in [0, 1], centre [B, 2] image coordinates, size [B, 1]."""
    score, cell = located.score.flatten(1).max(1, keepdim=True)  # [B, 1]
    across = torch.gather(located.shift[:, 0].flatten(1), 1, cell)
    down = torch.gather(located.shift[:, 1].flatten(1), 1, cell)
    size = torch.gather(located.size.flatten(1), 1, cell).exp()
    column, row = (cell % CELLS).float(), torch.div(cell, CELLS, rounding_mode="floor").float()
    centre = torch.cat([column + 0.5 + across, row + 0.5 + down], 1) * (2 / CELLS) - 1
    return torch.sigmoid(score), centre, size
