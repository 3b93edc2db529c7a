"""The laptop's networks for a picture of twice the size: those of the smaller one, and one more step up at the end.

F, M, H, Delta and L look at the picture halved, so that their weights are the smaller profile's; the source picture
itself is warped at its full size, and G draws on it once more. Only `generator.leave` has another shape.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.appearance import Appearance, SourceFeatures
from models.generator import GeneratorLayers, laid_like, leaving
from models.layers import ConvBlock, PixelShuffleUp
from models.motion_field import Head
from models.profile import NetworkProfile, ProfileError
from models.student import HeadMotion, MotionStudent
from models.talker import Drawn, TalkingHead, enlarge
from models.warp import warp_picture

FINEST, LAST = "finest", "generator.leave"  # in the names of what the larger one has to itself
STEPS = {4: False, 8: True}  # picture's size over the volume's -> one more step up?


def is_large(profile: NetworkProfile) -> bool:
    """Say whether a profile's picture is eight times its volume's size; raises ProfileError where it is not four."""
    try:
        return STEPS[profile.picture_size // profile.volume_size]
    except KeyError:
        raise ProfileError(
            f"the picture must be four or eight times the volume's size: "
            f"picture_size is {profile.picture_size}, volume_size {profile.volume_size}"
        ) from None


def motion_student(profile: NetworkProfile) -> MotionStudent:
    """Build H, Delta and L for a profile's size."""
    return LargeMotionStudent(profile) if is_large(profile) else MotionStudent(profile)


def talking_head(profile: NetworkProfile, **options: Any) -> TalkingHead:
    """Build F, M and G for a profile's size."""
    return (LargeTalkingHead if is_large(profile) else TalkingHead)(profile, **options)


def halve(picture: Tensor) -> Tensor:
    """Average each 2 x 2 of a picture."""
    return functional.avg_pool2d(picture, 2)


class LargeMotionStudent(MotionStudent):
    """Picture [B, 3, S, S] in [0, 1] -> HeadMotion, from the picture halved."""

    def forward(self, picture: Tensor, *, pose_learns: bool = False) -> HeadMotion:
        return super().forward(halve(picture), pose_learns=pose_learns)


class LargeAppearance(Appearance):
    """Picture [B, 3, S, S] in [0, 1] -> SourceFeatures of the picture halved, with the picture itself."""

    def forward(self, picture: Tensor) -> SourceFeatures:
        return super().forward(halve(picture))._replace(picture=picture)


class LargeGenerator(GeneratorLayers):
    """As Generator, of a warped picture [B, 3, 8 H, 8 W]; without a gain, which brings nothing at this size: films are
    softer there than a sampled pixel is."""

    def __init__(self, profile: NetworkProfile) -> None:
        super().__init__(profile)
        width = profile.generator_fine // 2
        self.up_finest = PixelShuffleUp(profile.generator_fine, width)
        self.finest = ConvBlock(width + 3, width)
        self.leave = leaving(width, gain=False)

    def forward(
        self, volume: Tensor, features: Tensor, skip: Tensor, picture: Tensor
    ) -> tuple[Tensor, Tensor]:
        drawn = self.up_finest(self.features(volume, features, skip, halve(picture)))
        drawn = self.finest(torch.cat([drawn, laid_like(drawn, picture - 0.5)], 1))
        return self.mix(drawn, picture)[:2]


class LargeTalkingHead(TalkingHead):
    """F, M and G; their weights, but for G's last layers, are those of the smaller profile."""

    def __init__(self, profile: NetworkProfile, **options: Any) -> None:
        super().__init__(profile, **options)
        self.appearance = LargeAppearance(profile)
        self.generator = LargeGenerator(profile)

    def draw(
        self, source: SourceFeatures, source_head: Head, driving_head: Head, residual: Tensor | None = None
    ) -> Drawn:
        """Redraw the source with the driving head's motion, bent by a residual flow (`Field`) where one is given."""
        field = self.field(source, source_head, driving_head, residual)
        volume = self.volume_warp(
            source.volume, field.planes, depth=self.profile.volume_depth, extent=self.profile.volume_extent
        )
        skip = warp_picture(source.skip, enlarge(field.surface, 2))
        warped = warp_picture(source.picture, enlarge(field.surface, 8))
        picture, copied = self.generator(volume * field.occlusion, field.features, skip, warped)
        return Drawn(picture, copied, warped, field)


def take_over(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load the weights that a training begins from: a network's own, or a smaller profile's F, M and G.

    Raises RuntimeError where they fit neither.
    """
    if isinstance(network, LargeTalkingHead) and not any(FINEST in name for name in weights):
        untrained = start_from_smaller(network, weights)
        if wrong := [name for name in untrained if not any(part in name for part in (FINEST, LAST))]:
            raise RuntimeError(f"{wrong[0]} of the smaller profile is missing or of another shape")
    else:
        network.load_state_dict(weights)


def start_from_smaller(talker: TalkingHead, weights: dict[str, Tensor]) -> list[str]:
    """Load a smaller profile's F, M and G where the shapes agree; returns the names that stay untrained."""
    own = talker.state_dict()
    fitting = {
        name: value for name, value in weights.items() if name in own and own[name].shape == value.shape
    }
    talker.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))
