"""The talking head: the paper's section 3 on one screen, each line a named network."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.appearance import Appearance, SourceFeatures
from models.generator import Generator, GeneratorLayers
from models.motion_field import Field, Head, MotionField, full_precision, image_grid
from models.profile import NetworkProfile
from models.warp import softness, warp_picture, warp_volume_native

VolumeWarp = Callable[..., Tensor]


class Drawn(NamedTuple):
    """A redrawn picture and how it came about."""

    picture: Tensor  # [B, 3, S, S] in [0, 1]
    copied: Tensor  # [B, 1, S, S]: 1 where the warped source picture is copied
    warped: Tensor  # [B, 3, S, S] the warped source picture
    field: MotionField


class TalkingHead(nn.Module):
    """F, M and G."""

    def __init__(self, profile: NetworkProfile, *, volume_warp: VolumeWarp = warp_volume_native) -> None:
        super().__init__()
        self.profile = profile
        self.appearance = Appearance(profile)
        self.field = Field(profile)
        self.generator: GeneratorLayers = Generator(profile)
        self.volume_warp = volume_warp

    def prepare(self, picture: Tensor) -> SourceFeatures:
        """Extract the features of a source picture [B, 3, S, S], once."""
        return self.appearance(picture)

    def draw(
        self, source: SourceFeatures, source_head: Head, driving_head: Head, residual: Tensor | None = None
    ) -> Drawn:
        """Redraw the source with the driving head's motion, bent by a residual flow (`Field`) where one is given."""
        field = self.field(source, source_head, driving_head, residual)
        volume = self.volume_warp(
            source.volume, field.planes, depth=self.profile.volume_depth, extent=self.profile.volume_extent
        )
        skip = warp_picture(source.skip, enlarge(field.surface, 2))
        places = enlarge(field.surface, 4)
        warped = warp_picture(source.picture, places)
        picture, copied = self.generator(
            volume * field.occlusion, field.features, skip, warped, softness(places)
        )
        return Drawn(picture, copied, warped, field)


def enlarge(places: Tensor, factor: int) -> Tensor:
    """Interpolate a flow [B, 2, H, W] bilinearly to `factor` times its size, [B, factor H, factor W, 2].

    What moves is interpolated, so that borders stay. It is a convolution and a pixel shuffle, which every engine runs
    several times faster than its own resizing of two channels.
    """
    size = places.shape[-1]
    moves = places - image_grid(size, places).permute(2, 0, 1)
    padded = functional.pad(moves, (1, 1, 1, 1), mode="replicate")
    with full_precision(places):
        larger = functional.pixel_shuffle(
            functional.conv2d(padded, bilinear_kernels(factor).to(places)), factor
        )
    return larger.permute(0, 2, 3, 1) + image_grid(size * factor, places)


def bilinear_kernels(factor: int) -> Tensor:
    """Return what each of a pixel's `factor`^2 parts takes of its neighbours: [2 factor^2, 2, 3, 3], two channels."""
    away = (torch.arange(factor) + 0.5) / factor - 0.5  # of the part's centre from the pixel's
    line = torch.stack([(-away).clamp_min(0), 1 - away.abs(), away.clamp_min(0)], 1)  # [factor, 3]
    one = torch.einsum("ia,jb->ijab", line, line).reshape(factor**2, 3, 3)
    kernels = torch.zeros(2, factor**2, 2, 3, 3)
    kernels[0, :, 0], kernels[1, :, 1] = one, one
    return kernels.flatten(0, 1)
