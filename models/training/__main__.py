"""`visavis train`: runs the stages of a run file, each from its last checkpoint."""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from lightning.fabric import Fabric
from torch import Tensor

from models.profile import PROFILES, NetworkProfile, ProfileError
from models.training.devices import launch
from models.training.estimates import estimate_heads, kept_estimates
from models.training.footage import DataError, Footage
from models.training.kinds import Material, read_profile, set_up, student_of
from models.training.loop import TrainingError
from models.training.pairs import Heads
from models.training.runfile import RUNS, is_taken, read_run, weights_of
from models.training.stage import begin_from, train_stage

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="A data folder, or a pack of one (`visavis data pack`).")],
    profile: Annotated[str, typer.Option(help="Which profile's networks to train.")] = "laptop-256",
    run: Annotated[Path | None, typer.Option(help="Run file; the profile's own if left out.")] = None,
    output: Annotated[Path, typer.Option(help="Checkpoints, losses, sheets.")] = Path("runs"),
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Stop each stage after so long; it can be resumed.")
    ] = None,
    perceptual: Annotated[
        Path | None, typer.Option(help="SqueezeNet weights; DATA/backbones/squeezenet1_1.pth if left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
) -> None:
    """Train a profile's networks: the stages of its run file in their order, each from its last checkpoint.

    Example: visavis train --data ../shared/data --stage student --minutes 30

    On several devices: torchrun --nproc-per-node 2 -m -- models.training --data ../shared/data
    """
    if threads:
        torch.set_num_threads(threads)
    try:
        stages = read_run(run or RUNS / f"{profile}.toml", profile=profile)
        chosen = [each for each in stages if stage in (None, each["name"]) and not is_taken(each)]
        if not chosen:
            known = ", ".join(each["name"] for each in stages if not is_taken(each))
            raise TrainingError(f"the run trains no stage {stage!r}; it has {known}")
        fabric = launch(device)
        for settings in chosen:
            _run_stage(settings, stages, profile, data, output / profile, minutes, perceptual, fabric)
    except KeyboardInterrupt:
        typer.echo("visavis train: stopped; the same command goes on from the last checkpoint", err=True)
        raise typer.Exit(130) from None
    except (TrainingError, DataError, ProfileError) as error:
        typer.echo(f"visavis train: {error}", err=True)
        raise typer.Exit(1) from None


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
        return kept_estimates(
            output / f"estimates-{name}.npz",
            footage,
            lambda: estimate_heads(sizes, weights(student_of(stages)), footage, device=fabric.device),
        )

    with fabric.rank_zero_first():  # who decodes frames for all
        cache = output.parent / "cache"
        stage = set_up(sizes, settings, Material(data, cache, perceptual, fabric.device, weights, estimate))
    if "start" in settings and not (folder / "checkpoint.pt").exists():
        begin_from(stage.network, weights(settings["start"]), name=settings["name"])
    train_stage(stage, folder=folder, settings=settings, minutes=minutes, fabric=fabric)


if __name__ == "__main__":
    app(prog_name="visavis train")
