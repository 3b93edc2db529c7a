"""`visavis train`: runs the stages of a run file, each from its last checkpoint."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from models.profile import PROFILES, ProfileError, load_network_profile
from models.training.data import DataError, load_clips, load_level_face
from models.training.estimates import write_estimates
from models.training.locate import train_locate
from models.training.loop import TrainingError
from models.training.picture import train_picture
from models.training.student import train_student

RUNS = Path(__file__).parent / "runs"
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="Folder with train/, portraits/ and canonical_face.npz.")],
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
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
) -> None:
    """Train a profile's networks: the stages of its run file in their order, each from its last checkpoint.

    Example: visavis train --data ../shared/data --stage student --minutes 30
    """
    if threads:
        torch.set_num_threads(threads)
    try:
        stages = read_run(run or RUNS / f"{profile}.toml", profile=profile)
        chosen = [each for each in stages if stage in (None, each["name"])]
        if not chosen:
            raise TrainingError(
                f"the run has no stage {stage!r}; it has {', '.join(each['name'] for each in stages)}"
            )
        for settings in chosen:
            _run_stage(settings, stages, profile, data, output / profile, minutes, perceptual)
    except KeyboardInterrupt:
        typer.echo("visavis train: stopped; the same command goes on from the last checkpoint", err=True)
        raise typer.Exit(130) from None
    except (TrainingError, DataError, ProfileError) as error:
        typer.echo(f"visavis train: {error}", err=True)
        raise typer.Exit(1) from None


def read_run(path: Path, *, profile: str) -> list[dict[str, Any]]:
    """Read a run file's stages; raises TrainingError where it is none of this profile's."""
    try:
        table = tomllib.loads(path.read_text())
        stages = table["stages"]
        names = [stage["name"] for stage in stages]
        kinds = {stage["kind"] for stage in stages}
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is no run file: {error}") from None
    if table.get("profile") != profile:
        raise TrainingError(f"{path} is a run of {table.get('profile')!r}, not of {profile!r}")
    if len(set(names)) < len(names) or kinds - {"student", "locate", "picture"}:
        raise TrainingError(
            f"{path}: stages need names of their own and a kind of student, locate or picture"
        )
    return stages


def _run_stage(
    settings: dict[str, Any],
    stages: list[dict[str, Any]],
    profile: str,
    data: Path,
    output: Path,
    minutes: float | None,
    perceptual: Path | None,
) -> None:
    sizes = load_network_profile(PROFILES / profile)
    folder, cache = output / settings["name"], output.parent / "cache"
    try:
        if settings["kind"] == "student":
            train_student(sizes, data=data, cache=cache, folder=folder, settings=settings, minutes=minutes)
        elif settings["kind"] == "locate":
            train_locate(data=data, cache=cache, folder=folder, settings=settings, minutes=minutes)
        else:
            estimates = None
            if settings["heads"] == "student":
                estimates = output / "estimates.npz"
                if not estimates.exists():
                    student = next(each["name"] for each in stages if each["kind"] == "student")
                    level = load_level_face(data)
                    weights = average_of(output / student)
                    write_estimates(sizes, weights, load_clips(data, cache, size=256, level=level), estimates)
            train_picture(
                sizes,
                data=data,
                cache=cache,
                folder=folder,
                settings=settings,
                perceptual=perceptual or data / "backbones" / "squeezenet1_1.pth",
                start=average_of(output / settings["start"]) if "start" in settings else None,
                estimates=estimates,
                minutes=minutes,
            )
    except KeyError as error:
        raise TrainingError(f"the stage {settings['name']} lacks its number {error}") from None


def average_of(folder: Path) -> dict[str, torch.Tensor]:
    """Return the average of the weights in a stage's checkpoint; raises TrainingError where there is none."""
    path = folder / "checkpoint.pt"
    try:
        return torch.load(path, weights_only=True, map_location="cpu")["average"]
    except FileNotFoundError:
        raise TrainingError(f"the stage {folder.name} has no checkpoint yet; train it first") from None
    except (OSError, RuntimeError, KeyError) as error:
        raise TrainingError(f"{path} is damaged: {error}") from None


if __name__ == "__main__":
    app(prog_name="visavis train")
