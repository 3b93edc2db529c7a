"""Stage five: the residual network, on the finished generator's own errors (supplement C.3).

The generator stays as it is. It errs where the source picture shows nothing of what is seen: something before the face,
another person's source, a head turned far. The network learns to send a code there, and nothing where the picture is
good enough.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.large import talking_head
from models.layers import channels_last
from models.profile import NetworkProfile
from models.residual import Residual, code_bits
from models.training.data import draw_row
from models.training.footage import LevelFace
from models.training.loop import TrainingError
from models.training.losses import PictureLoss
from models.training.occluders import paste_object
from models.training.pairs import Filmed, PairBatches
from models.training.picture import driving_of, heads_of, pictures_of
from models.training.portraits import Shot
from models.training.stage import Stage
from runtime.geometry import KEYPOINT_VERTICES

COVERED = 0.7  # share of the samples with something before the face
AREAS = (0.02, 0.3)  # of the picture that it covers
WRONG, FAR = 0.15, 0.25  # shares of the samples with another person's source, and with a head turned far
CANDIDATES = 12  # frames among which the one turned furthest is the source
GOOD_ENOUGH, PLAIN = 0.03, 0.12  # mean error of a pixel that is no fault, and that is wholly one
AROUND = 9  # pixels over which an error is averaged: a fault is a place, not a pixel
EXPLORED = 0.25  # share of the cells that are sent whatever their significance, to the end
FAINT = 0.1  # weight of the rest of the picture: no code may spoil it
WEIGHTS = ("pixels", "perceptual", "bits", "bits_rise")  # numbers of a run file's stage
SHEET_SAMPLES = 6


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
    """Return `pixels` and `perceptual`, both over the faults, and `rate`, bits a pixel; each by its weight.

    The means are over whole pictures and not over the faults: a fault is worth its size, as its bits are. A code that
    nobody can read yet is never worth sending: at first everything is sent and bits cost nothing, and over `bits_rise`
    steps it comes to what is significant, and a share to try, at the full cost.
    """
    risen = min(1.0, step / weights["bits_rise"])
    with torch.autocast(truth.device.type, torch.bfloat16):
        repaired, code = network(truth, drawn, explored=max(EXPLORED, 1 - risen))
    repaired = repaired.float()
    weight = FAINT + (1 - FAINT) * fault_map(truth, drawn)
    bits = code_bits(code.kept).mean() / (truth.shape[-1] * truth.shape[-2])
    return {
        "pixels": weights["pixels"] * ((repaired - truth).abs() * weight).mean(),
        "perceptual": weights["perceptual"] * perceptual.distance(repaired, truth, weight),
        "rate": weights["bits"] * risen * bits,
    }


def residual_stage(
    profile: NetworkProfile,
    *,
    clips: Filmed,
    level: LevelFace,
    generator: dict[str, Tensor],
    settings: dict[str, Any],
    perceptual: Path,
    device: torch.device,
) -> Stage:
    """Set up stage five: footage with its heads, the finished generator's weights, the perceptual backbone's file.

    Raises TrainingError where the weights are not the profile's generator.
    """
    rows = level.rows(KEYPOINT_VERTICES)
    twins = np.array([KEYPOINT_VERTICES.index(level.vertices[level.mirror[row]]) for row in rows])
    size = int(settings["size"])
    batches = FaultBatches(clips, size=size, batch=int(settings["batch"]), mirror=twins)
    talker = talking_head(profile)
    try:
        talker.load_state_dict(generator)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"the stage {settings['name']} has no generator to repair: {reason}") from None
    talker = channels_last(talker).to(device).eval().requires_grad_(False)
    network = channels_last(Residual()).to(device)
    weights = {name: float(settings[name]) for name in WEIGHTS}
    loss = channels_last(PictureLoss(perceptual, scales=1)).to(device)

    def redraw(batch: dict[str, Tensor]) -> Tensor:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            features = talker.prepare(pictures_of(batch, "source"))
            return talker.draw(features, heads_of(batch, "source"), driving_of(batch)).picture.float()

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        truth = pictures_of(batch, "driving")
        drawn = redraw(batch)
        return residual_losses(network, truth, drawn, perceptual=loss, weights=weights, step=step)

    drawn_ahead = FaultBatches(clips, size=size, batch=SHEET_SAMPLES, mirror=twins)
    fixed = {name: value.to(device) for name, value in drawn_ahead(np.random.default_rng(7)).items()}

    def sheet(average: dict[str, Tensor]) -> NDArray[Any]:
        shown = Residual().to(device).eval()
        shown.load_state_dict(average)
        truth, drawn = pictures_of(fixed, "driving"), redraw(fixed)
        with torch.no_grad():
            repaired, code = shown(truth, drawn)
        return draw_repairs(pictures_of(fixed, "source"), truth, drawn, repaired, code.significance)

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
