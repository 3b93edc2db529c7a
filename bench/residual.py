"""What a residual code repairs: strangers with a hand or an object pasted over a tenth of the picture, redrawn as in a
call, which knows of no such thing, and repaired. LPIPS over the object's box before and after, and the code's size. It
knows clips, a talker and a residual network; it trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from bench.clips import Clip, Picture, read_footage
from bench.errors import BenchError
from bench.judge import PictureJudge
from bench.metrics.landmarks import Box
from bench.quality import sampled
from bench.sheet import Row
from bench.statistics import bootstrap_interval, geometric_mean
from bench.talk import Setup, Source, draw, motion_of, take_source
from models.residual import CODE_CHANNELS, Residual
from models.training.loop import TrainingError
from models.training.occluders import paste_object
from models.training.runfile import average_of

# Of the picture, as the aim is worded.
AREA = 0.1
SEED = 41


@dataclass(frozen=True)
class Repair:
    """A repaired picture uint8 SxSx3, and how many of the code's cells were sent, of how many."""

    picture: Picture
    cells_sent: int
    cells: int

    @property
    def code_bytes(self) -> float:
        """What the code weighs before entropy coding: its sent signs, and a bit a cell that says which those are."""
        return (self.cells_sent * CODE_CHANNELS + self.cells) / 8


class Repairer(Protocol):
    """What repairs a redrawn picture, both uint8 SxSx3."""

    def __call__(self, picture: Picture, redrawn: Picture) -> Repair:
        """Code the difference, decode it again, and add it."""


@dataclass(frozen=True)
class Case:
    """A frame as the camera saw it, redrawn and repaired; the box is the object's, None where there is none."""

    picture: Picture
    redrawn: Picture
    repair: Repair
    box: Box | None


def load_repairer(folder: Path) -> Repairer:
    """Load the residual network that a training stage left in `folder`; raise BenchError where it left none."""
    network = Residual().eval()
    try:
        network.load_state_dict(average_of(folder))
    except TrainingError as error:
        raise BenchError(f"{error}.") from error
    except RuntimeError as error:
        raise BenchError(f"{folder} holds another network than the residual's.") from error

    def repair(picture: Picture, redrawn: Picture) -> Repair:
        with torch.inference_mode():
            repaired, code = network(_tensor(picture), _tensor(redrawn))
            sent = int(code.kept.sum())
        values = np.rint(repaired[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255)
        return Repair(values.astype(np.uint8), sent, code.significance.numel())

    return repair


def run_residual(
    setup: Setup,
    clips: Sequence[Clip],
    repairer: Repairer,
    judge: PictureJudge,
    *,
    every: int,
    on_clip: Callable[[str], None],
    shown: list[Row] | None = None,
) -> dict[str, Any]:
    """Return the bench's JSON: `clips` and `summary`; every `every`-th frame is seen with an object and without.

    `region_lpips` is over the object's box, `lpips` over the picture, `_redrawn` before the repair; `_ratio` is after
    over before, in the summary the geometric mean over clips. `plain_` are the frames with nothing before the face.
    A row a clip of what was covered, redrawn and repaired is added to `shown`.
    """
    rng = np.random.default_rng(SEED)
    rows: list[dict[str, Any]] = []
    other: Picture | None = None
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        origin = take_source(setup, footage, source="first")
        covered, plain = [], []
        for index in sampled(len(footage.pictures), every):
            picture = footage.pictures[index]
            # The object's surface comes from a person that is not in the picture, but for the first clip's.
            seen, mask = paste_object(picture, origin.picture if other is None else other, rng, area=AREA)
            covered.append(_case(setup, origin, repairer, seen, _box_of(mask)))
            plain.append(_case(setup, origin, repairer, picture, None))
        other = origin.picture
        if shown is not None:
            first = covered[0]
            pictures = (first.picture, first.redrawn, first.repair.picture)
            size = f"repaired, {first.repair.code_bytes:.0f} bytes"
            shown.append(Row(pictures, (f"{clip.name}: covered", "redrawn", size)))
        rows.append({"name": clip.name, **_figures(judge, covered), **_plain(judge, plain)})
    return {"profile": setup.profile, "every": every, "clips": rows, "summary": _summary(rows)}


def _case(setup: Setup, origin: Source, repairer: Repairer, seen: Picture, box: Box | None) -> Case:
    redrawn = draw(setup, origin, motion_of(setup, seen, origin))
    return Case(seen, redrawn, repairer(seen, redrawn), box)


def _lpips(judge: PictureJudge, cases: Sequence[Case]) -> tuple[float, float]:
    """Return LPIPS before and after the repair."""
    rivals = [[case.redrawn for case in cases], [case.repair.picture for case in cases]]
    before, after = judge.lpips([case.picture for case in cases], rivals).mean(1)
    return float(before), float(after)


def _figures(judge: PictureJudge, cases: Sequence[Case]) -> dict[str, float]:
    rivals = [[case.redrawn for case in cases], [case.repair.picture for case in cases]]
    boxes = [case.box for case in cases]
    regions = judge.face_lpips([case.picture for case in cases], boxes, rivals).mean(1)
    before, after = _lpips(judge, cases)
    return {
        "region_lpips": float(regions[1]),
        "region_lpips_redrawn": float(regions[0]),
        "region_lpips_ratio": float(regions[1] / regions[0]),
        "lpips": after,
        "lpips_redrawn": before,
        "lpips_ratio": after / before,
        "code_bytes": float(np.mean([case.repair.code_bytes for case in cases])),
        "sent_share": float(np.mean([case.repair.cells_sent / case.repair.cells for case in cases])),
    }


def _plain(judge: PictureJudge, cases: Sequence[Case]) -> dict[str, float]:
    before, after = _lpips(judge, cases)
    return {
        "plain_lpips": after,
        "plain_lpips_redrawn": before,
        "plain_code_bytes": float(np.mean([case.repair.code_bytes for case in cases])),
    }


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    summary = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "name"}
    for key in ("region_lpips_ratio", "lpips_ratio"):
        ratios = [row[key] for row in rows]
        summary[key] = geometric_mean(ratios)
        summary[f"{key}_low"], summary[f"{key}_high"] = bootstrap_interval(ratios)
    summary["halved_share"] = float(np.mean([row["region_lpips_ratio"] <= 0.5 for row in rows]))
    return summary


def _box_of(mask: npt.NDArray[np.uint8]) -> Box:
    rows, columns = np.nonzero(mask)
    return Box(float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))


def _tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 255)[None]
