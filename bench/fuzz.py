"""The fuzz bench: damaged and random packets of every kind, each into its own decoder. It counts what comes out, takes
the processor's time for each, and watches the memory. What a decoder is given is `bench.fuzz_kinds`' business."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.fuzz_kinds import Kind

SLOWEST_S = 0.05  # of the processor's time, for one packet
MOST_GROWTH = 8 << 20  # bytes for all of a kind's cases; what a leak of ten bytes a packet comes to
WARM_UP = 0.1  # of a kind's cases, before its memory is looked at: pools fill, modules load
KEPT_FAULTS = 5  # of a kind
SHOWN_BYTES = 1200  # of a fault's packet; the case's number gives the rest


@dataclass
class Outcome:
    """What came of a kind's cases."""

    name: str
    cases: int
    values: int = 0
    refused: int = 0
    worst_s: float = 0.0
    worst_case: int = 0  # its number
    growth: int = 0
    faults: int = 0
    examples: list[dict[str, str | int]] = field(default_factory=list)

    def failures(self) -> list[str]:
        """Say what must not be, a sentence each."""
        sentences = []
        if self.faults:
            sentences.append(
                f"{self.name}: {self.faults} packets raised something else, {self.examples[0]['error']} at first"
            )
        if self.worst_s > SLOWEST_S:
            sentences.append(
                f"{self.name}: a packet took {self.worst_s * 1000:.0f} ms: case {self.worst_case}"
            )
        if self.growth > MOST_GROWTH:
            sentences.append(f"{self.name}: memory grew by {self.growth / 1e6:.1f} MB")
        return sentences


def run_fuzz(
    kinds: Sequence[Kind], *, count: int, seed: int, on_kind: Callable[[str], None]
) -> dict[str, Any]:
    """Return the bench's JSON: `kinds` with each one's figures, `failures` as sentences, `examples` of faults.

    A kind's cases are its share of `count`, at least one.
    """
    outcomes = []
    for kind in kinds:
        on_kind(kind.name)
        outcomes.append(run_kind(kind, count=max(1, round(count * kind.share)), seed=seed))
    return {
        "count": sum(outcome.cases for outcome in outcomes),
        "seed": seed,
        "kinds": {
            outcome.name: {
                "cases": outcome.cases,
                "values": outcome.values,
                "refused": outcome.refused,
                "faults": outcome.faults,
                "worst_ms": outcome.worst_s * 1000,
                "growth_kb": outcome.growth / 1000,
            }
            for outcome in outcomes
        },
        "failures": [sentence for outcome in outcomes for sentence in outcome.failures()],
        "examples": [example for outcome in outcomes for example in outcome.examples],
    }


def run_kind(kind: Kind, *, count: int, seed: int) -> Outcome:
    """Give a decoder so many cases, drawn by the seed."""
    outcome = Outcome(kind.name, count)
    warm, before = int(count * WARM_UP), 0
    for number, case in enumerate(kind.cases(count, seed)):
        if number == warm:
            before = _resident_bytes()
        took_s = _decode(kind, case, outcome, number=number)
        if took_s > outcome.worst_s:  # an interruption does not come three times
            again = (_decode(kind, case, Outcome(kind.name, 1), number=number) for _ in range(2))
            took_s = min(took_s, *again)
        if took_s > outcome.worst_s:
            outcome.worst_s, outcome.worst_case = took_s, number
    outcome.growth = max(0, _resident_bytes() - before)
    return outcome


def _decode(kind: Kind, case: bytes, outcome: Outcome, *, number: int) -> float:
    """Decode one case, note what came of it, and return the processor's time."""
    start = time.process_time()
    try:
        kind.decode(case)
        outcome.values += 1
    except kind.refuses:
        outcome.refused += 1
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in a library's Rust is no Exception
        outcome.faults += 1
        if len(outcome.examples) < KEPT_FAULTS:
            shown = {"error": repr(error)[:200], "packet": case[:SHOWN_BYTES].hex()}
            outcome.examples.append({"kind": kind.name, "case": number, **shown})
    return time.process_time() - start


def _resident_bytes() -> int:
    """Return the memory that the process holds; where the system does not say, the most that it ever held."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc gives back what is free: else a leak could hide in it
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()
