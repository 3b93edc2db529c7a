"""A profile of the paper's networks small enough to run in a test."""

from typing import Any

from models.paper.profile import PaperProfile

# In bfloat16 take 8 planes or more: over 4, the backward pass of a 7x7x7 convolution crashes torch 2.13 on a CPU.
TINY: dict[str, Any] = {
    "picture_size": 32,
    "keypoints": 5,
    "canonical": True,
    "jacobians": False,
    "volume_channels": 4,
    "volume_depth": 4,
    "volume_size": 8,
    "appearance_width": 4,
    "appearance_blocks": 1,
    "detector_size": 16,
    "detector_depth": 4,
    "detector_widths": (8, 16),
    "head_width": 4,
    "head_depths": (1, 1),
    "field_compressed": 2,
    "field_widths": (8, 16),
    "generator_width": 16,
    "generator_blocks": 1,
}


def tiny(**numbers: Any) -> PaperProfile:
    """The small profile with some numbers changed."""
    return PaperProfile(**(TINY | numbers))
