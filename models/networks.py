"""All networks of a profile together, and their weights' file."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from models.large import motion_student, talking_head
from models.locate import Locate
from models.paper.networks import PaperNetworks
from models.paper.profile import load_paper_profile
from models.profile import (
    PAPER,
    NetworkProfile,
    ProfileError,
    load_network_profile,
    read_network_table,
    shared_profile,
)
from models.replacing import replacing
from models.weights import save_weights


class Networks(nn.Module):
    """The motion student, the talking head and the locate network of a profile."""

    def __init__(self, profile: NetworkProfile) -> None:
        super().__init__()
        self.profile = profile
        self.student = motion_student(profile)
        self.talker = talking_head(profile)
        self.locate = Locate()


def networks_of(folder: Path) -> Networks | PaperNetworks:
    """Build a profile folder's networks, untrained; raises ProfileError."""
    if read_network_table(folder)[0] == PAPER:
        return PaperNetworks(load_paper_profile(folder))
    return Networks(load_network_profile(folder))


def load_networks(folder: Path) -> Networks | PaperNetworks:
    """Build a profile folder's networks with their weights; raises ProfileError with the reason."""
    networks = networks_of(folder)
    path = folder / "weights.safetensors"
    smaller = shared_profile(folder)
    try:
        state = {} if smaller is None else load_networks(smaller).state_dict()
        state |= {
            name: value.float() if value.is_floating_point() else value
            for name, value in load_file(path).items()
        }
        networks.load_state_dict(state)
    except FileNotFoundError:
        raise ProfileError(f"{folder} has no weights; train them with `visavis train`") from None
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ProfileError(f"{path} is damaged or does not fit the profile: {reason}") from None
    return networks.eval()


def save_networks(networks: Networks | PaperNetworks, folder: Path) -> None:
    """Write the weights in half precision: what training resumes from.

    Of a profile that shares with a smaller one, those that are not the smaller one's; raises ProfileError where others
    than the generator's are among them, and OSError where the file cannot be written; the one before then stays.
    """
    state = {
        name: value.detach().to(torch.float16 if value.is_floating_point() else value.dtype).contiguous()
        for name, value in networks.state_dict().items()
    }
    if (smaller := shared_profile(folder)) is not None:
        theirs = load_networks(smaller).state_dict()
        state = {
            name: value
            for name, value in state.items()
            if name not in theirs or not torch.equal(theirs[name].to(value.dtype), value)
        }
        if others := [name for name in state if not name.startswith("talker.generator.")]:
            raise ProfileError(
                f"{folder} shares its networks with {smaller.name}, and {others[0]} is another"
            )
    with replacing(folder) as new:
        save_weights(state, new / "weights.safetensors")
