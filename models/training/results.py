"""What a bounded run leaves: weights in parts, the curves of its losses, sample sheets; eight files at most."""

import contextlib
import json
import math
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from models.training.loop import Average, TrainingError
from models.training.parts import StageWeights, read_parts, write_parts
from models.training.stage import Stage, write_sheet

FILES = 8  # that a run leaves at most: parts, losses.json, a sheet for each picture stage, one that is being written
SHEET_WIDTH = 896  # pixels
CURVE_POINTS = 200  # of a stage in losses.json


class Results:
    """What a run leaves in its folder: all stages' weights, the curves of their losses, and sheets."""

    def __init__(self, output: Path, start: Path | None, *, sheets: int) -> None:
        self.output = output
        self.most = FILES - 2 - sheets
        held = read_parts(start) if start is not None else {}
        # Of stages that this run does not train only the averages are carried along, but for those it goes on from.
        self.before = held
        self.held = {name: StageWeights(each.average, None, each.steps) for name, each in held.items()}
        self.records: list[dict[str, Any]] = []
        if start is not None:
            with contextlib.suppress(OSError, ValueError, KeyError):  # the curves of before are a courtesy
                self.records = list(json.loads((start / "losses.json").read_text())["stages"])

    def save(self, name: str, weights: StageWeights, record: dict[str, Any]) -> float:
        """Write everything with a stage's newest weights and curve; returns how many seconds it took."""
        began = time.monotonic()
        self.held[name] = weights
        write_parts(self.output, self.held, most=self.most)
        try:
            partial = self.output / "losses.json.partial"
            partial.write_text(json.dumps({"stages": [*self.records, record]}, indent=1))
            partial.replace(self.output / "losses.json")
        except OSError as error:
            raise TrainingError(f"the losses could not be written to {self.output}: {error}") from None
        return time.monotonic() - began


class Curve:
    """Mean losses over spans of about a second or more, and the record that losses.json keeps of a stage."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.points: list[dict[str, Any]] = []
        self.record: dict[str, Any] = about | {"curve": self.points}
        self.sums: dict[str, Tensor] = {}
        self.steps = 0  # in the span

    def add(self, losses: dict[str, Tensor]) -> None:
        """Add a step's losses: summed where they are, for asking for their numbers would halt a GPU."""
        self.steps += 1
        for term, value in losses.items():
            value = value.detach()
            self.sums[term] = self.sums[term] + value if term in self.sums else value

    def close_span(self, step: int, minute: float) -> bool:
        """End a span before `step`; returns whether its losses were numbers, which alone are noted."""
        means = {term: round(value.item() / self.steps, 5) for term, value in self.sums.items()}
        self.sums, self.steps = {}, 0
        if not all(map(math.isfinite, means.values())):
            return False
        self.points.append({"minute": round(minute, 3), "step": step} | means)
        return True


def save_sheet(stage: Stage, average: Average, output: Path, name: str) -> float:
    """Write a stage's sheet, where it has one; returns how many seconds it took."""
    began = time.monotonic()
    if stage.sheet is not None:
        write_sheet(output / f"{name}.png", stage.sheet(average.values), width=SHEET_WIDTH)
    return time.monotonic() - began
