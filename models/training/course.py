"""A profile's training: the stages of its run file in their order, each from its last checkpoint."""

from pathlib import Path
from typing import Any

import torch
import typer
from lightning.fabric import Fabric
from torch import Tensor

from models.profile import PROFILES, NetworkProfile
from models.training.devices import launch
from models.training.estimates import estimate_heads, kept_estimates
from models.training.footage import Footage
from models.training.kinds import Material, read_profile, set_up, student_of
from models.training.loop import TrainingError
from models.training.pairs import Heads
from models.training.runfile import RUNS, is_taken, read_run, weights_of, weights_of_network
from models.training.stage import begin_from, train_stage
from runtime.memory import keep_freed_memory


def train(
    data: Path,
    *,
    profile: str,
    run: Path | None,
    output: Path,
    stage: str | None,
    minutes: float | None,
    perceptual: Path | None,
    device: str,
    threads: int,
) -> None:
    """Train a profile's networks on a data folder or a pack; checkpoints, losses and sheets go to `output`/`profile`.

    run: a run file, the profile's own if None. stage: only that one. minutes: stop each stage after so long.
    perceptual: SqueezeNet's weights, those of the data if None. device: auto, cpu or cuda. threads: of the CPU, all
    if 0.

    Raises TrainingError, DataError or ProfileError; a training that Ctrl-C stops can be gone on with.
    """
    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    stages = read_run(run or RUNS / f"{profile}.toml", profile=profile)
    chosen = [each for each in stages if stage in (None, each["name"]) and not is_taken(each)]
    if not chosen:
        known = ", ".join(each["name"] for each in stages if not is_taken(each))
        raise TrainingError(f"the run trains no stage {stage!r}; it has {known}")
    fabric = launch(device)
    for settings in chosen:
        _run_stage(settings, stages, profile, data, output / profile, minutes, perceptual, fabric)


def _run_stage(
    settings: dict[str, Any],
    stages: list[dict[str, Any]],
    profile: str,
    data: Path,
    output: Path,
    minutes: float | None,
    perceptual: Path | None,
    fabric: Fabric,
) -> None:
    sizes, folder = read_profile(PROFILES / profile), output / settings["name"]
    by_name = {each["name"]: each for each in stages}

    def weights(name: str) -> dict[str, Tensor]:
        return weights_of(by_name[name], output)

    def estimate(name: str, footage: Footage) -> Heads:
        assert isinstance(sizes, NetworkProfile)
        student = student_of(stages, settings)
        path = output / f"estimates-{student}-{name}.npz"

        def heads() -> Heads:
            typer.echo(f"Running the student over {len(footage.clip)} frames once, kept in {path}", err=True)
            return estimate_heads(
                sizes, weights_of_network(weights(student), "student"), footage, device=fabric.device
            )

        return kept_estimates(path, footage, heads)

    with fabric.rank_zero_first():  # who decodes frames for all
        cache = output.parent / "cache"
        stage = set_up(sizes, settings, Material(data, cache, perceptual, fabric.device, weights, estimate))
    if "start" in settings and not (folder / "checkpoint.pt").exists():
        begin_from(stage.network, weights(settings["start"]), name=settings["name"])
    train_stage(stage, folder=folder, settings=settings, minutes=minutes, fabric=fabric)
