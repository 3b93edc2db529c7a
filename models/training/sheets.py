"""Sample sheets: what a training draws, beside what it should have drawn."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.motion_field import image_grid
from models.talker import Drawn


def draw_sheet(source: Tensor, driving: Tensor, drawn: Drawn) -> NDArray[Any]:
    """Lay out a row a sample (source, driving, redrawn, warped, flow, copy mask, occlusion), uint8 RGB [h, w, 3]."""
    size = source.shape[-1]
    surface = drawn.field.surface
    flow = surface - image_grid(surface.shape[-1], surface).permute(2, 0, 1)
    flow = torch.cat([0.5 + 2 * flow, torch.full_like(flow[:, :1], 0.5)], 1).clamp(0, 1)
    columns = [
        source,
        driving,
        drawn.picture,
        drawn.warped,
        functional.interpolate(flow, size=(size, size)),
        drawn.copied.expand(-1, 3, -1, -1),
        functional.interpolate(drawn.field.occlusion, size=(size, size)).expand(-1, 3, -1, -1),
    ]
    rows = torch.cat([column.float().clamp(0, 1) for column in columns], 3)
    sheet = rows.permute(0, 2, 3, 1).reshape(-1, size * len(columns), 3)
    return (sheet.cpu().numpy() * 255).round().astype(np.uint8)
