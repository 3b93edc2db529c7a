"""`visavis models build`: a training's averages become a profile's weights, graphs and tables."""

import os
from pathlib import Path
from typing import Annotated

import typer

from models.cost import write_cost
from models.export import export_graphs, write_table
from models.networks import load_networks, networks_of, save_networks
from models.paper.profile import PaperProfile
from models.profile import PROFILES, ProfileError
from models.repair import build_residual, remove_residual
from models.training.footage import DataError
from models.training.loop import TrainingError
from models.training.runfile import RUNS, read_run, weights_of
from models.training.unsupervised import shipped_talker

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def build(
    profile: Annotated[str, typer.Argument(help="Which profile.")] = "laptop-256",
    output: Annotated[
        Path, typer.Option(help="Where the training left a folder of the profile, with checkpoints or parts.")
    ] = Path("runs"),
) -> None:
    """Take the averaged weights of a finished training into a profile, and export its graphs.

    Example: visavis models build laptop-256 && visavis models quantise laptop-256 --data ../shared/data
    """
    folder = PROFILES / profile
    try:
        networks = networks_of(folder)
        kinds = {"student": "student", "locate": "locate", "picture": "talker", "unsupervised": "talker"}
        stages = read_run(RUNS / f"{profile}.toml", profile=profile)
        last = {stage["kind"]: stage for stage in stages if stage["kind"] in kinds}
        for kind, stage in last.items():
            weights = weights_of(stage, output / profile)
            if isinstance(networks.profile, PaperProfile) and kind == "unsupervised":
                weights = shipped_talker(networks.profile, weights).state_dict()
            networks.get_submodule(kinds[kind]).load_state_dict(weights)
        save_networks(networks, folder)
        export_graphs(load_networks(folder), folder)
        write_table(folder / "profile.toml", "quality", "", {})  # it was the old weights'
        remove_residual(folder)  # it repaired the old weights' faults
        write_cost(folder)
    except (ProfileError, TrainingError, OSError) as error:
        typer.echo(f"visavis models build: {error}", err=True)
        raise typer.Exit(1) from None
    size = sum(os.path.getsize(folder / name) for name in os.listdir(folder))
    typer.echo(
        f"{folder}: {size / 1e6:.1f} MB. Now run `visavis models quantise`, `visavis tables fit` and, where a residual "
        "network was trained, `visavis models residual`."
    )


@app.command()
def residual(
    data: Annotated[
        Path, typer.Option(help="A data folder, or a pack of one: codes are fitted to its clips.")
    ],
    profile: Annotated[str, typer.Argument(help="Which profile.")] = "laptop-256",
    output: Annotated[
        Path, typer.Option(help="Where the training left a folder of the profile, with checkpoints or parts.")
    ] = Path("runs"),
) -> None:
    """Take a trained residual network into a profile: its graphs, and the chances by which its codes are coded.

    Example: visavis models residual laptop-256 --data ../shared/data
    """
    try:
        folder = PROFILES / profile
        stages = read_run(RUNS / f"{profile}.toml", profile=profile)
        stage = next((each for each in stages if each["kind"] == "residual"), None)
        if stage is None:
            raise TrainingError(f"the run of {profile} trains no residual network")
        weights = weights_of(stage, output / profile)
        codes = build_residual(folder, weights, data=data, cache=output / "cache")
    except (ProfileError, TrainingError, DataError, OSError) as error:
        typer.echo(f"visavis models residual: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{folder}: residual codes, fitted to {codes} pictures.")


@app.command()
def export(profile: Annotated[str, typer.Argument(help="Which profile.")] = "laptop-256") -> None:
    """Export a profile's graphs again from the weights in its folder.

    Example: visavis models export laptop-256
    """
    try:
        export_graphs(load_networks(PROFILES / profile), PROFILES / profile)
        write_cost(PROFILES / profile)
    except (ProfileError, OSError) as error:
        typer.echo(f"visavis models export: {error}", err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app(prog_name="visavis models")
