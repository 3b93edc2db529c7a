"""A training of so many minutes on any machine: `python -m models.training.bounded`.

Counts from its own start, before torch is loaded, and leaves at most eight small files. The work is in
`models.training.timed`, which is imported when the clock runs.
"""

import time
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="A pack of `visavis data pack`, or a data folder.")],
    run: Annotated[Path, typer.Option(help="Run file, as in models/training/runs/laptop-256.toml.")],
    stage: Annotated[
        list[str], typer.Option(help="NAME, or NAME=SHARE of the minutes; several run in turn.")
    ],
    minutes: Annotated[float, typer.Option(min=0.05, help="Wall clock of the whole command.")],
    output: Annotated[Path, typer.Option(help="Folder for parts, losses.json and sheets.")],
    start: Annotated[
        Path | None, typer.Option("--from", help="Folder of parts to go on from; may be the output.")
    ] = None,
    perceptual: Annotated[
        Path | None,
        typer.Option(
            help="SqueezeNet weights for picture stages; LPIPS's linear heads are looked for beside them."
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Samples a step; the run file's if left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that make batches; by the machine if left out.")
    ] = None,
) -> None:
    """Train stages of a run file for a number of minutes and leave their weights in parts of at most 16 MB.

    Example: python -m models.training.bounded --data runs/pack.npz --run models/training/runs/laptop-256.toml
    --stage picture-256 --minutes 8 --from runs/parts --perceptual runs/squeezenet1_1.pth --output out/laptop-256
    """
    began = time.monotonic()
    from models.profile import PROFILES, ProfileError
    from models.training.footage import DataError
    from models.training.kinds import read_profile
    from models.training.loop import TrainingError
    from models.training.runfile import read_profile_of, read_run
    from models.training.stage import choose_device
    from models.training.timed import Order, parse_stages, run_stages
    from runtime.memory import keep_freed_memory

    keep_freed_memory()
    try:
        name = read_profile_of(run)
        stages = read_run(run, profile=name)
        run_stages(
            read_profile(PROFILES / name),
            stages,
            Order(
                data=data,
                shares=parse_stages(stage, stages),
                ends=began + 60 * minutes,
                output=output,
                start=start,
                perceptual=perceptual,
                batch=batch,
                device=choose_device(device),
                workers=workers,
            ),
            report=typer.echo,
        )
    except (TrainingError, DataError, ProfileError) as error:
        typer.echo(f"bounded training: {error}", err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app(prog_name="python -m models.training.bounded")
