"""Weights in parts: the averages and raw weights of a run's stages, in half precision, in small safetensors files.

What a bounded run leaves and goes on from, small enough to be carried between machines. A stage's discriminator is
among them, the optimiser's state is not: it restarts with a warm-up. `python -m models.training.parts RUN --output
PARTS` makes them of checkpoints.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.training.loop import TrainingError, read_checkpoint

PART_BYTES = 15_500_000  # a file stays under 16 MB with its header
ABOUT = "visavis"  # the metadata's one entry
Weights = dict[str, Tensor]
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class StageWeights:
    """A stage's weights by name; all but the average are left out where the stage is finished."""

    average: Weights
    network: Weights | None
    steps: int
    rival: Weights | None = None  # of the discriminator, where the stage has one


def write_parts(folder: Path, stages: dict[str, StageWeights], *, most: int) -> int:
    """Write stages' weights as at most `most` files over those of before; returns how many.

    Each file is replaced whole, so that a run that is killed leaves weights that can be read.

    Raises:
        TrainingError: weights that need more or larger files, or a full disk.
    """
    parts: list[Weights] = [{}]
    size = 0
    for name, value in _flat(stages).items():
        halved = _halved(value)
        if halved.nbytes > PART_BYTES:
            raise TrainingError(f"{name} alone is {halved.nbytes / 1e6:.0f} MB, more than a part may hold")
        if size + halved.nbytes > PART_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = halved
        size += halved.nbytes
    if len(parts) > most:
        raise TrainingError(f"the weights need {len(parts)} parts of 16 MB, and a run may leave {most}")
    about = {"parts": len(parts), "steps": {stage: held.steps for stage, held in stages.items()}}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, part in enumerate(parts, start=1):
            partial = folder / "part.partial"
            save_file(part, partial, metadata={ABOUT: json.dumps(about)})
            partial.replace(part_path(folder, number))
    except (OSError, SafetensorError) as error:
        (folder / "part.partial").unlink(missing_ok=True)
        raise TrainingError(f"the weights could not be written to {folder}: {error}") from None
    for stale in folder.glob("part-*.safetensors"):
        if stale.name > part_path(folder, len(parts)).name:
            stale.unlink()
    return len(parts)


def read_parts(folder: Path) -> dict[str, StageWeights]:
    """Read the stages' weights of a folder of parts, in full precision; raises TrainingError."""
    flat: Weights = {}
    steps: dict[str, int] = {}
    number, wanted = 1, 1
    while number <= wanted:
        path = part_path(folder, number)
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {})[ABOUT])
                wanted, steps = int(about["parts"]), dict(about["steps"])
                flat |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise TrainingError(f"{folder} lacks {path.name}") from None
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"{path} is no part of a run's weights, or is damaged: {error}") from None
        number += 1
    stages: dict[str, dict[str, Weights]] = {}
    for name, value in flat.items():
        stage, kind, weight = name.split("/", 2)
        value = value.float() if value.is_floating_point() else value
        stages.setdefault(stage, {}).setdefault(kind, {})[weight] = value
    return {
        stage: StageWeights(held["average"], held.get("network"), int(steps.get(stage, 0)), held.get("rival"))
        for stage, held in stages.items()
    }


def has_parts(folder: Path) -> bool:
    """Say whether a folder holds parts."""
    return part_path(folder, 1).is_file()


def part_path(folder: Path, number: int) -> Path:
    """Name a part's file."""
    return folder / f"part-{number:02d}.safetensors"


def read_checkpoints(folder: Path) -> dict[str, StageWeights]:
    """Read the stages' weights of a run's folder of checkpoints; raises TrainingError where there is none."""
    stages = {}
    for path in sorted(folder.glob("*/checkpoint.pt")):
        state = read_checkpoint(path) or {}
        try:
            stages[path.parent.name] = StageWeights(
                state["average"], state["network"], int(state["step"]), state.get("rival")
            )
        except KeyError as error:
            raise TrainingError(f"{path} is damaged: {error}") from None
    if not stages:
        raise TrainingError(f"there are no stages with a checkpoint in {folder}")
    return stages


def _flat(stages: dict[str, StageWeights]) -> Weights:
    flat: Weights = {}
    for stage, held in stages.items():
        flat |= {f"{stage}/average/{name}": value for name, value in held.average.items()}
        flat |= {f"{stage}/network/{name}": value for name, value in (held.network or {}).items()}
        flat |= {f"{stage}/rival/{name}": value for name, value in (held.rival or {}).items()}
    return flat


def _halved(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    if value.is_floating_point():
        half = value.half()
        # A statistic that half precision cannot hold stays as it is.
        value = half if bool(torch.isfinite(half).all()) else value.float()
    return value.contiguous()


@app.command()
def main(
    run: Annotated[Path, typer.Argument(help="Folder of a run's stages, as in runs/laptop-256.")],
    output: Annotated[Path, typer.Option(help="Where the parts go.")],
    stage: Annotated[list[str] | None, typer.Option(help="Only these stages.")] = None,
) -> None:
    """Turn the checkpoints of `visavis train` into parts that a bounded run can go on from."""
    try:
        stages = {
            name: held for name, held in read_checkpoints(run).items() if stage is None or name in stage
        }
        if missing := set(stage or ()) - set(stages):
            raise TrainingError(f"{run} has no checkpoint of {', '.join(sorted(missing))}")
        count = write_parts(output, stages, most=99)
    except TrainingError as error:
        typer.echo(f"parts: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{output}: {', '.join(stages)} in {count} parts")


if __name__ == "__main__":
    app(prog_name="python -m models.training.parts")
