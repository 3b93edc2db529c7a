"""A stage of a training: a network, its losses and its batches, whoever runs them and for how long."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.large import take_over
from models.training.feed import Batch, default_workers, feed
from models.training.loop import Average, TrainingError, train

if TYPE_CHECKING:
    from lightning.fabric import Fabric

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
    rival: nn.Module | None = (
        None  # a discriminator that learns beside the network, by terms of the same losses
    )

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


def train_stage(
    stage: Stage,
    *,
    folder: Path,
    settings: dict[str, Any],
    minutes: float | None,
    fabric: "Fabric | None" = None,
) -> Average:
    """Train a stage by its run file's settings; resumes from the folder. See `models.training.loop.train`."""
    rank, world = (0, 1) if fabric is None else (fabric.global_rank, fabric.world_size)

    def batches(first: int) -> Iterator[Batch]:
        return feed(
            stage.batches,
            seed=int(settings["seed"]),
            start=first * world + rank,
            stride=world,
            device=stage.device,
            workers=max(1, default_workers(stage.device) // world),
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
        rival=stage.rival,
        betas=stage.betas,
        decay=float(settings["decay"]),
        every=int(settings.get("every", 500)),
        on_checkpoint=sheet,
        minutes=minutes,
        fabric=fabric,
    )


def begin_from(network: nn.Module, weights: dict[str, Tensor], *, name: str) -> None:
    """Load the weights that the stage of a name begins from; raises TrainingError where they do not fit."""
    try:
        take_over(network, weights)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"the weights to go on from do not fit {name}: {reason}") from None


def write_sheet(path: Path, sheet: NDArray[Any], *, width: int | None = None) -> None:
    """Write a sheet [h, w, 3] of samples as PNG, at most `width` pixels wide."""
    if width is not None and sheet.shape[1] > width:
        height = round(sheet.shape[0] * width / sheet.shape[1])
        sheet = cv2.resize(sheet, (width, height), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), np.ascontiguousarray(sheet[..., ::-1]))
