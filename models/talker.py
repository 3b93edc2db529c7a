"""The talking head: the paper's section 3 on one screen, each line a named network."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from models.appearance import Appearance, SourceFeatures
from models.generator import Generator
from models.motion_field import Field, Head, MotionField, image_grid
from models.profile import NetworkProfile
from models.warp import warp_picture, warp_volume_native

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
        self.generator = Generator(profile)
        self.volume_warp = volume_warp

    def prepare(self, picture: Tensor) -> SourceFeatures:
        """Extract the features of a source picture [B, 3, S, S], once."""
        return self.appearance(picture)

    def draw(self, source: SourceFeatures, source_head: Head, driving_head: Head) -> Drawn:
        """Redraw the source with the driving head's motion."""
        field = self.field(source, source_head, driving_head)
        volume = self.volume_warp(
            source.volume, field.planes, depth=self.profile.volume_depth, extent=self.profile.volume_extent
        )
        skip = warp_picture(source.skip, enlarge(field.surface, 2))
        warped = warp_picture(source.picture, enlarge(field.surface, 4))
        picture, copied = self.generator(volume * field.occlusion, field.features, skip, warped)
        return Drawn(picture, copied, warped, field)


def enlarge(places: Tensor, factor: int) -> Tensor:
    """Interpolate a flow [B, H, W, 2] to `factor` times its size: what moves is interpolated, so that borders stay."""
    size = places.shape[1]
    moves = (places - image_grid(size, places)).permute(0, 3, 1, 2)
    larger = functional.interpolate(moves, scale_factor=float(factor), mode="bilinear", align_corners=False)
    return larger.permute(0, 2, 3, 1) + image_grid(size * factor, places)
