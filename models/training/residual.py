"""Stage five: the residual network, on the finished generator's own errors (supplement C.3).

The generator stays as it is, and with it what it draws: pairs of a picture and the redrawn one are made once, and every
step looks at pieces of them. It errs where the source picture shows nothing of what is seen: something before the face,
another person's source, a head turned far. The network learns to send a code there, and nothing where the picture is
good enough.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.layers import channels_last
from models.residual import CELL, CODE_CHANNELS, Residual
from models.training.data import draw_row
from models.training.footage import LevelFace
from models.training.kept import keep
from models.training.loop import TrainingError
from models.training.losses import PictureLoss
from models.training.occluders import paste_object
from models.training.pairs import Filmed, PairBatches
from models.training.picture import pictures_of
from models.training.portraits import Shot
from models.training.stage import Stage
from runtime.geometry import KEYPOINT_VERTICES

COVERED = 0.7  # share of the samples with something before the face
AREAS = (0.02, 0.3)  # of the picture that it covers
WRONG, FAR = 0.15, 0.25  # shares of the samples with another person's source, and with a head turned far
CANDIDATES = 12  # frames among which the one turned furthest is the source
GOOD_ENOUGH, PLAIN = 0.03, 0.12  # mean error of a pixel that is no fault, and that is wholly one
AROUND = 9  # pixels over which an error is averaged: a fault is a place, not a pixel
# Share of the pictures that are sent whole to the end: only what is sent can be found to be worth it.
WHOLE = 0.5
FAINT = 0.1  # weight of the rest of the picture: no code may spoil it
WEIGHTS = ("pixels", "perceptual", "bits", "worth", "whole")  # numbers of a run file's stage
SHEET_SAMPLES = 6
DRAWN_AT_ONCE = 8  # pairs
Picture = NDArray[np.uint8]  # [S, S, 3]
# A source and what the camera sees -> what the other side draws.
Redraw = Callable[[Picture, Picture], Picture]


class FaultBatches(PairBatches):
    """Pairs as the generator meets them when it fails; the driving picture alone is covered."""

    def _shots(self, rng: np.random.Generator) -> tuple[Shot, Shot]:
        chance = rng.random()
        if chance >= WRONG + FAR:
            return super()._shots(rng)
        driving = draw_row(rng, self.chances)
        if chance < WRONG:
            return self.clips.shot(draw_row(rng, self.chances)), self.clips.shot(driving)
        candidates = rng.integers(self.first[driving], self.last[driving], CANDIDATES)
        linear = self.clips.heads.linear
        alike = (linear[candidates] * linear[driving]).sum((1, 2)) / np.linalg.norm(
            linear[candidates], axis=(1, 2)
        )
        return self.clips.shot(int(candidates[alike.argmin()])), self.clips.shot(driving)

    def _pair(self, rng: np.random.Generator) -> dict[str, Any]:
        pair = super()._pair(rng)
        if rng.random() < COVERED:
            other = self.clips.shot(draw_row(rng, self.chances)).picture
            area = float(np.exp(rng.uniform(*np.log(AREAS))))
            pair["driving"], _ = paste_object(pair["driving"], other, rng, area=area)
        return pair


def faults_of(clips: Filmed, level: LevelFace, *, size: int) -> FaultBatches:
    """Make batches of faults of footage, as pictures of a size, as many as are redrawn at once."""
    rows = level.rows(KEYPOINT_VERTICES)
    twins = np.array([KEYPOINT_VERTICES.index(level.vertices[level.mirror[row]]) for row in rows])
    return FaultBatches(clips, size=size, batch=DRAWN_AT_ONCE, mirror=twins)


def redraw_as(profile: str, *, size: int, device: torch.device) -> Redraw:
    """Return what redraws pictures uint8 [S, S, 3] as a call over a built profile does, by its name.

    The motion net sees the picture with whatever is before the face.

    Raises TrainingError where the profile is not built, or draws at another size.
    """
    # Only here: a machine that trains other stages by the clock need not have what runs a call.
    from runtime.engine import EngineError, load
    from runtime.profile import ProfileError, load_profile
    from runtime.talker import Talker

    try:
        built = load_profile(profile, whole=False)
        graphs = load(built, engine="openvino" if device.type == "cpu" else "torch-cuda")
    except (ProfileError, EngineError) as error:
        raise TrainingError(f"there is no generator to repair: {error}") from None
    if built.picture_size != size:
        raise TrainingError(f"{profile} draws {built.picture_size} pixels a side, and the stage wants {size}")
    talker = Talker(graphs, picture_size=size)

    def redraw(source: Picture, picture: Picture) -> Picture:
        prepared = talker.prepare(source)
        return talker.draw(prepared, *talker.estimate(picture, prepared))

    return redraw


def draw_pairs(faults: FaultBatches, redraw: Redraw, *, count: int, seed: int) -> NDArray[np.uint8]:
    """Draw `count` triples of a source, a picture of what it never showed, and the redrawn one: [count, 3, S, S, 3]."""
    from rich.progress import track  # only here, as above

    triples = np.empty((count, 3, faults.size, faults.size, 3), np.uint8)
    for start in track(range(0, count, faults.batch), description="drawing pairs"):
        batch = faults(np.random.default_rng((seed, start)))
        for triple, source, picture in zip(
            triples[start:], batch["source"].numpy(), batch["driving"].numpy(), strict=False
        ):
            triple[:] = source, picture, redraw(source, picture)
    return triples


class PieceBatches:
    """Makes batches of pieces of pairs, `piece` pixels a side, mirrored or not, from triples uint8 [N, 3, S, S, 3].

    Of two places in a pair the one is taken where it differs more: most of most pictures is no fault.
    """

    def __init__(self, triples: NDArray[np.uint8], *, piece: int, batch: int) -> None:
        self.triples, self.piece, self.batch = triples, piece, batch

    def __call__(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw one batch."""
        both = np.stack([self._piece(rng) for _ in range(self.batch)])
        return {name: torch.from_numpy(both[:, index]) for index, name in enumerate(("truth", "drawn"))}

    def _piece(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        pair = self.triples[rng.integers(len(self.triples)), 1:]
        room = pair.shape[1] - self.piece + 1
        places = [
            pair[:, top : top + self.piece, left : left + self.piece]
            for top, left in rng.integers(0, room, (2, 2))
        ]
        chosen = max(places, key=lambda place: float(cv2.absdiff(place[0], place[1]).mean()))
        return np.asarray(chosen[:, :, ::-1] if rng.random() < 0.5 else chosen)


def fault_map(truth: Tensor, drawn: Tensor) -> Tensor:
    """Say where a redrawn picture [B, 3, S, S] is wrong: [B, 1, S, S], from 0 (good enough) to 1 (plainly a fault)."""
    error = (truth - drawn).abs().mean(1, keepdim=True)
    around = functional.avg_pool2d(error, AROUND, stride=1, padding=AROUND // 2, count_include_pad=False)
    return ((around - GOOD_ENOUGH) / (PLAIN - GOOD_ENOUGH)).clamp(0, 1)


def residual_losses(
    network: Residual,
    truth: Tensor,
    drawn: Tensor,
    *,
    perceptual: PictureLoss,
    weights: dict[str, float],
    step: int,
) -> dict[str, Tensor]:
    """Return `pixels` and `perceptual`, both over the faults, and `worth`, of the significance; each by its weight.

    The means are over whole pictures and not over the faults: a fault is worth its size, as its bits are. A cell is
    worth sending where its pixels come nearer to the truth than its bits cost; that is known of those that are sent. So
    at first all are, which the decoder needs to learn anything; after `whole` steps only those of half of the pictures.
    """
    whole = 1.0 if step < weights["whole"] else WHOLE
    with torch.autocast(truth.device.type, torch.bfloat16):
        repaired, code = network(truth, drawn, whole=whole)
    repaired = repaired.float()
    weight = FAINT + (1 - FAINT) * fault_map(truth, drawn)
    before, after = ((each - truth).abs() * weight for each in (drawn, repaired))
    gain = functional.avg_pool2d((before - after).detach().mean(1, keepdim=True), CELL)
    worth = (weights["pixels"] * gain > weights["bits"] * CODE_CHANNELS / CELL**2).float()
    doubt = functional.binary_cross_entropy(code.significance, worth, weight=code.kept, reduction="sum")
    return {
        "pixels": weights["pixels"] * after.mean(),
        "perceptual": weights["perceptual"] * perceptual.distance(repaired, truth, weight),
        "worth": weights["worth"] * doubt / code.kept.sum().clamp_min(1),
    }


def residual_stage(
    *,
    clips: Filmed,
    level: LevelFace,
    redraw: Redraw,
    cache: Path,
    settings: dict[str, Any],
    perceptual: Path,
    device: torch.device,
) -> Stage:
    """Set up stage five: footage with its heads, what redraws it, the perceptual backbone's file.

    Draws the pairs that it learns from into `cache`, which takes some minutes the first time.
    """
    network = channels_last(Residual()).to(device)
    weights = {name: float(settings[name]) for name in WEIGHTS}
    loss = channels_last(PictureLoss(perceptual, scales=1)).to(device)
    size = clips.footage.pictures.shape[1]
    faults = faults_of(clips, level, size=size)
    count, seed = int(settings["pairs"]), int(settings["seed"])
    path = cache / f"pairs-{settings['repairs']}-{size}-{count}-{seed}.npy"
    if not path.exists():
        drawn = draw_pairs(faults, redraw, count=count, seed=seed)
        keep(path, lambda file: np.save(file, drawn))
    triples = np.load(path, mmap_mode="r")
    batches = PieceBatches(triples, piece=int(settings["piece"]), batch=int(settings["batch"]))

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        truth, drawn = pictures_of(batch, "truth"), pictures_of(batch, "drawn")
        return residual_losses(network, truth, drawn, perceptual=loss, weights=weights, step=step)

    unseen = draw_pairs(faults, redraw, count=SHEET_SAMPLES, seed=seed + 1)
    fixed = torch.from_numpy(unseen).permute(1, 0, 4, 2, 3).to(device).float() / 255

    def sheet(average: dict[str, Tensor]) -> NDArray[Any]:
        shown = Residual().to(device).eval()
        shown.load_state_dict(average)
        source, truth, drawn = fixed
        with torch.no_grad():
            repaired, code = shown(truth, drawn)
        return draw_repairs(source, truth, drawn, repaired, code.significance)

    return Stage(network, losses, batches, sheet=sheet)


def draw_repairs(
    source: Tensor, truth: Tensor, drawn: Tensor, repaired: Tensor, significance: Tensor
) -> NDArray[Any]:
    """Lay out a row a sample (source, true, redrawn, repaired, significance), uint8 RGB [h, w, 3]."""
    size = truth.shape[-1]
    map_ = functional.interpolate(significance, size=(size, size)).expand(-1, 3, -1, -1)
    columns = [source, truth, drawn, repaired, map_]
    rows = torch.cat([column.float().clamp(0, 1) for column in columns], 3)
    sheet = rows.permute(0, 2, 3, 1).reshape(-1, size * len(columns), 3)
    return (sheet.cpu().numpy() * 255).round().astype(np.uint8)
