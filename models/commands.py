"""`visavis models build`, `export`, `residual`, `quantise` and `half`: from a finished training to what a call runs.

Their options; what does the work is loaded when it is asked for, so that each explains itself without torch.
"""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

Profile = Annotated[str, typer.Argument(help="Which profile.")]
Trained = Annotated[
    Path, typer.Option(help="Where the training left a folder of the profile, with checkpoints or parts.")
]
Codes = Annotated[Path, typer.Option(help="A data folder, or a pack of one: codes are fitted to its clips.")]
Clips = Annotated[Path, typer.Option(help="Folder with train/clips.")]
DEFAULT = "laptop-256"

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.command()
def build(profile: Profile = DEFAULT, output: Trained = Path("runs")) -> None:
    """Take the averaged weights of a finished training into a profile, and export its graphs.

    Example: visavis models build laptop-256 && visavis models quantise laptop-256 --data ../shared/data
    """
    from models.build import build_profile
    from models.profile import ProfileError
    from models.training.loop import TrainingError

    try:
        folder, size_bytes = build_profile(profile, output)
    except (ProfileError, TrainingError, OSError) as error:
        _fail("build", error)
    typer.echo(
        f"{folder}: {size_bytes / 1e6:.1f} MB. Now run `visavis models quantise`, `visavis tables fit` and, where a "
        "residual network was trained, `visavis models residual`."
    )


@app.command()
def residual(data: Codes, profile: Profile = DEFAULT, output: Trained = Path("runs")) -> None:
    """Take a trained residual network into a profile: its graphs, and the chances by which its codes are coded.

    Example: visavis models residual laptop-256 --data ../shared/data
    """
    from models.build import take_residual
    from models.profile import ProfileError
    from models.training.footage import DataError
    from models.training.loop import TrainingError

    try:
        folder, codes = take_residual(profile, output, data=data)
    except (ProfileError, TrainingError, DataError, OSError) as error:
        _fail("residual", error)
    typer.echo(f"{folder}: residual codes, fitted to {codes} pictures.")


@app.command()
def export(profile: Profile = DEFAULT) -> None:
    """Export a profile's graphs again from the weights in its folder.

    Example: visavis models export laptop-256
    """
    from models.build import export_again
    from models.profile import ProfileError

    try:
        export_again(profile)
    except (ProfileError, OSError) as error:
        _fail("export", error)


@app.command()
def quantise(data: Clips, profile: Profile = DEFAULT) -> None:
    """Make the 8-bit form of a profile's motion and frame graphs, from frames of the training clips.

    Example: visavis models quantise laptop-256 --data ../shared/data
    """
    from models.quantise import quantise_profile
    from models.training.footage import DataError
    from runtime.engine import EngineError
    from runtime.profile import ProfileError

    try:
        folder, graphs = quantise_profile(profile, data / "train" / "clips")
    except (ProfileError, EngineError, DataError, OSError) as error:
        _fail("quantise", error)
    typer.echo(f"{folder}: {', '.join(graphs)} in 8 bits. `visavis bench quality` says what it costs.")


@app.command()
def half(profile: Profile = DEFAULT) -> None:
    """Make the half-precision form of a profile's frame graph, which TensorRT runs.

    Example: visavis models half laptop-256
    """
    from models.half import halve_profile
    from models.profile import ProfileError
    from runtime.profile import ProfileError as FolderError

    try:
        folder = halve_profile(profile)
    except (FolderError, ProfileError, OSError) as error:
        _fail("half", error)
    typer.echo(f"{folder}: frame in half precision.")


def _fail(command: str, error: Exception) -> NoReturn:
    typer.echo(f"visavis models {command}: {error}", err=True)
    raise typer.Exit(1) from None


if __name__ == "__main__":
    app(prog_name="visavis models")
