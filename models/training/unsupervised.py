"""The paper's own stage: F, L, H, Delta, M and G together, from pairs of frames of one clip (supplement A.2, A.3).

No landmark is looked at: equivariance and a prior hold the keypoints, and of the teacher only the head's angles are
used, in profiles that have a head. All of a step's chance is in its batch, so that a run that is resumed goes on as it
would have.
"""

from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.layers import channels_last
from models.paper.blocks import points_of
from models.paper.canonical import Detected
from models.paper.head import BIN_DEGREES, BINS, HeadMotion
from models.paper.motion_field import Placed
from models.paper.norm import add_spectral_norm, fold_spectral_norm, settle_spectral_norm
from models.paper.profile import PaperProfile
from models.paper.talker import Drawn, Source, TalkingHead, place
from models.training.adversarial import Discriminator, Game, Rival, has_game, scales_for
from models.training.bend import Bend, random_bend
from models.training.footage import Footage, LevelFace
from models.training.loop import TrainingError
from models.training.losses import PictureLoss
from models.training.pairs import Filmed, PairBatches, teacher_heads
from models.training.picture import heads_of, pictures_of
from models.training.selfsupervised import (
    EQUIVARIANCE_WEIGHT,
    EXPRESSION_WEIGHT,
    HEAD_POSE_WEIGHT,
    KEYPOINT_PRIOR_WEIGHT,
    PERCEPTUAL_WEIGHT,
    drop_keypoints,
    equivariance_loss,
    expression_loss,
    head_pose_loss,
    jacobian_equivariance_loss,
    keypoint_prior_loss,
    random_prefix,
)
from models.training.stage import Stage
from runtime.geometry import KEYPOINT_VERTICES

Parts = TypeVar("Parts", Detected, HeadMotion)


class BentPairs:
    """Pairs of frames with a bend of each driving one, and how many of its offsets are kept.

    `dropout` is the share of the pairs that lose offsets (supplement C.2).
    """

    def __init__(self, pairs: PairBatches, profile: PaperProfile, *, dropout: float) -> None:
        self.pairs, self.keypoints, self.dropout = pairs, profile.keypoints, dropout

    def __call__(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw one batch."""
        batch = self.pairs(rng)
        number = len(batch["driving"])
        chance = torch.Generator().manual_seed(int(rng.integers(2**62)))
        bend = random_bend(number, generator=chance)
        batch |= {f"bend_{name}": value for name, value in vars(bend).items()}
        fewer = random_prefix(number, self.keypoints, generator=chance)
        dropped = torch.rand(number, generator=chance) < self.dropout
        return batch | {"kept": torch.where(dropped, fewer, self.keypoints)}


class Seen(NamedTuple):
    """What the keypoint networks make of a batch."""

    source: Source
    driving: Placed  # what is drawn from: offsets dropped
    whole: Placed  # the driving keypoints with all their offsets
    bent: Placed  # those of the bent driving picture
    motion: HeadMotion | None  # of the source pictures, then of the driving ones


def see(talker: TalkingHead, source: Tensor, driving: Tensor, bent: Tensor, kept: Tensor) -> Seen:
    """Find the keypoints of three batches of pictures [B, 3, S, S], the last two with the source's own geometry.

    `kept` [B] says how many of the driving picture's offsets are drawn with.
    """
    pictures = torch.cat([source, driving, bent])
    volume = talker.appearance(source)
    if talker.head is None:
        found = shares(talker.detector(pictures), 3)
        placed = [place(each, None) for each in found]
        return Seen(Source(volume, found[0], placed[0]), placed[1], placed[1], placed[2], None)
    detected, motion = talker.detector(source), talker.head(pictures)
    motions = shares(motion, 3)
    placed = [place(detected, each) for each in motions]
    fewer = drop_keypoints(motions[1].expression, kept)
    drawn_from = place(detected, motions[1]._replace(expression=fewer))
    upright = HeadMotion(*(value[: 2 * len(source)] for value in motion))
    return Seen(Source(volume, detected, placed[0]), drawn_from, placed[1], placed[2], upright)


def shares(whole: Parts, number: int) -> list[Parts]:
    """Take a batch of several batches' pictures apart."""
    chunks = [[None] * number if value is None else value.chunk(number) for value in whole]
    return [type(whole)(*parts) for parts in zip(*chunks, strict=True)]


def angles_of(linear: Tensor) -> Tensor:
    """Return yaw, pitch and roll in degrees [B, 3] of scaled rotations [B, 3, 3]."""
    rotation = linear / (linear.square().sum((1, 2), keepdim=True) / 3).sqrt()
    yaw = torch.asin(rotation[:, 2, 0].clamp(-1, 1))
    pitch = torch.atan2(rotation[:, 2, 1], rotation[:, 2, 2])
    roll = torch.atan2(rotation[:, 1, 0], rotation[:, 0, 0])
    return torch.rad2deg(torch.stack([yaw, pitch, roll], -1))


def bin_loss(bins: Tensor, teacher: Tensor) -> Tensor:
    """Return the cross-entropy of the bins [B, 3, 66] with the teacher's angles [B, 3] in degrees.

    Of Ruiz et al. (supplement [10]), whose heads these are: an expectation alone would let far bins balance each other.
    """
    target = (teacher / BIN_DEGREES + BINS / 2).floor().long().clamp(0, BINS - 1)
    return functional.cross_entropy(bins.transpose(1, 2), target)


def keypoint_terms(seen: Seen, bend: Bend, teacher: Tensor) -> dict[str, Tensor]:
    """Return the weighted losses of keypoints, pose and offsets; `teacher` holds sources', then drivings' angles."""
    places, bent = seen.whole.keypoints, seen.bent.keypoints
    terms = {
        "equivariance": EQUIVARIANCE_WEIGHT * equivariance_loss(places, bent, bend),
        "prior": KEYPOINT_PRIOR_WEIGHT * keypoint_prior_loss(places),
    }
    if seen.source.detected.jacobians is not None:
        found = jacobian_equivariance_loss(seen.whole.linear, seen.bent.linear, bent, bend)
        terms["jacobians"] = EQUIVARIANCE_WEIGHT * found
    if seen.motion is not None:
        terms |= {
            "pose": HEAD_POSE_WEIGHT * head_pose_loss(seen.motion.rotation, teacher),
            "bins": bin_loss(seen.motion.bins, teacher),
            "expression": EXPRESSION_WEIGHT * expression_loss(seen.motion.expression),
        }
    return terms


def pyramid_distance(loss: PictureLoss, drawn: Tensor, truth: Tensor) -> Tensor:
    """Sum the perceptual distance over a picture's sizes, each half of the one before (supplement A.2)."""
    total = drawn.new_zeros(())
    for scale in range(loss.scales):
        if scale:
            drawn, truth = functional.avg_pool2d(drawn, 2), functional.avg_pool2d(truth, 2)
        total = total + loss.distance(drawn, truth, None)
    return total


def unsupervised_stage(
    profile: PaperProfile,
    *,
    footage: Footage,
    level: LevelFace,
    settings: dict[str, Any],
    perceptual: Path,
    device: torch.device,
) -> Stage:
    """Set up the stage: a footage with the teacher's poses, and the perceptual backbone's file."""
    size, dropout = int(settings["size"]), float(settings.get("dropout", 0))
    if dropout and not profile.canonical:
        raise TrainingError(f"the stage {settings['name']} drops offsets, and direct keypoints have none")
    # The mirror swaps named landmarks; of these only the pose is read here, and it needs no names.
    mirror = np.arange(len(KEYPOINT_VERTICES))
    filmed = Filmed(footage, teacher_heads(footage, level))

    def pairs(batch: int) -> BentPairs:
        frames = PairBatches(filmed, size=size, batch=batch, mirror=mirror)
        return BentPairs(frames, profile, dropout=dropout)

    talker = new_talker(profile).to(device)
    loss = channels_last(PictureLoss(perceptual, scales=int(settings["scales"]))).to(device)
    game = None
    if has_game(settings):
        game = Game(channels_last(Rival([Discriminator(scales=scales_for(size))])).to(device), settings)

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        truth = pictures_of(batch, "driving")
        bend = Bend(batch["bend_affine"], batch["bend_weights"], batch["bend_centres"])
        with torch.autocast(device.type, torch.bfloat16):
            seen = see(talker, pictures_of(batch, "source"), truth, bend.picture(truth), batch["kept"])
            drawn = talker.draw(seen.source, seen.driving).picture
        teacher = angles_of(torch.cat([heads_of(batch, each).linear for each in ("source", "driving")]))
        terms = {
            "perceptual": PERCEPTUAL_WEIGHT * pyramid_distance(loss, drawn, truth),
            "pixels": float(settings["pixels"]) * (drawn - truth).abs().mean(),
        } | keypoint_terms(seen, bend, teacher)
        if game is not None:
            with torch.autocast(device.type, torch.bfloat16):
                terms |= game.terms([truth], [drawn], step)
        return terms

    fixed = {name: value.to(device) for name, value in pairs(6)(np.random.default_rng(7)).items()}

    def sheet(weights: dict[str, Tensor]) -> NDArray[Any]:
        shown = shipped_talker(profile, weights).to(device)
        with torch.no_grad():
            source = shown.prepare(pictures_of(fixed, "source"))
            driving = shown.drive(source, pictures_of(fixed, "driving"))
            drawn = shown.draw(source, driving)
        return draw_sheet(pictures_of(fixed, "source"), pictures_of(fixed, "driving"), driving, drawn)

    rival = None if game is None else game.rival
    return Stage(talker, losses, pairs(int(settings["batch"])), sheet=sheet, rival=rival)


def new_talker(profile: PaperProfile) -> TalkingHead:
    """Build a talking head as it is trained: spectral norm in G, flat convolutions with channels last."""
    talker = TalkingHead(profile)
    add_spectral_norm(talker.generator)
    for layer in talker.modules():
        if isinstance(layer, nn.Conv2d):  # a volume's weights have no such order
            channels_last(layer)
    return talker


def shipped_talker(profile: PaperProfile, weights: dict[str, Tensor]) -> TalkingHead:
    """Build a talking head as it is run, of a training's weights: without spectral norm, ready to draw."""
    talker = TalkingHead(profile)
    add_spectral_norm(talker.generator)
    talker.load_state_dict(weights)
    fold_spectral_norm(settle_spectral_norm(talker.generator))
    return talker.eval()


def draw_sheet(source: Tensor, driving: Tensor, placed: Placed, drawn: Drawn) -> NDArray[Any]:
    """Lay out a row a sample (source, driving with its keypoints, redrawn, flow, occlusion), uint8 RGB [h, w, 3]."""
    size = source.shape[-1]
    points = points_of((size, size), source)
    away = (points - placed.keypoints[:, :, None, None, :2]).square().sum(-1).amin(1)  # [B, S, S]
    dots = (away < 0.015**2).float()[:, None]
    flow = drawn.field.flow
    if flow.dim() == 5:  # the middle of the volume
        flow = flow[:, flow.shape[1] // 2]
    moves = flow[..., :2] - points_of((flow.shape[1], flow.shape[2]), flow)
    moves = torch.cat([0.5 + 2 * moves, torch.full_like(moves[..., :1], 0.5)], -1).permute(0, 3, 1, 2)
    columns = [
        source,
        driving * (1 - dots) + dots * driving.new_tensor([0.0, 1.0, 0.0])[:, None, None],
        drawn.picture,
        functional.interpolate(moves, size=(size, size)),
        functional.interpolate(drawn.field.occlusion, size=(size, size)).expand(-1, 3, -1, -1),
    ]
    rows = torch.cat([column.float().clamp(0, 1) for column in columns], 3)
    sheet = rows.permute(0, 2, 3, 1).reshape(-1, size * len(columns), 3)
    return (sheet.cpu().numpy() * 255).round().astype(np.uint8)
