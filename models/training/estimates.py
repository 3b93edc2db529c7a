"""The student's own heads of every training frame: what the generator meets in a call."""

import math
import time
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.geometry import head_linear, keypoints
from models.large import motion_student
from models.layers import channels_last
from models.profile import NetworkProfile
from models.student import expression_of
from models.training.footage import Footage
from models.training.kept import keep
from models.training.loop import TrainingError
from models.training.pairs import Heads


def estimate_heads(
    profile: NetworkProfile,
    weights: dict[str, Tensor],
    footage: Footage,
    *,
    device: torch.device,
    ends: float = math.inf,
) -> Heads:
    """Run the student over a footage.

    Raises TrainingError when time.monotonic() passes `ends` before the last frame.
    """
    student = motion_student(profile)
    student.load_state_dict(weights)
    channels_last(student).to(device).eval()
    found: dict[str, list[NDArray[np.float32]]] = {
        "keypoints": [],
        "linear": [],
        "shift": [],
        "canonical": [],
    }
    with torch.inference_mode():
        for start in range(0, len(footage.clip), 32):
            if time.monotonic() > ends:
                raise TrainingError(
                    f"the time is over with the heads of {start} of {len(footage.clip)} frames estimated"
                )
            pictures = torch.from_numpy(np.array(footage.pictures[start : start + 32])).to(device)
            seen = student(pictures.permute(0, 3, 1, 2).float() / 255)
            # Placing the measured offsets again gives the measured places, whatever the neutral geometry.
            canonical = seen.canonical
            placed = keypoints(canonical, seen.rotation, seen.translation, expression_of(seen, canonical))
            found["canonical"].append(canonical.cpu().numpy())
            found["keypoints"].append(placed.cpu().numpy())
            found["linear"].append(head_linear(seen.rotation, seen.translation).cpu().numpy())
            shift = seen.translation.clone()
            shift[:, 2] = 0
            found["shift"].append(shift.cpu().numpy())
    return Heads(**{name: np.concatenate(rows) for name, rows in found.items()})


def kept_estimates(path: Path, footage: Footage, estimate: Callable[[], Heads]) -> Heads:
    """Return the heads kept in `path`, estimated the first time; raises TrainingError where they are another's."""
    if not path.exists():
        heads = estimate()
        keep(path, lambda file: np.savez(file, **vars(heads)))
    try:
        with np.load(path) as file:
            heads = Heads(**{field.name: file[field.name] for field in fields(Heads)})
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} holds no heads of frames ({error}): delete it") from None
    if len(heads.shift) != len(footage.clip):
        raise TrainingError(
            f"{path} is of {len(heads.shift)} frames and the footage has {len(footage.clip)}: delete it"
        )
    return heads
