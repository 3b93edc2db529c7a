"""Training by the clock: stages that share a number of minutes, their schedules a share of the time and not of steps.

A machine may be a hundred times faster than another, so nothing here counts on a number of steps: the learning rate
falls along a cosine over a stage's minutes, and the weights are left in parts every minute and at the end.
"""

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.paper.profile import PaperProfile
from models.profile import NetworkProfile
from models.training.estimates import estimate_heads
from models.training.feed import default_workers, feed
from models.training.footage import Footage
from models.training.kinds import PERCEPTUAL, Material, needs, set_up, student_of
from models.training.loop import Average, TrainingError, adam, all_finite, descend
from models.training.losses import backbone_file
from models.training.pairs import Heads
from models.training.parts import StageWeights
from models.training.results import CURVE_POINTS, Curve, Results, save_sheet
from models.training.runfile import is_taken, shipped_weights, weights_of_network
from models.training.stage import Stage, begin_from

CACHE = Path("runs/cache")  # of a data folder's decoded frames; a pack needs none
SAVE_EVERY_S = 60.0
WARM_UP_STEPS, WARM_UP_SHARE = 200, 0.03  # of the learning rate, whichever is over first
Report = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What a bounded run is asked for."""

    data: Path
    shares: dict[str, float]  # of the time, by stage, in the order of training
    ends: float  # time.monotonic() at which everything is written
    output: Path
    start: Path | None  # folder of parts
    perceptual: Path | None
    batch: int | None
    device: torch.device
    workers: int | None


def parse_stages(named: Iterable[str], stages: list[dict[str, Any]]) -> dict[str, float]:
    """Turn NAME or NAME=SHARE into shares of the time in the order given; raises TrainingError."""
    known = [stage["name"] for stage in stages if not is_taken(stage)]
    shares: dict[str, float] = {}
    for text in named:
        name, _, share = text.partition("=")
        if name not in known:
            raise TrainingError(f"the run has no stage {name!r}; it has {', '.join(known)}")
        try:
            shares[name] = float(share or 1)
        except ValueError:
            raise TrainingError(f"the share in {text!r} is no number") from None
        if not 0 < shares[name] < math.inf:
            raise TrainingError(f"the share in {text!r} is not above 0")
    return shares


def timed_rate(share: float, step: int, *, peak: float) -> float:
    """Return the learning rate after a share of the time: a short rise, then a cosine to a fiftieth."""
    rise = min(1.0, max((step + 1) / WARM_UP_STEPS, share / WARM_UP_SHARE))
    return peak * rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def run_stages(
    profile: NetworkProfile | PaperProfile, stages: list[dict[str, Any]], order: Order, *, report: Report
) -> None:
    """Train the stages of an order one after the other until its time is over.

    Raises:
        TrainingError: what a stage lacks, losses that are not numbers (the last good weights are left), a full disk.
        DataError: data that cannot be trained from.
    """
    by_name = {stage["name"]: stage for stage in stages}
    chosen = [by_name[name] for name in order.shares]
    pictures = [stage for stage in chosen if stage["kind"] in PERCEPTUAL]
    if pictures:
        backbone_file(order.perceptual, order.data)
    results = Results(order.output, order.start, sheets=len(pictures))
    wanted = {other for settings in chosen for other in needs(settings, stages)}
    given = {
        stage["name"]: StageWeights(shipped_weights(stage), None, 0)
        for stage in stages
        if is_taken(stage) and stage["name"] in wanted - set(results.held)
    }
    for settings in chosen:
        _require(settings, stages, given | results.held, earlier=list(order.shares))
    waiting = dict(order.shares)
    for settings in chosen:
        name, began = settings["name"], time.monotonic()
        ends = began + (order.ends - began) * waiting[name] / sum(waiting.values())
        del waiting[name]
        held = given | results.held
        settings = settings | {"batch": order.batch or settings["batch"]}
        stage = set_up(profile, settings, _material(profile, settings, stages, held, order, ends=ends))
        start = held.get(settings.get("start", ""))
        run_stage(stage, settings, results, order, start=start, began=began, ends=ends, report=report)


def run_stage(
    stage: Stage,
    settings: dict[str, Any],
    results: Results,
    order: Order,
    *,
    start: StageWeights | None = None,
    began: float,
    ends: float,
    report: Report,
) -> None:
    """Train one stage until `ends`, its own set-up since `began` counted in, and leave what it learned.

    `start` holds the weights of the stage that it goes on from, unless it was trained before itself.
    """
    name, batch = settings["name"], int(settings["batch"])
    peak, network, device = float(settings["rate"]), stage.network, stage.device
    average = Average(network, decay=float(settings["decay"]))
    first = _take_up(average, stage, results.before.get(name), start, name=name)
    networks = [network] if stage.rival is None else [network, stage.rival]
    optimiser = adam(networks, peak=peak, betas=stage.betas)
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    curve = Curve({"name": name, "device": machine, "batch": batch, "first_step": first})
    good = _weights(average, stage, first)
    # The first save finds a full disk or too many parts before the minutes are spent, and how long the last will take.
    took_s = results.save(name, good, curve.record) + save_sheet(stage, average, results.output, name)
    last = ends - 2 * took_s - 0.5
    workers = order.workers or default_workers(device)
    batches = feed(stage.batches, seed=int(settings["seed"]), start=first, device=device, workers=workers)
    ready = next(batches)
    for each in networks:
        each.train()
    # The schedule runs from the first batch on: what comes before it is no part of it.
    starts = now = saved = told = time.monotonic()
    step, pace, span_s = first, 0.0, max(1.0, (last - starts) / CURVE_POINTS)
    if now >= last:
        raise TrainingError(
            f"setting up {name} took {now - began:.0f} of its {ends - began:.0f} seconds, which leaves none to train"
        )
    while now + pace < last:
        losses = stage.losses(ready, step)
        rate = timed_rate((now - starts) / max(1e-3, last - starts), step - first, peak=peak)
        descend(optimiser, losses, rate=rate)
        average.update(network)
        curve.add(losses)
        step += 1
        ready = next(batches)
        pace, now = time.monotonic() - now, time.monotonic()
        if now - told < span_s and now + pace < last:
            continue
        if not curve.close_span(step, (now - began) / 60) or not all_finite(networks):
            results.save(name, good, curve.record)
            raise TrainingError(
                f"the losses or weights of {name} are not numbers before step {step};"
                f" the weights of step {good.steps} are kept"
            )
        told, good = now, _weights(average, stage, step)
        speed = round((step - first) * batch / (now - starts), 1)
        curve.record |= {"steps": step - first, "samples_per_s": speed, "minutes": curve.points[-1]["minute"]}
        if now - saved >= SAVE_EVERY_S:
            results.save(name, good, curve.record)
            saved = now
            report(f"{name}: {speed} samples/s, {json.dumps(curve.points[-1])}")
    batches.close()  # type: ignore[attr-defined]
    results.save(name, good, curve.record)
    results.records.append(curve.record)
    save_sheet(stage, average, results.output, name)
    report(f"{name}: {step - first} steps, {speed} samples/s, left in {results.output}")


def _require(
    settings: dict[str, Any],
    stages: list[dict[str, Any]],
    held: dict[str, StageWeights],
    *,
    earlier: list[str],
) -> None:
    name = settings["name"]
    ready = set(held) | set(earlier[: earlier.index(name)])
    for other in needs(settings, stages):
        if name in held and other == settings.get("start"):
            continue
        if other not in ready:
            raise TrainingError(
                f"the stage {name} goes on from {other}: train {other} before it, or give its parts with --from"
            )


def _material(
    profile: NetworkProfile | PaperProfile,
    settings: dict[str, Any],
    stages: list[dict[str, Any]],
    held: dict[str, StageWeights],
    order: Order,
    *,
    ends: float,
) -> Material:
    def weights(name: str) -> dict[str, Tensor]:
        return held[name].average

    def estimate(_: str, footage: Footage) -> Heads:
        assert isinstance(profile, NetworkProfile)
        student = weights_of_network(weights(student_of(stages, settings)), "student")
        return estimate_heads(profile, student, footage, device=order.device, ends=ends)

    return Material(order.data, CACHE, order.perceptual, order.device, weights, estimate)


def _take_up(
    average: Average, stage: Stage, before: StageWeights | None, start: StageWeights | None, *, name: str
) -> int:
    """Load the weights that a stage goes on from into networks and average; returns the steps behind it."""
    weights = before or start
    if weights is None:
        return 0
    begin_from(stage.network, weights.average, name=name)
    for weight, value in stage.network.state_dict().items():
        average.values[weight].copy_(value)
    if before is None:
        return 0
    if before.network is not None:
        begin_from(stage.network, before.network, name=name)
    if before.rival is not None and stage.rival is not None:
        begin_from(stage.rival, before.rival, name=f"{name}'s discriminator")
    average.steps = before.steps
    return before.steps


def _weights(average: Average, stage: Stage, steps: int) -> StageWeights:
    rival = None if stage.rival is None else _copy(stage.rival.state_dict())
    return StageWeights(_copy(average.values), _copy(stage.network.state_dict()), steps, rival)


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights.items()}
