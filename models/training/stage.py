"""A stage of a training: a network, its losses and its batches, whoever runs them and for how long."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.feed import Batch, default_workers, feed
from models.training.loop import Average, TrainingError, train

Sheet = Callable[[dict[str, Tensor]], NDArray[Any]]


@dataclass(frozen=True)
class Stage:
    """What a loop needs to know."""

    network: nn.Module  # on its device
    losses: Callable[
        [Batch, int], dict[str, Tensor]
    ]  # a batch and its step -> named losses, already weighted
    batches: Callable[[np.random.Generator], Batch]
    betas: tuple[float, float] = (0.5, 0.999)
    sheet: Sheet | None = None  # weights -> what they draw, uint8 RGB

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name; `auto` takes the GPU where there is one. Raises TrainingError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise TrainingError(f"there is no device {name!r}; it is auto, cpu or cuda") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise TrainingError("torch finds no CUDA device here; --device cpu trains without one")
        torch.backends.cudnn.benchmark = True  # every batch has the same shape
        torch.backends.cudnn.allow_tf32 = False  # what is left in float32 is small differences of large sums
    elif device.type != "cpu":
        raise TrainingError(f"training runs on cpu or cuda, not on {name}")
    return device


def train_stage(stage: Stage, *, folder: Path, settings: dict[str, Any], minutes: float | None) -> Average:
    """Train a stage by its run file's settings; resumes from the folder. See `models.training.loop.train`."""

    def batches(first: int) -> Iterator[Batch]:
        workers = default_workers(stage.device)
        return feed(
            stage.batches, seed=int(settings["seed"]), start=first, device=stage.device, workers=workers
        )

    def sheet(step: int, average: Average) -> None:
        if stage.sheet is not None:
            write_sheet(folder / f"sheet-{step:06d}.png", stage.sheet(average.values))

    return train(
        stage.network,
        stage.losses,
        batches,
        folder=folder,
        steps=int(settings["steps"]),
        batch=int(settings["batch"]),
        peak=float(settings["rate"]),
        betas=stage.betas,
        decay=float(settings["decay"]),
        every=int(settings.get("every", 500)),
        on_checkpoint=sheet,
        minutes=minutes,
    )


def write_sheet(path: Path, sheet: NDArray[Any], *, width: int | None = None) -> None:
    """Write a sheet [h, w, 3] of samples as PNG, at most `width` pixels wide."""
    if width is not None and sheet.shape[1] > width:
        height = round(sheet.shape[0] * width / sheet.shape[1])
        sheet = cv2.resize(sheet, (width, height), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), np.ascontiguousarray(sheet[..., ::-1]))
