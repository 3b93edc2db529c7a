"""What every training shares: the average of the weights, checkpoints that resume exactly, progress."""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:  # a machine that trains by the clock need not have it
    from lightning.fabric import Fabric


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


def adam(networks: Sequence[nn.Module], *, peak: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Return the optimiser of networks that learn together, a group of weights each."""
    groups = [{"params": list(network.parameters())} for network in networks]
    return torch.optim.Adam(groups, lr=peak, betas=betas)


def descend(
    optimiser: torch.optim.Optimizer,
    losses: dict[str, Tensor],
    *,
    rate: float,
    fabric: "Fabric | None" = None,
) -> None:
    """Take one step of a learning rate against the sum of losses, each group's gradient clipped to a length of 10.

    `fabric`: the processes whose gradients' mean is followed.
    """
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()
    if fabric is not None and fabric.world_size > 1:
        share_gradients(fabric, [each for group in optimiser.param_groups for each in group["params"]])
    for group in optimiser.param_groups:
        nn.utils.clip_grad_norm_(group["params"], 10.0)
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
    except (OSError, RuntimeError) as error:  # torch's own writer knows no errors of the system
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"the checkpoint {path} could not be written ({error}); the last one stays"
        ) from None


def mean_over(fabric: "Fabric | None", value: Tensor) -> Tensor:
    """Return the mean of the processes' values."""
    if fabric is None:
        return value
    mean = fabric.all_reduce(value, reduce_op="mean")
    assert isinstance(mean, Tensor)
    return mean


def share_gradients(fabric: "Fabric", parameters: Iterable[Tensor]) -> None:
    """Give every process the mean of the processes' gradients."""
    gradients = [each.grad for each in parameters if each.grad is not None]
    flat = mean_over(fabric, torch.cat([each.reshape(-1) for each in gradients]))
    for gradient, part in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
        gradient.copy_(part.view(gradient.shape))


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint; None where there is none. Raises TrainingError where it is damaged."""
    if not path.exists():
        return None
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # what unpickling damaged bytes raises has no end
        raise TrainingError(f"{path} is damaged: {error}") from None


def all_finite(networks: Iterable[nn.Module]) -> bool:
    """Say whether all weights are numbers."""
    weights = [weight.detach() for network in networks for weight in network.parameters()]
    return bool(torch.stack(torch._foreach_norm(weights)).isfinite().all())


def train(
    network: nn.Module,
    step_losses: Callable[[Any, int], dict[str, Tensor]],
    batches: Callable[[int], Iterator[Any]],
    *,
    folder: Path,
    steps: int,
    batch: int,
    peak: float,
    rival: nn.Module | None = None,
    betas: tuple[float, float] = (0.5, 0.999),
    warm_up: int = 200,
    decay: float = 0.999,
    every: int = 500,
    on_checkpoint: Callable[[int, Average], None] | None = None,
    minutes: float | None = None,
    fabric: "Fabric | None" = None,
) -> Average:
    """Train a network until `steps` or `minutes` are over; resumes from the folder's checkpoint.

    Args:
        network: what is trained, in place.
        rival: a discriminator that is trained beside it, by terms of the same losses; of it there is no average.
        step_losses: batch and step number -> named losses, already weighted; their sum is minimised.
        batches: first batch's number -> batches.
        folder: where checkpoint.pt, losses.jsonl and TensorBoard's scalars live.
        steps, batch, peak, betas, warm_up: the schedule; `peak` is the highest learning rate.
        decay: of the average of the weights.
        every: steps between checkpoints.
        on_checkpoint: called with the step and the average (for sample sheets).
        minutes: wall-clock bound of this call.
        fabric: the processes that train together, each on batches of its own, from the same weights; the first alone
            writes.

    Returns:
        The average of the weights.

    Raises:
        TrainingError: losses that are not numbers, a checkpoint that cannot be written, or one that is damaged or
            another's.
    """
    from models.training.log import (
        Log,  # only here: a machine that trains by the clock need not have TensorBoard
    )

    networks = {"network": network} | ({} if rival is None else {"rival": rival})
    optimiser = adam(list(networks.values()), peak=peak, betas=betas)
    average = Average(network, decay=decay)
    checkpoint, writes = folder / "checkpoint.pt", fabric is None or fabric.is_global_zero
    step = 0

    def state(step: int) -> dict[str, Any]:
        held: dict[str, Any] = {name: each.state_dict() for name, each in networks.items()}
        held |= {"optimiser": optimiser.state_dict(), "step": step}
        return held | {"average": average.values, "average_steps": average.steps}

    before = read_checkpoint(checkpoint) if writes else None
    if fabric is not None:
        before = fabric.broadcast(before)
    if before is not None:
        try:
            for name, each in networks.items():
                each.load_state_dict(before[name])
            optimiser.load_state_dict(before["optimiser"])
            for name, value in average.values.items():
                value.copy_(before["average"][name])
            average.steps, step = int(before["average_steps"]), int(before["step"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise TrainingError(
                f"{checkpoint} is no checkpoint of this stage as it is now ({reason}): train into another folder"
            ) from None
    first = step

    def keep() -> None:
        if not writes:
            return
        if not all_finite(networks.values()):
            raise TrainingError(f"a weight is not a number at step {step}; the checkpoint before it stays")
        save_checkpoint(checkpoint, state(step))
        if on_checkpoint is not None:
            on_checkpoint(step, average)

    for each in networks.values():
        each.train()
    ends = math.inf if minutes is None else time.monotonic() + 60 * minutes
    over = step >= steps
    samples = batch * (1 if fabric is None else fabric.world_size)
    folder.mkdir(parents=True, exist_ok=True)
    feed = batches(first)
    with Log(folder, first=first, steps=steps, batch=samples) if writes else nullcontext() as log:
        while not over:
            losses = step_losses(next(feed), step)
            told = torch.stack(list(losses.values())).sum().detach()
            told = torch.stack([told, told.new_tensor(float(time.monotonic() >= ends))])
            # Whoever finds his time over, or no number, stops all.
            total, late = mean_over(fabric, told).tolist()
            if not math.isfinite(total):
                raise TrainingError(
                    f"the loss is not a number at step {step}; the checkpoint before it stays"
                )
            rate = learning_rate(step, steps=steps, peak=peak, warm_up=warm_up)
            descend(optimiser, losses, rate=rate, fabric=fabric)
            average.update(network)
            step += 1
            over = step >= steps or late > 0
            if log is not None:
                log.add(step, losses)
            if step % every == 0 or over:
                keep()
    feed.close()  # type: ignore[attr-defined]
    return average
