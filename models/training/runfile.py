"""Run files: the stages of a profile's training in their order, and the weights that finished stages left."""

import tomllib
from pathlib import Path
from typing import Any

from torch import Tensor

from models.networks import load_networks
from models.profile import PROFILES
from models.training.loop import TrainingError, read_checkpoint
from models.training.parts import has_parts, read_parts

RUNS = Path(__file__).parent / "runs"
KINDS = frozenset({"student", "locate", "picture", "synthesis", "together", "residual", "unsupervised"})

BEFORE = ("start", "sees", "draws")  # what names the stages that one goes on from
NUMBERS = ("batch", "steps", "rate", "decay", "seed")  # that every stage has


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
    for stage in stages:
        lacking = [number for number in NUMBERS if number not in stage]
        if lacking and not is_taken(stage):
            raise TrainingError(f"{path}: the stage {stage['name']} lacks its number {lacking[0]!r}")
        for role in BEFORE:
            if stage.get(role, stage["name"]) not in names:
                raise TrainingError(
                    f"{path}: {role} of the stage {stage['name']} is {stage[role]!r}, which is no stage"
                )
    return stages


def weights_of(settings: dict[str, Any], output: Path) -> dict[str, Tensor]:
    """Return the average of a stage's weights, as a training left it in the run's folder `output`.

    A stage that is taken `from` another profile, and that `output` does not hold, has that profile's own weights.

    Raises:
        TrainingError: a stage that was not trained yet.
        ProfileError: a profile without weights.
    """
    folder = output / settings["name"]
    if is_taken(settings) and not (folder / "checkpoint.pt").exists():
        held = read_parts(output) if has_parts(output) else {}
        return held[folder.name].average if folder.name in held else shipped_weights(settings)
    return average_of(folder)


def weights_of_network(weights: dict[str, Tensor], network: str) -> dict[str, Tensor]:
    """Return a network's weights out of a stage's, which are its own or those of several by their names' beginnings."""
    own = {name: value for name, value in weights.items() if name.startswith(f"{network}.")}
    return {name.removeprefix(f"{network}."): value for name, value in own.items()} or weights


def is_taken(settings: dict[str, Any]) -> bool:
    """Say whether a stage's weights are another profile's, so that it is not trained."""
    return "from" in settings


def shipped_weights(settings: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights of the profile that a stage is taken `from`; raises ProfileError."""
    networks = load_networks(PROFILES / settings["from"])
    kinds = {"student": "student", "locate": "locate", "picture": "talker"}
    return networks.get_submodule(kinds[settings["kind"]]).state_dict()


def average_of(folder: Path) -> dict[str, Tensor]:
    """Return the average of the weights in a stage's checkpoint, or in parts beside it.

    Raises TrainingError where there is neither.
    """
    path = folder / "checkpoint.pt"
    held = read_checkpoint(path)
    if held is None:
        stages = read_parts(folder.parent) if has_parts(folder.parent) else {}
        if folder.name in stages:
            return stages[folder.name].average
        raise TrainingError(f"the stage {folder.name} has no checkpoint yet; train it first")
    if "average" not in held:
        raise TrainingError(f"{path} is damaged: it holds no average")
    return held["average"]
