"""The speed bench: how long each stage of a frame's trip takes on every engine and profile, what it costs in processors
and memory, and how soon the first picture is drawn (MEASURES.md, 'Speed').

Every row is a process (`bench.stages`); rows take turns round by round in one run, because times on a busy machine
drift. It knows rows and their processes; what a stage is, is the row's business.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from bench.clips import Picture
from bench.references import CODECS, RATE
from bench.stages import STAGES

# Instructions that nearly every laptop has, for oneDNN, which OpenVINO's CPU plugin computes with.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
OPENVINO_ENGINES = ("openvino", "openvino-f32")
REFERENCE_ENGINES = ("onnxruntime",)
# Calls that are run before any is counted: caches fill, and clocks of processors rise.
WARM_UP_FRAMES = 3
FIGURES = ("drawn_a_second", "cpu_cores", "rss_mb", "start_s_cold", "start_s_warm")
NOTHING_SHOWN = "the bench has no screen"


@dataclass(frozen=True)
class RowPlan:
    """A row: a profile's engine (`kind` is the profile) or a codec (`kind` is 'codec'), with limits for oneDNN.

    spread: each graph on all cores, where a call keeps to one for the sake of what runs beside it.
    """

    kind: str
    name: str
    limits: Mapping[str, str] = field(default_factory=dict)
    spread: bool = False

    @property
    def label(self) -> str:
        """What the row is called."""
        ways = [way for way, taken in (("AVX2", self.limits), ("all cores", self.spread)) if taken]
        name = f"{self.name} ({', '.join(ways)})" if ways else self.name
        return name if self.kind == "codec" else f"{self.kind} {name}"


@dataclass
class Measured:
    """What a row has given so far."""

    start_s_cold: float | None = None
    start_s_warm: float | None = None
    rss_mb: float | None = None
    wall_ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)
    drawn_a_second: list[float] = field(default_factory=list)
    why: str | None = None  # the row failed

    def take(self, answer: Mapping[str, Any]) -> None:
        """Add a round's figures."""
        for whole, part in ((self.wall_ms, answer["wall_ms"]), (self.cpu_ms, answer["cpu_ms"])):
            for stage, values in part.items():
                whole.setdefault(stage, []).extend(values)
        if "drawn_a_second" in answer:
            self.drawn_a_second.append(answer["drawn_a_second"])
        self.rss_mb = answer["rss_mb"]


class Worker:
    """A row's process; `why` says what went wrong with it."""

    def __init__(self, plan: RowPlan, pictures: Path, cache: Path) -> None:
        self.why: str | None = None
        began_s = time.perf_counter()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "bench.stages", plan.kind, plan.name, str(pictures)),
                *(["spread"] if plan.spread else []),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **plan.limits, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": _import_path()},
        )
        self._read()
        self.start_s = time.perf_counter() - began_s

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, frames: int) -> dict[str, Any] | None:
        """Run a round; None once the row has failed."""
        if self.why is not None:
            return None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{frames}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.why = "the row's process ended"
            return None
        return self._read()

    def close(self) -> None:
        """End the process, and wait until it has."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.terminate()
        self._process.wait()
        with suppress(BrokenPipeError):  # a round that it did not live to read
            self._process.stdin.close()

    def _read(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"why": "the row's process ended"}
        self.why = answer.get("why")
        return None if self.why else answer


def plan_rows(profiles: Sequence[str], engines: Sequence[str], *, references: bool) -> list[RowPlan]:
    """Return the rows: every profile on every engine, OpenVINO's once more within AVX2 and both of these once more with
    each graph on all cores, and what they are held against."""
    rows = []
    for profile in profiles:
        rows += [RowPlan(profile, engine) for engine in engines]
        ours = [engine for engine in engines if engine in OPENVINO_ENGINES]
        rows += [RowPlan(profile, engine, AVX2) for engine in ours]
        rows += [RowPlan(profile, engine, limits, spread=True) for limits in ({}, AVX2) for engine in ours]
        if references:
            rows += [RowPlan(profile, engine) for engine in REFERENCE_ENGINES]
    return rows + ([RowPlan("codec", name) for name in CODECS] if references else [])


def run_speed(
    rows: Sequence[RowPlan],
    pictures: Mapping[int, Sequence[Picture]],
    sizes: Mapping[str, int],
    *,
    rounds: int,
    frames: int,
    on_step: Callable[[str], None],
) -> dict[str, Any]:
    """Return the bench's JSON: `rows`, each with `stages`, the figures of MEASURES.md and a `why` for every null.

    Args:
        rows: what is measured.
        pictures: the clip's pictures uint8 SxSx3 by S.
        sizes: S of each profile; codecs run at the first one's.
        rounds, frames: rows take turns `rounds` times, with so many frames each time.
        on_step: called with a row's name before each of its starts and rounds: `steps_of` says how often.
    """
    measured = [Measured() for _ in rows]
    with tempfile.TemporaryDirectory(prefix="visavis-speed-") as folder:
        files = {size: Path(folder) / f"{size}.npy" for size in pictures}
        for size, file in files.items():
            np.save(file, np.stack(pictures[size]))
        first = next(iter(sizes.values()))
        taken = [sizes.get(row.kind, first) for row in rows]
        workers = []
        try:
            for index, row in enumerate(rows):
                cache = Path(folder) / f"cache-{index}"
                workers.append(_start(row, measured[index], files[taken[index]], cache, on_step))
            for _ in range(rounds):
                for row, worker, found in zip(rows, workers, measured, strict=True):
                    on_step(row.label)
                    answer = worker.run(frames)
                    if answer is not None:
                        found.take(answer)
        finally:
            for worker in workers:
                worker.close()
        for worker, found in zip(workers, measured, strict=True):
            found.why = worker.why
    return {
        "machine": {"processor": _processor(), "cores": _cores(), "system": platform.system()},
        "rounds": rounds,
        "frames": rounds * frames,
        "rows": [_figures(row, found, size) for row, found, size in zip(rows, measured, taken, strict=True)],
    }


def steps_of(rows: Sequence[RowPlan], rounds: int) -> int:
    """Return how often `run_speed` calls `on_step`."""
    return len(rows) * (2 + rounds)


def _start(
    row: RowPlan, found: Measured, pictures: Path, cache: Path, on_step: Callable[[str], None]
) -> Worker:
    """Start a row twice: first with an empty cache for what engines compile, then with what it has left there."""
    on_step(f"{row.label}, cold")
    with Worker(row, pictures, cache) as cold:
        if cold.why is None:
            found.start_s_cold = cold.start_s
    on_step(f"{row.label}, warm")
    worker = Worker(row, pictures, cache)
    if worker.why is None:
        found.start_s_warm = worker.start_s
        worker.run(WARM_UP_FRAMES)
    return worker


def _figures(row: RowPlan, found: Measured, size: int) -> dict[str, Any]:
    stages: dict[str, dict[str, Any]] = {}
    for stage in (*STAGES[:-2], "display", *STAGES[-2:]):
        values, cpu = found.wall_ms.get(stage), found.cpu_ms.get(stage)
        stages[stage] = {
            "ms_p50": float(np.percentile(values, 50)) if values else None,
            "ms_p95": float(np.percentile(values, 95)) if values else None,
            "cpu_ms": float(np.mean(cpu)) if cpu else None,
        }
    whole = [
        stages[stage]["cpu_ms"] for stage in ("end_to_end", "look") if stages[stage]["cpu_ms"] is not None
    ]
    figures: dict[str, Any] = {
        "drawn_a_second": float(np.median(found.drawn_a_second)) if found.drawn_a_second else None,
        # Both directions of a call at the clip's rate: one frame seen, one drawn and looked at, every 40 ms.
        "cpu_cores": sum(whole) / 1000 * RATE if whole else None,
        "rss_mb": found.rss_mb,
        "start_s_cold": found.start_s_cold,
        "start_s_warm": found.start_s_warm,
    }
    why = {key: found.why or "it is not this row's" for key in FIGURES if figures[key] is None}
    for stage, times in stages.items():
        if times["ms_p50"] is None:
            why[stage] = found.why or (NOTHING_SHOWN if stage == "display" else "it is not this row's")
    return {
        "profile": None if row.kind == "codec" else row.kind,
        "engine": row.name,
        "label": row.label,
        "limits": dict(row.limits),
        "spread": row.spread,
        "reference": row.kind == "codec" or row.name in REFERENCE_ENGINES,
        "picture_size": size,
        "stages": stages,
        **figures,
        "why": why,
    }


def _import_path() -> str:
    """Let a row's process find what this one was started with, whatever folder it is in."""
    return os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
