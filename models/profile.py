"""A profile's numbers: the sizes and widths from which every network is built.

Read from the `[network]` table of a profile folder's `profile.toml`; knows nothing of training or of engines.
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

PROFILES = Path(__file__).parent / "profiles"


class ProfileError(ValueError):
    """A profile that does not describe a network."""


@dataclass(frozen=True)
class NetworkProfile:
    """Sizes of the seven networks (NETWORKS.md, Profiles)."""

    picture_size: int  # S, pixels
    keypoints: int  # K
    volume_channels: int  # C of the feature volume
    volume_depth: int  # D of the feature volume
    volume_size: int  # H = W of the feature volume, of masks and of flow
    volume_extent: float  # the volume spans z in [-extent, extent], image units
    appearance_width: int  # channels of F at half the picture's size; doubled at each step down
    appearance_blocks: int  # residual blocks of F at the volume's size
    skip_channels: int  # channels of the source features that join G at twice the volume's size
    field_width: int  # channels of M at the volume's size
    generator_width: int  # channels of G's residual blocks
    generator_blocks: int
    student_widths: tuple[int, ...]  # channels of the motion net at 1/2, 1/4, .. 1/32
    student_depths: tuple[int, ...]  # inverted residual blocks at 1/4, .. 1/32
    student_decoder: int  # channels of the motion net's decoder

    @classmethod
    def from_table(cls, table: dict[str, object]) -> "NetworkProfile":
        """Build from a TOML table; raises ProfileError naming the number that is missing or wrong."""
        names = {field.name: field for field in fields(cls)}
        if unknown := sorted(set(table) - set(names)):
            raise ProfileError(f"the profile has numbers that no network uses: {', '.join(unknown)}")
        if missing := sorted(set(names) - set(table)):
            raise ProfileError(f"the profile lacks {', '.join(missing)}")
        values: dict[str, object] = {}
        for name, value in table.items():
            parts = value if isinstance(value, list) else [value]
            if not parts or any(
                isinstance(p, bool) or not isinstance(p, int | float) or p <= 0 for p in parts
            ):
                raise ProfileError(
                    f"the profile's {name} must be a positive number or a list of them, not {value!r}"
                )
            values[name] = tuple(parts) if isinstance(value, list) else value
        return cls(**values)  # type: ignore[arg-type]


def load_network_profile(folder: Path) -> NetworkProfile:
    """Read `profile.toml` of a profile folder; raises ProfileError with the file's name."""
    path = folder / "profile.toml"
    try:
        table = tomllib.loads(path.read_text())["network"]
    except FileNotFoundError:
        raise ProfileError(f"there is no profile at {folder}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise ProfileError(f"{path} is no profile: {error}") from None
    try:
        return NetworkProfile.from_table(table)
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from None
