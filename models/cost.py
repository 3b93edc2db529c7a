"""What a profile costs: parameters, and multiplications of convolutions and matrix products, in its `profile.toml`.

A call never loads torch, so the numbers are counted here, once, and stand in the profile's `[cost]` table, where
`visavis models list` finds them. `python -m models.cost NAME...` writes them for profiles that have no graphs yet;
`visavis models export` and `build` write them with the graphs.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from models.graphs import FrameGraph, MotionGraph, SourceGraph
from models.motion_field import Head
from models.networks import Networks
from models.paper.motion_field import Placed
from models.paper.profile import PaperProfile, load_paper_profile
from models.paper.talker import TalkingHead
from models.profile import PAPER, PROFILES, NetworkProfile, load_network_profile, read_network_table
from models.replacing import replacing


@dataclass(frozen=True)
class Cost:
    """A profile's size and work; GMAC are billions of multiplications and additions."""

    parameters: int  # of all networks
    source_gmac: float  # once a source picture
    motion_gmac: float  # a camera frame
    frame_gmac: float  # a shown frame


def cost_of(folder: Path) -> Cost:
    """Count a profile folder's networks, trained or not; raises ProfileError."""
    if read_network_table(folder)[0] == PAPER:
        return paper_cost(load_paper_profile(folder))
    return laptop_cost(load_network_profile(folder))


def laptop_cost(profile: NetworkProfile) -> Cost:
    """Count the laptop's networks by running each once."""
    networks = Networks(profile).eval()
    native = networks.talker.volume_warp
    picture = torch.rand(1, 3, profile.picture_size, profile.picture_size)
    head = Head(torch.zeros(1, profile.keypoints, 3), torch.eye(3)[None] * 0.4, torch.zeros(1, 3))
    features = networks.talker.prepare(picture)
    seen = picture[..., : 4 * profile.volume_size, : 4 * profile.volume_size]
    frame, cells = FrameGraph(networks), profile.volume_size
    cost = Cost(
        parameters_of(networks),
        gmac(lambda: SourceGraph(networks)(seen)),
        gmac(lambda: MotionGraph(networks)(seen)),
        gmac(lambda: frame(*features, *head, *head, torch.zeros(1, 2, cells, cells))),
    )
    networks.talker.volume_warp = native
    return cost


def paper_cost(profile: PaperProfile) -> Cost:
    """Count the paper's networks without computing: only shapes pass through them."""
    with torch.device("meta"):
        talker = TalkingHead(profile).eval()
        picture = torch.rand(1, 3, profile.picture_size, profile.picture_size)
        source = talker.prepare(picture)
        driving = Placed(torch.zeros(1, profile.keypoints, 3), torch.zeros(1, 1, 3, 3))
        return Cost(
            parameters_of(talker),
            gmac(lambda: talker.prepare(picture)),
            gmac(lambda: talker.drive(source, picture)),
            gmac(lambda: talker.draw(source, driving)),
        )


def parameters_of(network: torch.nn.Module) -> int:
    """Return the number of a network's trained numbers."""
    return sum(value.numel() for value in network.parameters())


def gmac(work: Callable[[], object]) -> float:
    """Count what some work multiplies, in billions, to three digits after the point."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        work()
    return round(counter.get_total_flops() / 2e9, 3)


def write_cost(folder: Path) -> Cost:
    """Count a profile folder's networks into its profile.toml, whose other tables stay as they are."""
    cost, path = cost_of(folder), folder / "profile.toml"
    text = re.sub(r"\n*\[cost\][^\[]*", "\n\n", path.read_text()).strip("\n")
    lines = "".join(f"{name} = {value}\n" for name, value in asdict(cost).items())
    table = f"[cost] # a source picture, a camera frame, a shown frame\n{lines}"
    before, graphs, after = text.partition("[graphs]")
    parts = [before.rstrip("\n"), table.rstrip("\n"), *([graphs + after] if graphs else [])]
    with replacing(folder) as new:
        (new / path.name).write_text("\n\n".join(parts) + "\n")
    return cost


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, write_cost(PROFILES / name))
