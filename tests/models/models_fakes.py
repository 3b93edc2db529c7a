"""Footage that nobody filmed: blobs with landmarks that move with them, and the networks' smallest sizes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.profile import PROFILES, NetworkProfile, load_network_profile
from models.student import RIGID_VERTICES
from models.training.footage import POSE_VERTICES, Footage, LevelFace, image_coordinates, make_footage
from models.training.losses import FIRES, HEADS_FILE, TAPS, Fire
from models.training.pairs import Filmed, teacher_heads
from runtime.geometry import KEYPOINT_VERTICES

SIDE = 64
ABOUT = [{"name": f"clip-{number}", "fps": "25.0", "licence": "none"} for number in range(2)]


def tiny_profile() -> NetworkProfile:
    """The laptop's networks at a quarter of their size, with few channels."""
    return replace(
        load_network_profile(PROFILES / "laptop-256"),
        picture_size=SIDE,
        volume_size=SIDE // 4,
        appearance_width=8,
        appearance_blocks=1,
        field_width=8,
        generator_width=16,
        generator_blocks=1,
        generator_fine=4,
    )


def level_face() -> LevelFace:
    """A face of the vertices that the networks know, at random places; each vertex is its own twin."""
    vertices = tuple(sorted({*KEYPOINT_VERTICES, *RIGID_VERTICES, *POSE_VERTICES}))
    points = np.random.default_rng(5).normal(0, 0.5, (len(vertices), 3)).astype(np.float32)
    return LevelFace(vertices, points, np.arange(len(vertices)))


def clips(*, frames: int = 12) -> Footage:
    """Two clips of two people, whose landmarks wander a little; `frames` each."""
    return _footage(np.repeat([0, 1], frames), np.repeat([0, 1], frames))


def portraits() -> Footage:
    """Three stills."""
    return _footage(np.arange(3), np.arange(3))


def _footage(clip: np.ndarray, identity: np.ndarray) -> Footage:
    rng = np.random.default_rng(len(clip))
    level = level_face()
    line = np.linspace(0, 255, SIDE)
    pictures = np.stack(
        [
            np.stack(
                [np.tile(line, (SIDE, 1)), np.tile(line[:, None], (1, SIDE)), np.full((SIDE, SIDE), tone)], 2
            )
            for tone in rng.uniform(0, 255, len(clip))
        ]
    ).astype(np.uint8)
    points = level.points * 0.4 + rng.normal(0, 0.02, (len(clip), 1, 3))
    stored = np.rint((points + np.array([1, 1, 0])) * 4096).astype(np.int16)
    return make_footage(
        pictures, image_coordinates(stored), clip, identity, np.full(int(clip.max()) + 1, 300), level
    )


def filmed(footage: Footage) -> Filmed:
    """Give a footage the teacher's heads."""
    return Filmed(footage, teacher_heads(footage, level_face()))


def backbone(path: Path) -> Path:
    """Write a SqueezeNet that nobody trained."""
    layers: dict[str, nn.Module] = {"0": nn.Conv2d(3, 64, 3, stride=2)}
    layers |= {str(index): Fire(*shape) for index, shape in FIRES.items()}
    state: dict[str, Any] = nn.ModuleDict(layers).state_dict()
    torch.save({f"features.{name}": value for name, value in state.items()}, path)
    return path


def linear_heads(folder: Path) -> None:
    """Write LPIPS's linear heads that nobody fitted into a backbone's folder."""
    wide = {1: 64} | {index: 2 * shape[2] for index, shape in FIRES.items()}
    heads = {f"lin{index}.model.1.weight": torch.rand(1, wide[tap], 1, 1) for index, tap in enumerate(TAPS)}
    torch.save(heads, folder / HEADS_FILE)
