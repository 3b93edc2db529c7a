"""Pairs of pictures for the generator's training: two frames of one clip, or a portrait and its turned copy.

Each picture comes with the head that it shows, as the teacher places it or as the motion student does; a pair's driving
head may lose its last keypoints, as in a packet that has no room for them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.training.augment import random_placement
from models.training.data import cumulative, draw_row, people_weights
from models.training.footage import Floats, Footage, LevelFace
from models.training.portraits import PortraitPairs, Shot
from models.training.selfsupervised import fewest_kept
from runtime.geometry import KEYPOINT_VERTICES

# What is turned or enlarged is softer than what was filmed, and who learns from soft pictures draws soft ones: this
# share of the pairs is mirrored at most.
AS_FILMED = 0.7


@dataclass(frozen=True)
class Heads:
    """A head for every frame of a footage."""

    keypoints: Floats  # [N, K, 3] image coordinates
    linear: Floats  # [N, 3, 3]
    shift: Floats  # [N, 3]
    canonical: Floats  # [N, K, 3] neutral geometry, in distances between the irises


@dataclass(frozen=True)
class Filmed:
    """A footage and the heads that it shows."""

    footage: Footage
    heads: Heads

    def shot(self, index: int) -> Shot:
        """Return one frame and its head."""
        heads = self.heads
        return Shot(
            np.asarray(self.footage.pictures[index]),
            heads.keypoints[index],
            heads.linear[index],
            heads.shift[index],
            heads.canonical[index],
        )


class Look(NamedTuple):
    """What is done to all pictures of a pair."""

    linear: Floats  # [2, 2] turn, mirroring and enlargement
    grow: float  # by how much it enlarges
    table: NDArray[Any]  # uint8 [1, 256, 3] of colours
    kept: int  # keypoints of the driving head that keep their expression


def _random_turn(rng: np.random.Generator) -> tuple[Floats, float]:
    """Draw a mirroring, turn and enlargement [2, 2] for both pictures of a pair, and how much it enlarges."""
    if rng.random() < AS_FILMED:
        return np.diag([rng.choice([-1.0, 1.0]), 1.0]).astype(np.float32), 1.0
    placement = random_placement(rng, strength=0.35)
    # A clip's picture ends at its border: only enlarging shows nothing that was never filmed.
    grow = float(np.exp(abs(rng.normal(0, 0.06))))
    linear = placement[:, :2] / np.sqrt(abs(np.linalg.det(placement[:, :2]))) * grow
    return linear.astype(np.float32), grow


def teacher_heads(footage: Footage, level: LevelFace) -> Heads:
    """Take the heads from the landmarks."""
    rows = level.rows(KEYPOINT_VERTICES)
    keypoints = footage.landmarks[:, rows].copy()
    keypoints[..., 2] -= footage.origin[:, None, 2]
    shift = footage.origin.copy()
    shift[:, 2] = 0
    canonical = footage.neutral[footage.clip][:, rows]
    return Heads(keypoints, footage.scale[:, None, None] * footage.rotation, shift, canonical)


class PairBatches:
    """Makes batches of source and driving frames of the same clip, and of portraits.

    Args:
        clips: whose frames are paired.
        size: of the pictures, pixels.
        batch: pairs a batch.
        mirror: [K] each keypoint's twin.
        dropout: share of the pairs whose driving head loses its last keypoints, 0 to 75 percent of them.
        portraits, share: stills, each paired with a turned copy, and their share of the pairs.
        neighbours: so many pairs at the end are the first ones again, each a frame of the film later.
        colours: by how much more than what lamps and cameras do (1) the colours of a pair are changed.
    """

    def __init__(
        self,
        clips: Filmed,
        *,
        size: int,
        batch: int,
        mirror: NDArray[np.int64],
        dropout: float = 0.0,
        portraits: Filmed | None = None,
        share: float = 0.0,
        neighbours: int = 0,
        colours: float = 1.0,
    ) -> None:
        footage = clips.footage
        self.clips, self.size, self.batch, self.mirror = clips, size, batch, mirror
        self.dropout, self.share = dropout, share
        self.neighbours, self.colours = neighbours, colours
        self.chances = cumulative(people_weights(footage.identity, footage.clip))
        self.first = np.searchsorted(footage.clip, footage.clip, side="left")
        self.last = np.searchsorted(footage.clip, footage.clip, side="right")
        self.portraits = None
        if portraits is not None:
            stills = portraits.footage
            shots = [portraits.shot(index) for index in range(len(stills.clip))]
            self.portraits = PortraitPairs(stills, shots)

    def __call__(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw one batch."""
        couples = [self._couple(rng) for _ in range(self.neighbours)]
        rows = [first for first, _ in couples]
        rows += [self._pair(rng) for _ in range(self.batch - 2 * self.neighbours)]
        rows += [later for _, later in couples]
        return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}

    def _shots(self, rng: np.random.Generator) -> tuple[Shot, Shot]:
        if self.portraits is not None and rng.random() < self.share:
            return self.portraits(rng)
        driving = draw_row(rng, self.chances)
        source = int(rng.integers(self.first[driving], self.last[driving]))
        return self.clips.shot(source), self.clips.shot(driving)

    def _couple(self, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
        """Draw two pairs of one source and look, whose driving frames follow on each other."""
        row = draw_row(rng, self.chances)
        source = self.clips.shot(int(rng.integers(self.first[row], self.last[row])))
        first = max(self.first[row], min(row, self.last[row] - 2))
        look = self._look(rng, source)
        then = min(first + 1, self.last[row] - 1)  # a clip of one frame stands still
        now, later = (self._shown(source, self.clips.shot(index), look) for index in (first, then))
        return now, later

    def _pair(self, rng: np.random.Generator) -> dict[str, Any]:
        source, driving = self._shots(rng)
        return self._shown(source, driving, self._look(rng, source))

    def _look(self, rng: np.random.Generator, source: Shot) -> Look:
        linear, grow = _random_turn(rng)
        powers, gains = rng.normal(0, 0.12 * self.colours), rng.normal(0, 0.06 * self.colours, 3)
        levels = np.linspace(0, 1, 256)[:, None] ** np.exp(powers) * np.exp(gains) * 255
        table = np.ascontiguousarray(np.clip(levels, 0, 255).astype(np.uint8)[None])
        count = len(source.canonical)
        dropped = bool(self.dropout) and rng.random() < self.dropout
        kept = int(rng.integers(fewest_kept(count), count + 1)) if dropped else count
        return Look(linear, grow, table, kept)

    def _shown(self, source: Shot, driving: Shot, look: Look) -> dict[str, Any]:
        pair: dict[str, Any] = {}
        for name, shot in (("source", source), ("driving", driving)):
            pair[name] = cv2.LUT(self._place(shot.picture, look.linear), look.table)
            keypoints, head, shift = self._placed_head(shot, look.linear, look.grow)
            pair |= {f"{name}_keypoints": keypoints, f"{name}_linear": head, f"{name}_shift": shift}
        if not self.dropout:
            return pair
        canonical = source.canonical
        if np.linalg.det(look.linear) < 0:
            canonical = canonical[self.mirror] * np.array([-1, 1, 1], np.float32)
        # Against the source's geometry, as the receiver places them.
        neutral = canonical @ pair["driving_linear"].T + pair["driving_shift"]
        return pair | {"driving_neutral": neutral.astype(np.float32), "kept": np.int64(look.kept)}

    def _place(self, picture: NDArray[Any], linear: Floats) -> NDArray[Any]:
        half_in, half_out = picture.shape[0] / 2, self.size / 2
        matrix = linear * (half_out / half_in)
        shift = np.full(2, half_out - 0.5) - matrix @ np.full(2, half_in - 0.5)
        if self.size < picture.shape[0]:
            picture = cv2.resize(picture, (self.size, self.size), interpolation=cv2.INTER_AREA)
            matrix, shift = linear, np.full(2, half_out - 0.5) - linear @ np.full(2, half_out - 0.5)
        return cv2.warpAffine(
            picture,
            np.concatenate([matrix, shift[:, None]], 1),
            (self.size, self.size),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def _placed_head(self, shot: Shot, linear: Floats, grow: float) -> tuple[Floats, Floats, Floats]:
        keypoints, head, shift = shot.keypoints, shot.linear, shot.shift
        placed = np.eye(3, dtype=np.float32) * grow
        placed[:2, :2] = linear
        if np.linalg.det(linear) < 0:
            keypoints = keypoints[self.mirror]
            # A mirrored head is the turned head of a mirrored face: R goes to M R M.
            head = head @ np.diag([-1.0, 1.0, 1.0])
        moved = (keypoints @ placed.T, placed @ head, placed @ shift)
        return moved[0].astype(np.float32), moved[1].astype(np.float32), moved[2].astype(np.float32)
