"""Stage one: the motion student, from the clips' and portraits' landmarks.

The teacher is the face mesh whose landmarks come with the footage; the student places keypoints and rigid points and
estimates depth and neutral geometry. Frames of every person are drawn alike, and a third of them are portraits.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.large import motion_student
from models.layers import channels_last
from models.profile import NetworkProfile
from models.student import RIGID_VERTICES, HeadMotion, MotionStudent
from models.training.augment import disturb, place, random_placement
from models.training.data import (
    Targets,
    cumulative,
    draw_row,
    in_shares,
    load_clips,
    load_level_face,
    load_portraits,
    people_weights,
    student_targets,
)
from models.training.footage import Footage, LevelFace
from models.training.stage import Stage
from runtime.geometry import KEYPOINT_GROUPS, KEYPOINT_VERTICES


def new_student(profile: NetworkProfile, level: LevelFace) -> MotionStudent:
    """Build a student that knows the level face."""
    student = motion_student(profile)
    student.level_keypoints.copy_(torch.from_numpy(level.points[level.rows(KEYPOINT_VERTICES)]))
    student.level_rigid.copy_(torch.from_numpy(level.points[level.rows(RIGID_VERTICES)]))
    return student


class StudentBatches:
    """Makes augmented batches of pictures and targets."""

    def __init__(self, footages: list[tuple[Footage, Targets, float]], *, size: int, batch: int) -> None:
        self.parts = footages
        self.size, self.batch = size, batch
        self.chances = [cumulative(people_weights(f.identity, f.clip)) for f, _, _ in footages]
        self.noise = np.random.default_rng(0).normal(0, 1, (size * 2, size * 2, 3)).astype(np.float32)

    def __call__(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw one batch."""
        rows: list[dict[str, Any]] = [self._sample(rng) for _ in range(self.batch)]
        return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}

    def _sample(self, rng: np.random.Generator) -> dict[str, Any]:
        which = int(rng.choice(len(self.parts), p=[share for _, _, share in self.parts]))
        footage, targets, _ = self.parts[which]
        index = draw_row(rng, self.chances[which])
        placement = random_placement(rng)
        picture = place(np.asarray(footage.pictures[index]), placement, size=self.size, rng=rng)
        picture = disturb(picture, rng, noise=self.noise)
        linear2 = placement[:, :2]
        mirrored = np.linalg.det(linear2) < 0
        grow = float(np.sqrt(abs(np.linalg.det(linear2))))
        points, depth, canonical = targets.points[index], targets.depth[index], targets.canonical[index]
        if mirrored:
            keypoints = len(depth)
            points, depth = points[targets.mirror], depth[targets.mirror[:keypoints]]
            canonical = canonical[targets.mirror[:keypoints]] * np.array([-1, 1, 1], np.float32)
        points = points @ linear2.T + placement[:, 2]
        return {
            "picture": picture,
            "points": points.astype(np.float32),
            "depth": depth,
            "canonical": canonical.astype(np.float32),
            "knows_neutral": np.float32(len(footage.neutral) < len(footage.clip)),
            "scale": np.float32(targets.scale[index] * grow),
        }


def student_losses(seen: HeadMotion, batch: dict[str, Tensor], weights: Tensor) -> dict[str, Tensor]:
    """Return the student's losses: places, depth, neutral geometry; all in distances between the irises."""
    inside = (batch["points"].abs() < 0.98).all(-1).float() * weights
    away = (seen.points - batch["points"]).abs().sum(-1) / batch["scale"][:, None]
    return {
        "points": 10 * (away * inside).sum() / inside.sum(),
        "depth": 2 * (seen.placed[..., 2] - batch["depth"]).abs().mean(),
        "canonical": 2
        * ((seen.canonical - batch["canonical"]).abs().mean((1, 2)) * batch["knows_neutral"]).mean(),
    }


def student_stage(
    profile: NetworkProfile, *, data: Path, cache: Path, settings: dict[str, Any], device: torch.device
) -> Stage:
    """Set up stage one from a data folder or a pack."""
    level = load_level_face(data)
    clips = load_clips(data, cache, size=256, level=level)
    portraits = load_portraits(data, size=384, level=level)
    shares = in_shares(clips, portraits, share=float(settings["portraits"]))
    batches = StudentBatches(
        [(footage, student_targets(footage, level), share) for footage, share in shares],
        size=profile.picture_size,
        batch=int(settings["batch"]),
    )
    student = channels_last(new_student(profile, level)).to(device)
    weights = torch.ones(profile.keypoints + len(RIGID_VERTICES), device=device)
    weights[list(KEYPOINT_GROUPS["mouth"] + KEYPOINT_GROUPS["eyes"])] = 2.0

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        picture = batch["picture"].permute(0, 3, 1, 2).float() / 255
        with torch.autocast(device.type, torch.bfloat16):
            seen = student(picture)
        return student_losses(seen, batch, weights)

    return Stage(student, losses, batches, betas=(0.9, 0.999))
