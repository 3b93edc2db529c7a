"""The motion student learns from what the finished generator draws with its motion (analysis by synthesis).

Landmarks say where a lip is; what a call shows is the picture. The student reads both pictures of a pair, the generator
redraws the one with the motion of the other, and the picture's losses reach the student through it. The generator stays
as it is, and holds the meaning of the motion with it: places may move by half a pixel for nothing and are held to where
they were beyond.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.geometry import head_linear, keypoints
from models.large import motion_student, talking_head
from models.layers import channels_last
from models.motion_field import Head
from models.profile import NetworkProfile
from models.student import HeadMotion, MotionStudent, expression_of
from models.talker import Drawn
from models.training.footage import LevelFace
from models.training.losses import PictureLoss
from models.training.pairs import Filmed, PairBatches
from models.training.picture import drawn_terms, pictures_of
from models.training.selfsupervised import drop_keypoints
from models.training.sheets import draw_sheet
from models.training.stage import Stage, begin_from
from runtime.geometry import KEYPOINT_VERTICES

FREE = 0.004  # image units (half a pixel of 256) by which places may move for nothing
CANONICAL = 0.1  # share of the weight of places that the neutral geometry is held with
SHEET_SAMPLES = 6


def heads_seen(seen: HeadMotion, kept: Tensor | None = None) -> tuple[Head, Head, Head]:
    """Return the heads that a student saw in B sources and then in B driving pictures.

    seen: of all 2 B pictures. kept: [B] how many of the driving keypoints keep their expression, all if None.

    Returns the sources' heads, the driving ones' as a receiver places them, and the same with all expression.
    """
    number = len(seen.rotation) // 2
    canonical = seen.canonical[:number]  # of the source, as the receiver has it
    source, driving = (
        HeadMotion(*(value[half] for value in seen)) for half in (slice(number), slice(number, None))
    )

    def placed(motion: HeadMotion, expression: Tensor) -> Head:
        shift = torch.cat([motion.translation[:, :2], torch.zeros_like(motion.translation[:, :1])], 1)
        where = keypoints(canonical, motion.rotation, motion.translation, expression)
        return Head(where, head_linear(motion.rotation, motion.translation), shift)

    expression = expression_of(driving, canonical)
    whole = placed(driving, expression)
    sent = whole if kept is None else placed(driving, drop_keypoints(expression, kept))
    return placed(source, expression_of(source, canonical)), sent, whole


def held_terms(seen: HeadMotion, before: HeadMotion, *, hold: float) -> dict[str, Tensor]:
    """Return what holds a student's places and neutral geometry to those that it began with, weighted by `hold`."""
    away = ((seen.points - before.points).abs() - FREE).clamp_min(0).mean()
    changed = (seen.canonical - before.canonical).square().mean()
    return {"places": hold * away, "neutral": hold * CANONICAL * changed}


def synthesis_stage(
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
    """Set up the stage from its footage, the student's weights that it begins with, the generator's, and the
    perceptual backbone's file."""
    rows = level.rows(KEYPOINT_VERTICES)
    twins = np.array([KEYPOINT_VERTICES.index(level.vertices[level.mirror[row]]) for row in rows])
    batches = PairBatches(
        clips,
        size=profile.picture_size,
        batch=int(settings["batch"]),
        mirror=twins,
        dropout=float(settings["dropout"]),
        portraits=portraits,
        share=float(settings["portraits"]),
    )

    def student_of(weights: dict[str, Tensor]) -> MotionStudent:
        student = motion_student(profile)
        begin_from(student, weights, name=settings["name"])
        return channels_last(student).to(device).eval()

    student, before = student_of(first), student_of(first).requires_grad_(False)
    talker = channels_last(talking_head(profile)).to(device).eval().requires_grad_(False)
    begin_from(talker, drawing, name=settings["draws"])
    loss = channels_last(PictureLoss(perceptual, scales=int(settings["scales"]))).to(device)

    def draw(source: Tensor, heads: tuple[Head, Head]) -> Drawn:
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                features = talker.prepare(source)
            return talker.draw(features, *heads)

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        student.eval()  # norms that went on counting would be another network's
        source, truth = pictures_of(batch, "source"), pictures_of(batch, "driving")
        both = torch.cat([source, truth])
        seen = student(both, pose_learns=True)
        theirs, sent, whole = heads_seen(seen, batch.get("kept"))
        drawn = draw(source, (theirs, sent))
        looked_at = Head(*(value.detach() for value in whole))
        with torch.no_grad():
            was = before(both)
        terms = drawn_terms(loss, drawn, truth, looked_at, settings, step=step)
        return terms | held_terms(seen, was, hold=float(settings["hold"]))

    ahead = PairBatches(clips, size=profile.picture_size, batch=SHEET_SAMPLES, mirror=twins)
    fixed = {name: value.to(device) for name, value in ahead(np.random.default_rng(7)).items()}

    def sheet(weights: dict[str, Tensor]) -> NDArray[Any]:
        source, truth = pictures_of(fixed, "source"), pictures_of(fixed, "driving")
        with torch.no_grad():
            theirs, sent, _ = heads_seen(student_of(weights)(torch.cat([source, truth])))
            return draw_sheet(source, truth, draw(source, (theirs, sent)))

    return Stage(student, losses, batches, betas=(0.9, 0.999), sheet=sheet)
