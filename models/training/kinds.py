"""The kinds of stages and how each is set up: what `visavis train` and a training by the clock share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.paper.profile import PaperProfile, load_paper_profile
from models.profile import PAPER, NetworkProfile, load_network_profile, read_network_table
from models.training.data import load_clips, load_level_face
from models.training.locate import locate_stage
from models.training.loop import TrainingError
from models.training.losses import backbone_file
from models.training.picture import Estimate, load_filmed, picture_stage
from models.training.residual import redraw_as, residual_stage
from models.training.runfile import BEFORE, weights_of_network
from models.training.stage import Stage
from models.training.student import student_stage
from models.training.synthesis import synthesis_stage
from models.training.together import together_stage
from models.training.unsupervised import unsupervised_stage

# Look through a backbone, and draw sheets.
PERCEPTUAL = frozenset({"picture", "synthesis", "together", "residual", "unsupervised"})

STUDENTS = frozenset({"student", "synthesis", "together"})  # teach the motion student
# Those of them in which it looks at the pictures of a pair itself, and which setting names the student to begin with.
SEEING = {"synthesis": (synthesis_stage, "start"), "together": (together_stage, "sees")}


@dataclass(frozen=True)
class Material:
    """What stages are made of."""

    data: Path  # a data folder or a pack
    cache: Path  # of a folder's decoded frames
    perceptual: Path | None  # the backbone's file, as named
    device: torch.device
    weights: Callable[[str], dict[str, Tensor]]  # a stage's name -> the average of its weights
    estimate: Estimate  # the finished student's heads


def read_profile(folder: Path) -> NetworkProfile | PaperProfile:
    """Read a profile folder's numbers, whatever its family; raises ProfileError."""
    paper = read_network_table(folder)[0] == PAPER
    return load_paper_profile(folder) if paper else load_network_profile(folder)


def set_up(profile: NetworkProfile | PaperProfile, settings: dict[str, Any], material: Material) -> Stage:
    """Set up a run file's stage; the same networks every time.

    Raises:
        TrainingError: a stage that is none of this profile's, or lacks a number, a backbone, or what it goes on from.
        DataError: data that cannot be trained from.
    """
    try:
        torch.manual_seed(int(settings["seed"]))
        return _set_up(profile, settings, material)
    except KeyError as error:
        raise TrainingError(f"the stage {settings['name']} lacks its number {error}") from None


def needs(settings: dict[str, Any], stages: list[dict[str, Any]]) -> list[str]:
    """Return the stages whose weights a stage needs: what it starts from, sees and draws with, whose heads it draws."""
    found = [settings[role] for role in BEFORE if role in settings]
    return found + ([student_of(stages, settings)] if settings.get("heads") == "student" else [])


def student_of(stages: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """Return the name of the stage whose heads a stage draws: the last before it that taught the motion student.

    Raises TrainingError where there is none.
    """
    names = [stage["name"] for stage in stages]
    before = stages[: names.index(settings["name"])]
    try:
        return next(stage["name"] for stage in reversed(before) if stage["kind"] in STUDENTS)
    except StopIteration:
        raise TrainingError(
            "a stage draws the student's heads, and no stage before it is a student's"
        ) from None


def _set_up(profile: NetworkProfile | PaperProfile, settings: dict[str, Any], material: Material) -> Stage:
    kind, data, cache, device = settings["kind"], material.data, material.cache, material.device
    if isinstance(profile, PaperProfile) != (kind == "unsupervised"):
        raise TrainingError(f"the stage {settings['name']} is none of this profile's networks")
    if kind == "locate":
        return locate_stage(data=data, cache=cache, settings=settings, device=device)
    level, size = load_level_face(data), profile.picture_size
    if isinstance(profile, PaperProfile):
        return unsupervised_stage(
            profile,
            footage=load_clips(data, cache, size=size, level=level),
            level=level,
            settings=settings,
            perceptual=backbone_file(material.perceptual, data),
            device=device,
        )
    if kind == "student":
        return student_stage(profile, data=data, cache=cache, settings=settings, device=device)
    perceptual = backbone_file(material.perceptual, data)
    if kind in SEEING:
        settings = settings | {"heads": "teacher"}  # the student sees those of a pair itself
    clips, portraits = load_filmed(
        settings, data=data, cache=cache, size=size, level=level, estimate=material.estimate
    )
    if kind == "residual":
        return residual_stage(
            clips=clips,
            level=level,
            redraw=redraw_as(settings["repairs"], size=size, device=device),
            cache=cache,
            settings=settings,
            perceptual=perceptual,
            device=device,
        )
    if kind in SEEING:
        teach, begins = SEEING[kind]
        return teach(
            profile,
            clips=clips,
            portraits=portraits,
            first=weights_of_network(material.weights(settings[begins]), "student"),
            drawing=weights_of_network(material.weights(settings["draws"]), "talker"),
            settings=settings,
            perceptual=perceptual,
            level=level,
            device=device,
        )
    return picture_stage(
        profile,
        clips=clips,
        portraits=portraits,
        level=level,
        settings=settings,
        perceptual=perceptual,
        device=device,
    )
