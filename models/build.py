"""A training's averages become a profile's weights, graphs and residual codes."""

import os
from pathlib import Path

from models.cost import write_cost
from models.export import export_graphs
from models.networks import load_networks, networks_of, save_networks
from models.paper.profile import PaperProfile
from models.profile import PROFILES
from models.profile_toml import note_kept, write_table
from models.repair import build_residual, remove_residual
from models.training.loop import TrainingError
from models.training.runfile import RUNS, read_run, weights_of, weights_of_network
from models.training.unsupervised import shipped_talker

WEIGHTS = "weights.safetensors"
# Which of a profile's networks a kind of stage leaves the weights of.
NETWORKS = {
    "student": ("student",), "synthesis": ("student",), "locate": ("locate",), "picture": ("talker",),
    "together": ("student", "talker"), "unsupervised": ("talker",),
}  # fmt: skip


def build_profile(profile: str, output: Path) -> tuple[Path, int]:
    """Take the averaged weights of a training, left in a folder of the profile in `output`, and export its graphs.

    Returns the profile's folder and its size in bytes. Raises ProfileError, TrainingError or OSError.
    """
    folder = PROFILES / profile
    networks = networks_of(folder)
    stages = read_run(RUNS / f"{profile}.toml", profile=profile)
    last = {network: stage for stage in stages for network in NETWORKS.get(stage["kind"], ())}
    for network, stage in last.items():
        weights = weights_of_network(weights_of(stage, output / profile), network)
        if isinstance(networks.profile, PaperProfile) and stage["kind"] == "unsupervised":
            weights = shipped_talker(networks.profile, weights).state_dict()
        networks.get_submodule(network).load_state_dict(weights)
    save_networks(networks, folder)
    note_kept(folder, WEIGHTS)
    export_graphs(load_networks(folder), folder)
    write_table(folder / "profile.toml", "quality", "", {})  # it was the old weights'
    remove_residual(folder)  # it repaired the old weights' faults
    write_cost(folder)
    return folder, sum(os.path.getsize(folder / name) for name in os.listdir(folder))


def take_residual(profile: str, output: Path, *, data: Path) -> tuple[Path, int]:
    """Take a trained residual network into a profile; returns its folder and how many pictures its codes were fitted
    to. Raises ProfileError, TrainingError, DataError or OSError."""
    folder = PROFILES / profile
    stages = read_run(RUNS / f"{profile}.toml", profile=profile)
    stage = next((each for each in stages if each["kind"] == "residual"), None)
    if stage is None:
        raise TrainingError(f"the run of {profile} trains no residual network")
    weights = weights_of(stage, output / profile)
    return folder, build_residual(folder, weights, data=data, cache=output / "cache")


def export_again(profile: str) -> None:
    """Export a profile's graphs from the weights in its folder. Raises ProfileError or OSError."""
    folder = PROFILES / profile
    export_graphs(load_networks(folder), folder)
    write_cost(folder)
