"""What every training shares: the average of the weights, checkpoints that resume exactly, progress."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn


class TrainingError(Exception):
    """A training that cannot go on."""


class Average:
    """Exponential moving average of a network's weights and statistics: what ships."""

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def update(self, network: nn.Module) -> None:
        """Move towards the network; the average is short at first, so that it forgets the start."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        kept: list[Tensor] = []
        moved: list[Tensor] = []
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                kept.append(self.values[name])
                moved.append(value.detach())
            else:
                self.values[name].copy_(value)
        torch._foreach_lerp_(kept, moved, 1 - decay)  # one call: on a GPU every call costs more than its sums


def descend(network: nn.Module, optimiser: torch.optim.Optimizer, total: Tensor, *, rate: float) -> None:
    """Take one step of a learning rate against a loss, its gradient clipped to a length of 10."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 10.0)
    optimiser.step()


def learning_rate(step: int, *, steps: int, peak: float, warm_up: int) -> float:
    """Rise linearly over the warm-up, then fall along a cosine to a fiftieth."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    share = min(1.0, (step - warm_up) / max(1, steps - warm_up))
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a full disk or a kill leaves the last good one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    try:
        torch.save(state, partial)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"the checkpoint {path} could not be written ({error}); the last one stays"
        ) from None


def train(
    network: nn.Module,
    step_losses: Callable[[Any, int], dict[str, Tensor]],
    batches: Callable[[int], Iterator[Any]],
    *,
    folder: Path,
    steps: int,
    batch: int,
    peak: float,
    betas: tuple[float, float] = (0.5, 0.999),
    warm_up: int = 200,
    decay: float = 0.999,
    every: int = 500,
    on_checkpoint: Callable[[int, Average], None] | None = None,
    minutes: float | None = None,
) -> Average:
    """Train a network until `steps` or `minutes` are over; resumes from the folder's checkpoint.

    Args:
        network: what is trained, in place.
        step_losses: batch and step number -> named losses, already weighted; their sum is minimised.
        batches: first batch's number -> batches.
        folder: where checkpoint.pt and losses.jsonl live.
        steps, batch, peak, betas, warm_up: the schedule; `peak` is the highest learning rate.
        decay: of the average of the weights.
        every: steps between checkpoints.
        on_checkpoint: called with the step and the average (for sample sheets).
        minutes: wall-clock bound of this call.

    Returns:
        The average of the weights.

    Raises:
        TrainingError: losses that are not numbers, or a checkpoint that cannot be written.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=peak, betas=betas)
    average = Average(network, decay=decay)
    checkpoint, first = folder / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=next(network.parameters()).device)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average.values, average.steps, first = state["average"], state["average_steps"], state["step"]
    folder.mkdir(parents=True, exist_ok=True)
    ends = math.inf if minutes is None else time.monotonic() + 60 * minutes
    running: dict[str, float] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

    def keep(step: int) -> None:
        state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
        save_checkpoint(checkpoint, state | {"average": average.values, "average_steps": average.steps})
        if on_checkpoint is not None:
            on_checkpoint(step, average)

    network.train()
    began, step = time.monotonic(), first
    with Progress(*columns) as progress, (folder / "losses.jsonl").open("a") as log:
        bar = progress.add_task(folder.name, total=steps, completed=first)
        feed = batches(first)
        while step < steps and time.monotonic() < ends:
            losses = step_losses(next(feed), step)
            total = torch.stack(list(losses.values())).sum()
            if not torch.isfinite(total):
                raise TrainingError(
                    f"the loss is not a number at step {step}; the checkpoint before it stays"
                )
            rate = learning_rate(step, steps=steps, peak=peak, warm_up=warm_up)
            descend(network, optimiser, total, rate=rate)
            average.update(network)
            step += 1
            for name, value in losses.items():
                running[name] = running.get(name, value.item()) * 0.98 + value.item() * 0.02
            if step % 50 == 0:
                speed = (step - first) * batch / (time.monotonic() - began)
                log.write(json.dumps({"step": step, "samples_per_s": round(speed, 1)} | running) + "\n")
                log.flush()
                text = " ".join(f"{name} {value:.4f}" for name, value in running.items())
                progress.update(bar, completed=step, description=f"{folder.name} {speed:.0f}/s {text}")
            if step % every == 0:
                keep(step)
        feed.close()  # type: ignore[attr-defined]
        if step % every:
            keep(step)
    return average
