"""The commands whose own module reads the rest of the line, --help too: models and bench are loaded in no other way."""

import runpy
import sys

import typer

from call.errors import HOUSE, CallError
from runtime.installed import how_to_add

# What Typer has to leave alone for these.
SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def models_build(context: typer.Context) -> None:
    """Take a finished training's weights into a profile and export its graphs.

    Example: visavis models build laptop-256
    """
    hand_over("models.commands", ["build", *context.args])


def models_export(context: typer.Context) -> None:
    """Export a profile's graphs again from its weights.

    Example: visavis models export laptop-256
    """
    hand_over("models.commands", ["export", *context.args])


def models_residual(context: typer.Context) -> None:
    """Take a trained residual network into a profile.

    Example: visavis models residual laptop-256 --data ../shared/data
    """
    hand_over("models.commands", ["residual", *context.args])


def models_quantise(context: typer.Context) -> None:
    """Make the 8-bit form of a profile's graphs, which runs twice as fast.

    Example: visavis models quantise laptop-256 --data ../shared/data
    """
    hand_over("models.commands", ["quantise", *context.args])


def models_half(context: typer.Context) -> None:
    """Make the half-precision form of a profile's frame graph, which TensorRT runs.

    Example: visavis models half laptop-256
    """
    hand_over("models.commands", ["half", *context.args])


def bench(context: typer.Context) -> None:
    """Measure: `visavis bench quality`, `visavis bench rate`.

    Example: visavis bench quality --data ../shared/data/val --json
    """
    hand_over("bench", context.args)


def tables(context: typer.Context) -> None:
    """Fit the entropy coder's tables to clips: `visavis tables fit`.

    Example: visavis tables fit --help
    """
    hand_over("models.tables", context.args)


def data(context: typer.Context) -> None:
    """Make training data of videos, and one small file of training data: `visavis data prepare`, `visavis data pack`.

    Example: visavis data pack --data ../shared/data --output runs/pack.npz
    """
    hand_over("models.data", context.args)


def train(context: typer.Context) -> None:
    """Train a profile's networks from a run file.

    Example: visavis train --help
    """
    hand_over("models.training", context.args)


def hand_over(module: str, arguments: list[str]) -> None:
    """Run a module's own command line with the rest of ours, as `python -m module` would.

    Raises CallError when the module wants a package that a call's installation does not have.
    """
    sys.argv = [f"visavis {module.rpartition('.')[2]}", *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in HOUSE:
            raise
        extra = "train" if module.startswith("models.") else "dev"
        raise CallError(
            f"{error.name} is not installed, which a call does not need: {how_to_add(extra)}"
        ) from error
