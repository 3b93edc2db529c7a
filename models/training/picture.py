"""Stage two: F, M and G, from pairs of frames of one clip.

A source frame is redrawn with the head of a driving frame and compared with it. The heads are the teacher's
(landmarks), or the motion student's own where its estimates are given, as in a call.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.layers import channels_last
from models.motion_field import Head
from models.profile import NetworkProfile
from models.talker import TalkingHead
from models.training.augment import random_placement
from models.training.data import cumulative, draw_row, load_clips, load_level_face, people_weights
from models.training.footage import Footage, LevelFace
from models.training.loop import Average, TrainingError
from models.training.losses import PictureLoss, importance_map
from models.training.sheets import draw_sheet
from models.training.stage import Stage, choose_device, train_stage
from runtime.geometry import KEYPOINT_GROUPS, KEYPOINT_VERTICES

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Heads:
    """A head for every frame of a footage."""

    keypoints: Floats  # [N, K, 3] image coordinates
    linear: Floats  # [N, 3, 3]
    shift: Floats  # [N, 3]


def teacher_heads(footage: Footage, level: LevelFace) -> Heads:
    """Take the heads from the landmarks."""
    keypoints = footage.landmarks[:, level.rows(KEYPOINT_VERTICES)].copy()
    keypoints[..., 2] -= footage.origin[:, None, 2]
    shift = footage.origin.copy()
    shift[:, 2] = 0
    return Heads(keypoints, footage.scale[:, None, None] * footage.rotation, shift)


class PairBatches:
    """Makes batches of source and driving frames of the same clip."""

    def __init__(
        self, footage: Footage, heads: Heads, *, size: int, batch: int, mirror: NDArray[np.int64]
    ) -> None:
        self.footage, self.heads, self.size, self.batch, self.mirror = footage, heads, size, batch, mirror
        self.chances = cumulative(people_weights(footage.identity, footage.clip))
        self.first = np.searchsorted(footage.clip, footage.clip, side="left")
        self.last = np.searchsorted(footage.clip, footage.clip, side="right")

    def __call__(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw one batch."""
        rows = [self._pair(rng) for _ in range(self.batch)]
        return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}

    def _pair(self, rng: np.random.Generator) -> dict[str, Any]:
        driving = draw_row(rng, self.chances)
        source = int(rng.integers(self.first[driving], self.last[driving]))
        placement = random_placement(rng, strength=0.35)
        # A clip's picture ends at its border: only enlarging shows nothing that was never filmed.
        grow = np.exp(abs(rng.normal(0, 0.06)))
        linear = placement[:, :2] / np.sqrt(abs(np.linalg.det(placement[:, :2]))) * grow
        colours = np.clip(
            np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.12))
            * np.exp(rng.normal(0, 0.06, 3))
            * 255,
            0,
            255,
        )
        table = colours.astype(np.uint8)[None]
        pair: dict[str, Any] = {}
        for name, index in (("source", source), ("driving", driving)):
            picture = np.asarray(self.footage.pictures[index])
            picture = cv2.LUT(self._place(picture, linear), np.ascontiguousarray(table))
            pair[name] = picture
            keypoints, head, shift = self._placed_head(index, linear, grow)
            pair |= {f"{name}_keypoints": keypoints, f"{name}_linear": head, f"{name}_shift": shift}
        return pair

    def _place(self, picture: NDArray[Any], linear: Floats) -> NDArray[Any]:
        half_in, half_out = picture.shape[0] / 2, self.size / 2
        matrix = linear * (half_out / half_in)
        shift = np.full(2, half_out - 0.5) - matrix @ np.full(2, half_in - 0.5)
        flags = cv2.INTER_LINEAR
        if self.size < picture.shape[0]:
            picture = cv2.resize(picture, (self.size, self.size), interpolation=cv2.INTER_AREA)
            matrix, shift = linear, np.full(2, half_out - 0.5) - linear @ np.full(2, half_out - 0.5)
        return cv2.warpAffine(
            picture,
            np.concatenate([matrix, shift[:, None]], 1),
            (self.size, self.size),
            flags=flags,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def _placed_head(self, index: int, linear: Floats, grow: float) -> tuple[Floats, Floats, Floats]:
        keypoints, head, shift = (
            self.heads.keypoints[index],
            self.heads.linear[index],
            self.heads.shift[index],
        )
        placed = np.eye(3, dtype=np.float32) * grow
        placed[:2, :2] = linear
        if np.linalg.det(linear) < 0:
            keypoints = keypoints[self.mirror]
            # A mirrored head is the turned head of a mirrored face: R goes to M R M.
            head = head @ np.diag([-1.0, 1.0, 1.0])
        moved = (keypoints @ placed.T, placed @ head, placed @ shift)
        return moved[0].astype(np.float32), moved[1].astype(np.float32), moved[2].astype(np.float32)


def heads_of(batch: dict[str, Tensor], name: str) -> Head:
    """Pick a batch's source or driving heads."""
    return Head(batch[f"{name}_keypoints"], batch[f"{name}_linear"], batch[f"{name}_shift"])


def pictures_of(batch: dict[str, Tensor], name: str) -> Tensor:
    """Pick a batch's pictures as [B, 3, S, S] in [0, 1]."""
    return batch[name].permute(0, 3, 1, 2).float() / 255


def read_heads(estimates: Path) -> Heads:
    """Read what `models.training.estimates.write_estimates` wrote."""
    with np.load(estimates) as file:
        return Heads(file["keypoints"], file["linear"], file["shift"])


def picture_stage(
    profile: NetworkProfile,
    *,
    footage: Footage,
    level: LevelFace,
    heads: Heads,
    settings: dict[str, Any],
    perceptual: Path,
    device: torch.device,
) -> Stage:
    """Set up stage two: a footage whose pictures show these heads, and the perceptual backbone's file."""
    if len(heads.shift) != len(footage.clip):
        raise TrainingError(
            f"the heads are of {len(heads.shift)} frames and the footage has {len(footage.clip)}: estimate them again"
        )
    rows = level.rows(KEYPOINT_VERTICES)
    twins = [KEYPOINT_VERTICES.index(level.vertices[level.mirror[row]]) for row in rows]
    batch_size = int(settings["batch"])
    size = int(settings["size"])
    batches = PairBatches(footage, heads, size=size, batch=batch_size, mirror=np.array(twins))
    talker = channels_last(TalkingHead(profile)).to(device)
    loss = channels_last(PictureLoss(perceptual, scales=int(settings["scales"]))).to(device)
    expressive = torch.tensor(KEYPOINT_GROUPS["mouth"] + KEYPOINT_GROUPS["eyes"], device=device)

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        truth, driving = pictures_of(batch, "driving"), heads_of(batch, "driving")
        with torch.autocast(device.type, torch.bfloat16):
            drawn = talker.draw(
                talker.prepare(pictures_of(batch, "source")), heads_of(batch, "source"), driving
            )
        importance = importance_map(driving, size, expressive=expressive, peak=float(settings["peak"]))
        terms = loss(drawn.picture, truth, importance, driving)
        small = importance_map(driving, size // 2, expressive=expressive, peak=float(settings["peak"]))
        # The warp alone must already be good: what is copied needs no drawing.
        warped = torch.nn.functional.avg_pool2d((drawn.warped - truth).abs(), 2)
        return {
            "pixels": float(settings["pixels"]) * terms["pixels"],
            "perceptual": float(settings["perceptual"]) * terms["perceptual"],
            "close": float(settings["close"]) * terms["close"],
            "warp": float(settings["warp"]) * (warped * small).mean(),
        }

    drawn_ahead = PairBatches(footage, heads, size=size, batch=6, mirror=np.array(twins))
    fixed = {name: value.to(device) for name, value in drawn_ahead(np.random.default_rng(7)).items()}

    def sheet(weights: dict[str, Tensor]) -> NDArray[Any]:
        shown = TalkingHead(profile).to(device)
        shown.load_state_dict(weights)
        shown.eval()
        with torch.no_grad():
            source = pictures_of(fixed, "source")
            drawn = shown.draw(shown.prepare(source), heads_of(fixed, "source"), heads_of(fixed, "driving"))
        return draw_sheet(source, pictures_of(fixed, "driving"), drawn)

    return Stage(talker, losses, batches, sheet=sheet)


def train_picture(
    profile: NetworkProfile,
    *,
    data: Path,
    cache: Path,
    folder: Path,
    settings: dict[str, Any],
    perceptual: Path,
    start: dict[str, Tensor] | None,
    estimates: Path | None,
    minutes: float | None,
    device: torch.device | None = None,
) -> Average:
    """Run stage two; `start` are weights to begin from, `estimates` the student's heads of every frame."""
    level = load_level_face(data)
    footage = load_clips(data, cache, size=profile.picture_size, level=level)
    heads = teacher_heads(footage, level) if estimates is None else read_heads(estimates)
    stage = picture_stage(
        profile,
        footage=footage,
        level=level,
        heads=heads,
        settings=settings,
        perceptual=perceptual,
        device=device or choose_device(),
    )
    if start is not None and not (folder / "checkpoint.pt").exists():
        stage.network.load_state_dict(start)
    return train_stage(stage, folder=folder, settings=settings, minutes=minutes)
