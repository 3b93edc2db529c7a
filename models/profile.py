"""A profile's numbers: the sizes and widths from which every network is built.

Read from the `[network]` table of a profile folder's `profile.toml`; knows nothing of training or of engines. The
laptop's networks are described here, the paper's in `models.paper.profile`: the table's `family` tells which.
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_origin

PROFILES = Path(__file__).parent / "profiles"
LAPTOP, PAPER = "laptop", "paper"  # the families of networks; a table that names none is the laptop's


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
    generator_fine: (
        int  # channels of G's features at four times the volume's size; halved at one step up more
    )
    student_widths: tuple[int, ...]  # channels of the motion net at 1/2, 1/4, .. 1/32
    student_depths: tuple[int, ...]  # inverted residual blocks at 1/4, .. 1/32
    student_decoder: int  # channels of the motion net's decoder

    @classmethod
    def from_table(cls, table: dict[str, object]) -> "NetworkProfile":
        """Build from a TOML table; raises ProfileError naming the number that is missing or wrong."""
        return cls(**checked_numbers(cls, table))


def checked_numbers(description: type, table: dict[str, object]) -> dict[str, Any]:
    """Check a TOML table against a dataclass of positive numbers, lists of them, and switches.

    Raises ProfileError naming the number that is missing, wrong or used by no network.
    """
    kinds = {field.name: field.type for field in fields(description)}
    if unknown := sorted(set(table) - set(kinds)):
        raise ProfileError(f"the profile has numbers that no network uses: {', '.join(unknown)}")
    if missing := sorted(set(kinds) - set(table)):
        raise ProfileError(f"the profile lacks {', '.join(missing)}")
    values: dict[str, Any] = {}
    for name, value in table.items():
        if kinds[name] is bool:
            if not isinstance(value, bool):
                raise ProfileError(f"the profile's {name} must be true or false, not {value!r}")
            values[name] = value
            continue
        parts = value if isinstance(value, list) else [value]
        listed, whole = get_origin(kinds[name]) is tuple, kinds[name] is not float
        allowed = int if whole else (int, float)
        if (
            listed != isinstance(value, list)
            or not parts
            or any(isinstance(part, bool) or not isinstance(part, allowed) or part <= 0 for part in parts)
        ):
            kind = "whole number" if whole else "number"
            wanted = f"a list of positive {kind}s" if listed else f"a positive {kind}"
            raise ProfileError(f"the profile's {name} must be {wanted}, not {value!r}")
        values[name] = tuple(parts) if isinstance(value, list) else value
    return values


def read_network_table(folder: Path) -> tuple[str, dict[str, object]]:
    """Read a profile folder's family and `[network]` table; raises ProfileError with the file's name."""
    path = folder / "profile.toml"
    try:
        table = dict(tomllib.loads(path.read_text())["network"])
    except FileNotFoundError:
        raise ProfileError(f"there is no profile at {folder}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise ProfileError(f"{path} is no profile: {error}") from None
    family = table.pop("family", LAPTOP)
    if family not in (LAPTOP, PAPER):
        raise ProfileError(f"{path}: the family must be {LAPTOP} or {PAPER}, not {family!r}")
    return str(family), table


def load_network_profile(folder: Path) -> NetworkProfile:
    """Read `profile.toml` of a profile folder; raises ProfileError with the file's name."""
    path = folder / "profile.toml"
    family, table = read_network_table(folder)
    if family != LAPTOP:
        raise ProfileError(f"{path} describes the {family}'s networks, not the {LAPTOP}'s")
    try:
        return NetworkProfile.from_table(table)
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from None


def shared_profile(folder: Path) -> Path | None:
    """Return the folder of the smaller profile that a profile has all but its frame graph from; None where it shares
    nothing. Raises ProfileError with the file's name."""
    read_network_table(folder)
    name = tomllib.loads((folder / "profile.toml").read_text()).get("shares")
    return None if name is None else PROFILES / str(name)
