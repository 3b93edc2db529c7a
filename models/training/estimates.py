"""The student's own heads of every training frame: what the generator meets in a call."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.geometry import head_linear, keypoints
from models.layers import channels_last
from models.profile import NetworkProfile
from models.student import MotionStudent, expression_of
from models.training.data import Footage


def write_estimates(
    profile: NetworkProfile, weights: dict[str, Tensor], footage: Footage, path: Path
) -> None:
    """Run the student over a footage and keep keypoints [N, K, 3], linear [N, 3, 3] and shift [N, 3] in `path`."""
    student = MotionStudent(profile)
    student.load_state_dict(weights)
    channels_last(student).eval()
    found: dict[str, list[np.ndarray]] = {"keypoints": [], "linear": [], "shift": []}
    with torch.inference_mode():
        for start in range(0, len(footage.clip), 32):
            pictures = torch.from_numpy(np.ascontiguousarray(footage.pictures[start : start + 32]))
            seen = student(pictures.permute(0, 3, 1, 2).float() / 255)
            # Placing the measured offsets again gives the measured places, whatever the neutral geometry.
            canonical = seen.canonical
            placed = keypoints(canonical, seen.rotation, seen.translation, expression_of(seen, canonical))
            found["keypoints"].append(placed.numpy())
            found["linear"].append(head_linear(seen.rotation, seen.translation).numpy())
            shift = seen.translation.clone()
            shift[:, 2] = 0
            found["shift"].append(shift.numpy())
    keypoint_rows, linear, shifts = (np.concatenate(found[name]) for name in ("keypoints", "linear", "shift"))
    np.savez(path, keypoints=keypoint_rows, linear=linear, shift=shifts)
