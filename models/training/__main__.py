"""`visavis train`: the options of a training. What does the work is loaded when it is asked for, so that the command
explains itself without torch."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="A data folder, or a pack of one (`visavis data pack`).")],
    profile: Annotated[str, typer.Option(help="Which profile's networks to train.")] = "laptop-256",
    run: Annotated[Path | None, typer.Option(help="Run file; the profile's own if left out.")] = None,
    output: Annotated[Path, typer.Option(help="Checkpoints, losses, sheets.")] = Path("runs"),
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.05, help="Stop each stage after so long; it can be resumed.")
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
    from models.profile import ProfileError
    from models.training.course import train
    from models.training.footage import DataError
    from models.training.loop import TrainingError

    try:
        train(
            data,
            profile=profile,
            run=run,
            output=output,
            stage=stage,
            minutes=minutes,
            perceptual=perceptual,
            device=device,
            threads=threads,
        )
    except KeyboardInterrupt:
        typer.echo("visavis train: stopped; the same command goes on from the last checkpoint", err=True)
        raise typer.Exit(130) from None
    except (TrainingError, DataError, ProfileError) as error:
        typer.echo(f"visavis train: {error}", err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app(prog_name="visavis train")
