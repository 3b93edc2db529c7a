"""`visavis train`: runs the stages of a run file, each from its last checkpoint."""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from models.profile import PROFILES, ProfileError, load_network_profile
from models.training.data import load_clips, load_level_face
from models.training.estimates import write_estimates
from models.training.footage import DataError
from models.training.locate import train_locate
from models.training.loop import TrainingError
from models.training.losses import backbone_file
from models.training.picture import train_picture
from models.training.runfile import RUNS, average_of, read_run
from models.training.stage import choose_device
from models.training.student import train_student

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
    """
    if threads:
        torch.set_num_threads(threads)
    try:
        chosen_device = choose_device(device)
        stages = read_run(run or RUNS / f"{profile}.toml", profile=profile)
        chosen = [each for each in stages if stage in (None, each["name"])]
        if not chosen:
            raise TrainingError(
                f"the run has no stage {stage!r}; it has {', '.join(each['name'] for each in stages)}"
            )
        for settings in chosen:
            _run_stage(settings, stages, profile, data, output / profile, minutes, perceptual, chosen_device)
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
    device: torch.device,
) -> None:
    sizes = load_network_profile(PROFILES / profile)
    folder, cache = output / settings["name"], output.parent / "cache"
    try:
        if settings["kind"] == "student":
            train_student(
                sizes,
                data=data,
                cache=cache,
                folder=folder,
                settings=settings,
                minutes=minutes,
                device=device,
            )
        elif settings["kind"] == "locate":
            train_locate(
                data=data, cache=cache, folder=folder, settings=settings, minutes=minutes, device=device
            )
        else:
            estimates = None
            if settings["heads"] == "student":
                estimates = output / "estimates.npz"
                if not estimates.exists():
                    student = next(each["name"] for each in stages if each["kind"] == "student")
                    level = load_level_face(data)
                    weights = average_of(output / student)
                    footage = load_clips(data, cache, size=sizes.picture_size, level=level)
                    write_estimates(sizes, weights, footage, estimates)
            train_picture(
                sizes,
                data=data,
                cache=cache,
                folder=folder,
                settings=settings,
                perceptual=backbone_file(perceptual, data),
                start=average_of(output / settings["start"]) if "start" in settings else None,
                estimates=estimates,
                minutes=minutes,
                device=device,
            )
    except KeyError as error:
        raise TrainingError(f"the stage {settings['name']} lacks its number {error}") from None


if __name__ == "__main__":
    app(prog_name="visavis train")
