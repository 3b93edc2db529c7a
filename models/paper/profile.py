"""The numbers from which the paper's networks are built, with the switches that the papers ablate.

K is a number; `volume_depth = 1` is the 2-D warp; `canonical = false` predicts keypoints directly (supplement B.4);
`jacobians = true` is the first version of the paper. All three together are FOMM's way of moving a picture.
"""

from dataclasses import dataclass
from pathlib import Path

from models.profile import PAPER, ProfileError, checked_numbers, read_network_table


@dataclass(frozen=True)
class PaperProfile:
    """Sizes of the paper's networks (NETWORKS.md, Profiles)."""

    picture_size: int  # S, pixels; four times the volume's size
    keypoints: int  # K
    canonical: bool  # keypoints are R x_c + t + delta; otherwise L finds them in each picture
    jacobians: bool  # L also finds each keypoint's Jacobian
    volume_channels: int  # C of the feature volume
    volume_depth: int  # D of the feature volume; 1: a 2-D warp of C feature maps
    volume_size: int  # H = W of the feature volume, of masks and of flow
    appearance_width: int  # channels of F at the picture's size; doubled at each of two steps down
    appearance_blocks: int  # residual blocks of F's volume
    detector_size: int  # pixels of the shrunk picture that L sees, and H = W of its heatmaps
    detector_depth: int  # D of the heatmaps; 1: keypoints in the plane
    detector_widths: tuple[
        int, ...
    ]  # channels of L's 2-D encoder, a step down each; its decoder mirrors them
    head_width: int  # channels of the first layer of H and Delta's backbone
    head_depths: tuple[int, ...]  # bottleneck blocks of its stages
    field_compressed: int  # channels of each candidate warped volume that M sees
    field_widths: tuple[int, ...]  # channels of M's encoder, a step down each; its decoder mirrors them
    generator_width: int  # channels of G's residual blocks; halved at each of two steps up
    generator_blocks: int

    def __post_init__(self) -> None:
        if self.picture_size != 4 * self.volume_size:
            raise ProfileError(
                f"the picture must be four times the volume's size: "
                f"picture_size is {self.picture_size}, volume_size {self.volume_size}"
            )
        for size, widths in (
            (self.detector_size, self.detector_widths),
            (self.volume_size, self.field_widths),
        ):
            if size % 2 ** len(widths):
                raise ProfileError(f"{size} pixels cannot be halved {len(widths)} times")
        if self.picture_size % self.detector_size:
            raise ProfileError(
                f"the picture's {self.picture_size} pixels do not shrink to {self.detector_size}"
            )

    @property
    def dimensions(self) -> int:
        """Return how many dimensions the warp has: 3, or 2 where the volume is flat."""
        return 3 if self.volume_depth > 1 else 2


def load_paper_profile(folder: Path) -> PaperProfile:
    """Read `profile.toml` of a profile folder; raises ProfileError with the file's name."""
    path = folder / "profile.toml"
    family, table = read_network_table(folder)
    if family != PAPER:
        raise ProfileError(f"{path} describes the {family}'s networks, not the {PAPER}'s")
    try:
        return PaperProfile(**checked_numbers(PaperProfile, table))
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from None
