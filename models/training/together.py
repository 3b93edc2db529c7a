"""Motion student and generator learn together, end to end: from both pictures of a pair to what a call would show.

F and M stay as they are, and hold the meaning of the motion; the student is held as in `synthesis`. Some pairs come
with the next frame of theirs: what is drawn must not change from one to the other where the film does not. And what is
drawn must lie where it was filmed: the student, as it was when the stage began, looks at it once more.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.large import motion_student, talking_head
from models.layers import channels_last
from models.motion_field import Head
from models.profile import NetworkProfile
from models.student import HeadMotion, MotionStudent
from models.talker import TalkingHead
from models.training.footage import LevelFace
from models.training.losses import PictureLoss
from models.training.pairs import Filmed, PairBatches
from models.training.picture import drawn_terms, hold_still, pictures_of
from models.training.sheets import draw_sheet
from models.training.stage import Stage, begin_from
from models.training.synthesis import SHEET_SAMPLES, heads_seen, held_terms
from runtime.geometry import KEYPOINT_VERTICES


class Pair(nn.Module):
    """A motion student and the talking head that draws by it."""

    def __init__(self, student: MotionStudent, talker: TalkingHead) -> None:
        super().__init__()
        self.student, self.talker = student, talker


def changes(drawn: Tensor, truth: Tensor, neighbours: int) -> Tensor:
    """Return by how much the change to the next frame is another than the film's, in grey levels of 1, on average.

    drawn, truth: [B, 3, S, S]; the last `neighbours` are the frames after the first.
    """

    def change(pictures: Tensor) -> Tensor:
        return pictures[-neighbours:] - pictures[:neighbours]

    return (change(drawn) - change(truth)).abs().mean()


def strayed(drawn: HeadMotion, truth: HeadMotion, kept: Tensor | None) -> Tensor:
    """Return how far the places in drawn pictures are from those in the true ones, image coordinates, on average.

    kept: [B] how many of the driving keypoints kept their expression, all if None. Pairs that lost some do not count:
    what was not sent is not to be guessed.
    """
    away = (drawn.points - truth.points).abs().mean((1, 2))
    whole = torch.ones_like(away) if kept is None else (kept == truth.placed.shape[1]).to(away)
    return (away * whole).sum() / whole.sum().clamp_min(1)


def together_stage(
    profile: NetworkProfile,
    *,
    clips: Filmed,
    portraits: Filmed | None,
    level: LevelFace,
    first: dict[str, Tensor],
    drawing: dict[str, Tensor],
    settings: dict[str, Any],
    perceptual: Path,
    device: torch.device,
) -> Stage:
    """Set up the stage from its footage, the weights that student and talking head begin with, and the perceptual
    backbone's file."""
    rows = level.rows(KEYPOINT_VERTICES)
    twins = np.array([KEYPOINT_VERTICES.index(level.vertices[level.mirror[row]]) for row in rows])
    neighbours, follow = int(settings["neighbours"]), float(settings["follow"])
    batches = PairBatches(
        clips,
        size=profile.picture_size,
        batch=int(settings["batch"]),
        mirror=twins,
        dropout=float(settings["dropout"]),
        portraits=portraits,
        share=float(settings["portraits"]),
        neighbours=neighbours,
        colours=float(settings["colours"]),
    )

    def pair_of(weights: dict[str, Tensor]) -> Pair:
        made = Pair(motion_student(profile), talking_head(profile))
        begin_from(made, weights, name=settings["name"])
        return channels_last(made).to(device).eval()

    begins = {f"student.{name}": value for name, value in first.items()}
    begins |= {f"talker.{name}": value for name, value in drawing.items()}
    both, before = pair_of(begins), pair_of(begins).student.requires_grad_(False)
    hold_still(both, settings["learns"])
    judged = PictureLoss(perceptual, scales=int(settings["scales"]), judged=True)
    loss = channels_last(judged).to(device)

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        both.eval()  # norms that went on counting would be another network's
        source, truth = pictures_of(batch, "source"), pictures_of(batch, "driving")
        pictures = torch.cat([source, truth])
        seen = both.student(pictures, pose_learns=True)
        theirs, sent, whole = heads_seen(seen, batch.get("kept"))
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                features = both.talker.prepare(source)
            drawn = both.talker.draw(features, theirs, sent)
        looked_at = Head(*(value.detach() for value in whole))
        with torch.no_grad():
            was = before(pictures)
        terms = drawn_terms(loss, drawn, truth, looked_at, settings, step=step)
        filmed = HeadMotion(*(value[len(truth) :] for value in was))
        terms |= held_terms(seen, was, hold=float(settings["hold"]))
        terms["steady"] = float(settings["steady"]) * changes(drawn.picture, truth, neighbours)
        if follow:
            terms["follow"] = follow * strayed(before(drawn.picture), filmed, batch.get("kept"))
        return terms

    ahead = PairBatches(clips, size=profile.picture_size, batch=SHEET_SAMPLES, mirror=twins)
    fixed = {name: value.to(device) for name, value in ahead(np.random.default_rng(7)).items()}

    def sheet(weights: dict[str, Tensor]) -> NDArray[Any]:
        source, truth = pictures_of(fixed, "source"), pictures_of(fixed, "driving")
        shown = pair_of(weights)
        with torch.no_grad():
            theirs, sent, _ = heads_seen(shown.student(torch.cat([source, truth])))
            return draw_sheet(source, truth, shown.talker.draw(shown.talker.prepare(source), theirs, sent))

    return Stage(both, losses, batches, betas=(0.9, 0.999), sheet=sheet)
