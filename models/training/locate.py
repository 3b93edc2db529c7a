"""Training of the locate network: clips' frames and portraits pasted into larger pictures, with and without faces."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.layers import channels_last
from models.locate import CELLS, SIZE, Locate, Located
from models.training.augment import disturb
from models.training.data import (
    cumulative,
    draw_row,
    in_shares,
    load_clips,
    load_level_face,
    load_portraits,
    people_weights,
)
from models.training.footage import Footage
from models.training.stage import Stage

Floats = NDArray[np.float32]
FOREHEAD, CHIN = 10, 152  # mesh vertices: a face's height is between them
FOCUS = 2.0  # of the focal loss: easy cells count little (CenterNet, arXiv 1904.07850, equation 1)


class FrameBatches:
    """Makes camera frames with one face, two, or none."""

    def __init__(
        self, footages: list[tuple[Footage, float]], *, vertices: tuple[int, ...], batch: int
    ) -> None:
        self.footages, self.batch = footages, batch
        self.forehead, self.chin = vertices.index(FOREHEAD), vertices.index(CHIN)
        self.chances = [cumulative(people_weights(footage.identity, footage.clip)) for footage, _ in footages]
        self.noise = np.random.default_rng(0).normal(0, 1, (SIZE * 2, SIZE * 2, 3)).astype(np.float32)

    def __call__(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw one batch: picture, and score, shift, size and where they count."""
        rows = [self._frame(rng) for _ in range(self.batch)]
        return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}

    def _pick(self, rng: np.random.Generator) -> tuple[NDArray[Any], Floats]:
        which = int(rng.choice(len(self.footages), p=[share for _, share in self.footages]))
        footage = self.footages[which][0]
        index = draw_row(rng, self.chances[which])
        return np.asarray(footage.pictures[index]), footage.landmarks[index]

    def _frame(self, rng: np.random.Generator) -> dict[str, Any]:
        canvas = self._background(rng)
        faces: list[tuple[float, float, float]] = []
        for _ in range(int(rng.choice([0, 1, 2], p=[0.25, 0.62, 0.13]))):
            picture, landmarks = self._pick(rng)
            face = self._paste(canvas, picture, landmarks, rng, faces)
            if face is not None:
                faces.append(face)
        if rng.random() < 0.3:  # a wide frame between two bars
            bar = int(rng.integers(8, 33))
            if all(bar < y - size * 0.45 and y + size * 0.45 < SIZE - bar for _, y, size in faces):
                canvas[:bar], canvas[-bar:] = 0, 0
        return {"picture": disturb(canvas, rng, noise=self.noise)} | self._maps(faces)

    def _background(self, rng: np.random.Generator) -> NDArray[Any]:
        if rng.random() < 0.25:
            colours = rng.integers(0, 256, (int(rng.integers(1, 9)), int(rng.integers(1, 9)), 3)).astype(
                np.uint8
            )
            return cv2.resize(colours, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        picture, landmarks = self._pick(rng)
        side = picture.shape[0]
        # What surrounds a face: the largest of the strips beside, above and below it, a piece of it enlarged.
        low, high = (landmarks[:, :2].min(0) + 1) * side / 2, (landmarks[:, :2].max(0) + 1) * side / 2
        low, high = (
            np.clip(low - 0.04 * side, 0, side).astype(int),
            np.clip(high + 0.04 * side, 0, side).astype(int),
        )
        strips = [picture[:, : low[0]], picture[:, high[0] :], picture[high[1] :], picture[: low[1]]]
        strips = [strip for strip in strips if min(strip.shape[:2]) >= 12]
        if not strips:
            return np.full((SIZE, SIZE, 3), rng.integers(0, 256, 3), np.uint8)
        strip = strips[int(rng.integers(len(strips)))]
        return cv2.resize(strip, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)

    def _paste(
        self,
        canvas: NDArray[Any],
        picture: NDArray[Any],
        landmarks: Floats,
        rng: np.random.Generator,
        others: list[tuple[float, float, float]],
    ) -> tuple[float, float, float] | None:
        side = picture.shape[0]
        grow = float(np.exp(rng.uniform(np.log(0.22), np.log(1.35)))) * SIZE / side
        turn, mirror = np.radians(rng.normal(0, 8)), -1 if rng.random() < 0.5 else 1
        linear = (
            grow
            * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            @ np.diag([mirror, 1])
        )
        points = (landmarks[:, :2] + 1) * side / 2 @ linear.T
        low, high = points.min(0), points.max(0)
        size = float(np.linalg.norm(points[self.forehead] - points[self.chin]))
        # The face's middle lies in the frame, mostly all of the face does.
        room = rng.uniform(0.1, 0.9, 2) * SIZE
        shift = room - (low + high) / 2
        centre = (low + high) / 2 + shift
        if any(np.hypot(centre[0] - x, centre[1] - y) < 0.8 * (size + other) for x, y, other in others):
            return None
        if grow < 0.7:
            small = cv2.resize(picture, None, fx=grow, fy=grow, interpolation=cv2.INTER_AREA)
            linear = linear / grow
            picture, side = small, small.shape[0]
        matrix = np.concatenate([linear, shift[:, None]], 1)
        # Half of the time only the head and a rim of its own background are pasted, so that no frame betrays it.
        mask: NDArray[Any] = np.zeros((side, side), np.uint8)
        if rng.random() < 0.5:
            inner = (landmarks[:, :2].min(0) + landmarks[:, :2].max(0)) / 2
            spread = (landmarks[:, :2].max(0) - landmarks[:, :2].min(0)) * side / 4
            middle = tuple(int(v) for v in (inner + 1) * side / 2)
            axes = tuple(int(v) for v in spread * rng.uniform(1.25, 1.8, 2))
            cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, -1)
            mask = cv2.blur(mask, (5, 5))
        else:
            mask[1:-1, 1:-1] = 255
        warped = cv2.warpAffine(picture, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
        cover = cv2.warpAffine(mask, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)[..., None] / np.float32(
            255
        )
        canvas[:] = (canvas * (1 - cover) + warped * cover).astype(np.uint8)
        return float(centre[0]), float(centre[1]), size

    @staticmethod
    def _maps(faces: list[tuple[float, float, float]]) -> dict[str, Any]:
        score = np.zeros((1, CELLS, CELLS), np.float32)
        shift = np.zeros((2, CELLS, CELLS), np.float32)
        size = np.zeros((1, CELLS, CELLS), np.float32)
        counts = np.zeros((1, CELLS, CELLS), np.float32)
        cells = np.arange(CELLS, dtype=np.float32) + 0.5
        for x, y, height in faces:
            column, row = x * CELLS / SIZE, y * CELLS / SIZE
            reach = max(0.7, height * CELLS / SIZE / 9)
            squared = (cells[None] - column) ** 2 + (cells[:, None] - row) ** 2
            bump = np.exp(-squared / (2 * reach**2)).astype(np.float32)
            bump[int(row), int(column)] = 1
            score[0] = np.maximum(score[0], bump)
            near = squared <= max(1.5, reach) ** 2
            counts[0][near] = 1
            shift[0][near] = (column - np.broadcast_to(cells[None], squared.shape))[near]
            shift[1][near] = (row - np.broadcast_to(cells[:, None], squared.shape))[near]
            size[0][near] = np.log(height * 2 / SIZE)
        return {"score": score, "shift": shift, "size": size, "counts": counts}


def locate_losses(found: Located, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the focal loss of the score and the L1 losses of shift and size where faces are."""
    truth = batch["score"]
    log_yes, log_no = functional.logsigmoid(found.score), functional.logsigmoid(-found.score)
    chance = log_yes.exp()
    peak = (truth == 1).float()
    focal = peak * (1 - chance) ** FOCUS * log_yes + (1 - peak) * (1 - truth) ** 4 * chance**FOCUS * log_no
    near = batch["counts"].sum().clamp_min(1)
    return {
        "score": -focal.sum() / peak.sum().clamp_min(1),
        "shift": ((found.shift - batch["shift"]).abs() * batch["counts"]).sum() / near * 0.5,
        "size": ((found.size - batch["size"]).abs() * batch["counts"]).sum() / near * 2,
    }


def locate_stage(*, data: Path, cache: Path, settings: dict[str, Any], device: torch.device) -> Stage:
    """Set up the training of the locate network from a data folder or a pack."""
    level = load_level_face(data)
    clips = load_clips(data, cache, size=256, level=level)
    portraits = load_portraits(data, size=256, level=level)
    shares = in_shares(clips, portraits, share=float(settings["portraits"]))
    batches = FrameBatches(shares, vertices=level.vertices, batch=int(settings["batch"]))
    network = channels_last(Locate()).to(device)

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        with torch.autocast(device.type, torch.bfloat16):
            found = network(batch["picture"].permute(0, 3, 1, 2).float() / 255)
        return locate_losses(found, batch)

    return Stage(network, losses, batches, betas=(0.9, 0.999))
