"""The student's own heads of every training frame: what the generator meets in a call."""

import math
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.geometry import head_linear, keypoints
from models.layers import channels_last
from models.profile import NetworkProfile
from models.student import MotionStudent, expression_of
from models.training.footage import Footage
from models.training.loop import TrainingError


def estimate_heads(
    profile: NetworkProfile,
    weights: dict[str, Tensor],
    footage: Footage,
    *,
    device: torch.device,
    ends: float = math.inf,
) -> dict[str, NDArray[np.float32]]:
    """Run the student over a footage; returns keypoints [N, K, 3], linear [N, 3, 3] and shift [N, 3].

    Raises TrainingError when time.monotonic() passes `ends` before the last frame.
    """
    student = MotionStudent(profile)
    student.load_state_dict(weights)
    channels_last(student).to(device).eval()
    found: dict[str, list[NDArray[np.float32]]] = {"keypoints": [], "linear": [], "shift": []}
    with torch.inference_mode():
        for start in range(0, len(footage.clip), 32):
            if time.monotonic() > ends:
                raise TrainingError(
                    f"the time is over with the heads of {start} of {len(footage.clip)} frames estimated"
                )
            pictures = torch.from_numpy(np.ascontiguousarray(footage.pictures[start : start + 32])).to(device)
            seen = student(pictures.permute(0, 3, 1, 2).float() / 255)
            # Placing the measured offsets again gives the measured places, whatever the neutral geometry.
            canonical = seen.canonical
            placed = keypoints(canonical, seen.rotation, seen.translation, expression_of(seen, canonical))
            found["keypoints"].append(placed.cpu().numpy())
            found["linear"].append(head_linear(seen.rotation, seen.translation).cpu().numpy())
            shift = seen.translation.clone()
            shift[:, 2] = 0
            found["shift"].append(shift.cpu().numpy())
    return {name: np.concatenate(rows) for name, rows in found.items()}


def write_estimates(
    profile: NetworkProfile, weights: dict[str, Tensor], footage: Footage, path: Path
) -> None:
    """Keep what `estimate_heads` says of a footage in `path`."""
    found = estimate_heads(profile, weights, footage, device=torch.device("cpu"))
    np.savez(path, keypoints=found["keypoints"], linear=found["linear"], shift=found["shift"])
