"""Stage two: F, M and G, from pairs of frames of one clip.

A source frame is redrawn with the head of a driving frame and compared with it. The heads are the teacher's
(landmarks), or the motion student's own where its estimates are given, as in a call.
"""

from collections.abc import Callable
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.large import talking_head
from models.layers import channels_last
from models.motion_field import Head
from models.profile import NetworkProfile
from models.talker import Drawn
from models.training.adversarial import (
    CLOSE_WIDTHS,
    Discriminator,
    Game,
    Rival,
    has_game,
    scales_for,
)
from models.training.data import load_clips, load_portraits
from models.training.footage import Footage, LevelFace
from models.training.loop import TrainingError
from models.training.losses import PLASTIC, WHOLE, PictureLoss, importance_map
from models.training.pairs import Filmed, Heads, PairBatches, teacher_heads
from models.training.selfsupervised import drop_keypoints
from models.training.sheets import draw_sheet
from models.training.stage import Stage
from runtime.geometry import KEYPOINT_VERTICES

Estimate = Callable[[str, Footage], Heads]  # what a footage is called, and it -> the student's heads


def heads_of(batch: dict[str, Tensor], name: str) -> Head:
    """Pick a batch's source or driving heads."""
    return Head(batch[f"{name}_keypoints"], batch[f"{name}_linear"], batch[f"{name}_shift"])


def pictures_of(batch: dict[str, Tensor], name: str) -> Tensor:
    """Pick a batch's pictures as [B, 3, S, S] in [0, 1]."""
    return batch[name].permute(0, 3, 1, 2).float() / 255


def driving_of(batch: dict[str, Tensor]) -> Head:
    """Pick a batch's driving heads as a packet leaves them: without the expression of what was dropped."""
    head = heads_of(batch, "driving")
    if "kept" not in batch:
        return head
    neutral = batch["driving_neutral"]
    return head._replace(keypoints=neutral + drop_keypoints(head.keypoints - neutral, batch["kept"]))


def drawn_terms(
    loss: PictureLoss, drawn: Drawn, truth: Tensor, head: Head, settings: dict[str, Any], *, step: int
) -> dict[str, Tensor]:
    """Return what the loss has to say of drawn pictures, and `warp`, weighted by a stage's settings.

    truth: [B, 3, S, S]. head: of the true picture.
    """

    def importance(size: int) -> Tensor:
        expressive = torch.cat([loss.mouth, loss.eyes])
        return importance_map(head, size, expressive=expressive, peak=float(settings["peak"]))

    size = truth.shape[-1]
    terms = loss(drawn.picture, truth, importance(size), head, step=step)
    # The warp alone must already be good: what is copied needs no drawing.
    warped = torch.nn.functional.avg_pool2d((drawn.warped - truth).abs(), 2)
    terms["warp"] = (warped * importance(size // 2)).mean()
    return {name: float(settings[name]) * term for name, term in terms.items()}


def window_at(step: int, size: int) -> tuple[slice | EllipsisType, ...]:
    """Return a step's window of WHOLE pixels a side in pictures of a size; the windows of all steps cover them evenly.

    A large picture's fine detail is seen so at a small one's cost.
    """
    top, left = (int(step * share % 1 * (size - WHOLE + 1)) for share in PLASTIC)
    return (..., slice(top, top + WHOLE), slice(left, left + WHOLE))


def hold_still(talker: nn.Module, learns: list[str] | None) -> list[nn.Module]:
    """Keep the weights of all modules but those named from learning; returns the modules that are held.

    `learns`: modules by their full names; None holds nothing. Raises TrainingError where one is no module.
    """
    if learns is None:
        return []
    modules = dict(talker.named_modules())
    if wrong := [name for name in learns if name not in modules]:
        raise TrainingError(f"there is no module {wrong[0]!r} that could learn")
    talker.requires_grad_(False)
    for name in learns:
        modules[name].requires_grad_(True)
    return [
        module
        for name, module in modules.items()
        if not any(
            f"{each}.".startswith(f"{name}." if name else "") or name.startswith(f"{each}.")
            for each in learns
        )
    ]


def load_filmed(
    settings: dict[str, Any], *, data: Path, cache: Path, size: int, level: LevelFace, estimate: Estimate
) -> tuple[Filmed, Filmed | None]:
    """Load what a picture stage learns from: the clips, and the portraits where it asks for a share of them and there
    are any."""

    def filmed(name: str, footage: Footage) -> Filmed:
        student = settings["heads"] == "student"
        return Filmed(footage, estimate(name, footage) if student else teacher_heads(footage, level))

    least = int(settings.get("crop", 0))
    clips = filmed("clips", load_clips(data, cache, size=size, level=level, least_crop=least))
    if not float(settings.get("portraits", 0)):
        return clips, None
    portraits = load_portraits(data, size=size, level=level)
    return clips, None if portraits is None else filmed("portraits", portraits)


def picture_stage(
    profile: NetworkProfile,
    *,
    clips: Filmed,
    portraits: Filmed | None,
    level: LevelFace,
    settings: dict[str, Any],
    perceptual: Path,
    device: torch.device,
) -> Stage:
    """Set up stage two from its footage and the perceptual backbone's file."""
    rows = level.rows(KEYPOINT_VERTICES)
    twins = [KEYPOINT_VERTICES.index(level.vertices[level.mirror[row]]) for row in rows]
    batch_size = int(settings["batch"])
    size = int(settings["size"])
    batches = PairBatches(
        clips,
        size=size,
        batch=batch_size,
        mirror=np.array(twins),
        dropout=float(settings.get("dropout", 0)),
        portraits=portraits,
        share=float(settings.get("portraits", 0)),
    )
    talker = channels_last(talking_head(profile)).to(device)
    held = hold_still(talker, settings.get("learns"))
    finished = bool(settings.get("finished", False))
    if finished:  # its norms have seen all that they will count
        held += [module for module in talker.modules() if isinstance(module, nn.BatchNorm2d)]
    loss = PictureLoss(perceptual, scales=int(settings["scales"]), judged="lpips" in settings)
    loss = channels_last(loss).to(device)
    game = None
    if has_game(settings):
        judges = [Discriminator(scales=scales_for(size)), Discriminator(scales=1, widths=CLOSE_WIDTHS)]
        game = Game(channels_last(Rival(judges)).to(device), settings)

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        for module in held:
            module.eval()  # a norm that went on counting would be another network's
        truth, driving = pictures_of(batch, "driving"), heads_of(batch, "driving")
        with torch.autocast(device.type, torch.bfloat16):
            drawn = talker.draw(
                talker.prepare(pictures_of(batch, "source")), heads_of(batch, "source"), driving_of(batch)
            )
        against: dict[str, Tensor] = {}
        if game is not None:
            real, shown = ([p, loss.close_ups(p, driving)] for p in (truth, drawn.picture))
            with torch.autocast(device.type, torch.bfloat16):
                against = game.terms(real, shown, step)
        return (
            drawn_terms(loss, drawn, truth, driving, settings, step=step)
            | detail_of(drawn.picture, truth, step)
            | against
        )

    def detail_of(drawn: Tensor, truth: Tensor, step: int) -> dict[str, Tensor]:
        if "detail" not in settings:
            return {}
        window = window_at(step, size)
        return {"detail": float(settings["detail"]) * loss.distance(drawn[window], truth[window], None)}

    drawn_ahead = PairBatches(clips, size=size, batch=6, mirror=np.array(twins))
    fixed = {name: value.to(device) for name, value in drawn_ahead(np.random.default_rng(7)).items()}

    def sheet(weights: dict[str, Tensor]) -> NDArray[Any]:
        shown = talking_head(profile).to(device)
        shown.load_state_dict(weights)
        shown.eval()
        with torch.no_grad():
            source = pictures_of(fixed, "source")
            drawn = shown.draw(shown.prepare(source), heads_of(fixed, "source"), heads_of(fixed, "driving"))
        return draw_sheet(source, pictures_of(fixed, "driving"), drawn)

    return Stage(
        talker,
        losses,
        batches,
        betas=(0.9, 0.999) if finished else (0.5, 0.999),  # the paper's, for what is far from where it goes
        sheet=sheet,
        rival=None if game is None else game.rival,
    )
