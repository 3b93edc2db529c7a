"""Run files: the stages of a profile's training in their order, and the weights that finished stages left."""

import tomllib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.training.loop import TrainingError
from models.training.parts import has_parts, read_parts

RUNS = Path(__file__).parent / "runs"
KINDS = frozenset({"student", "locate", "picture"})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise TrainingError(f"there is no run file {path}; name one with --run") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"{path} is no run file: {error}") from None


def read_profile_of(path: Path) -> str:
    """Return the name of the profile that a run file trains; raises TrainingError."""
    name = _read(path).get("profile")
    if not isinstance(name, str):
        raise TrainingError(f"{path} is no run file: it names no profile")
    return name


def read_run(path: Path, *, profile: str) -> list[dict[str, Any]]:
    """Read a run file's stages; raises TrainingError where it is none of this profile's."""
    table = _read(path)
    try:
        stages = table["stages"]
        names = [stage["name"] for stage in stages]
        kinds = {stage["kind"] for stage in stages}
    except (KeyError, TypeError) as error:
        raise TrainingError(f"{path} is no run file: {error}") from None
    if table.get("profile") != profile:
        raise TrainingError(f"{path} is a run of {table.get('profile')!r}, not of {profile!r}")
    if len(set(names)) < len(names) or kinds - KINDS:
        raise TrainingError(
            f"{path}: stages need names of their own and a kind of {', '.join(sorted(KINDS))}"
        )
    return stages


def average_of(folder: Path) -> dict[str, Tensor]:
    """Return the average of the weights in a stage's checkpoint, or in parts beside it.

    Raises TrainingError where there is neither.
    """
    path = folder / "checkpoint.pt"
    try:
        return torch.load(path, weights_only=True, map_location="cpu")["average"]
    except FileNotFoundError:
        stages = read_parts(folder.parent) if has_parts(folder.parent) else {}
        if folder.name in stages:
            return stages[folder.name].average
        raise TrainingError(f"the stage {folder.name} has no checkpoint yet; train it first") from None
    except (OSError, RuntimeError, KeyError) as error:
        raise TrainingError(f"{path} is damaged: {error}") from None
