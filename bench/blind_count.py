"""What people chose in the blind test: the files that its page saved, pooled, with an interval. Knows no films."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from bench.errors import BenchError
from bench.report import number, table_of

Choice = Literal["ours", "rival", "same"]
CHOICES: tuple[Choice, ...] = ("ours", "rival", "same")
MAX_FILE_BYTES = 1_000_000
# Of the normal distribution, for an interval of 95 percent.
Z = 1.959964


@dataclass(frozen=True)
class Answers:
    """One person's choices by clip, and what ours was compared with."""

    rival: str
    choices: dict[str, Choice]


def read_answers(path: Path) -> Answers:
    """Read a file that the page saved; raise BenchError where it is none."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BenchError(f"{path} is too large to hold a person's choices.")
        saved = json.loads(path.read_text(encoding="utf-8"))
        rival, choices = saved["rival"], {row["clip"]: row["preferred"] for row in saved["choices"]}
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path} is not a file that the blind test's page saved.") from error
    if not isinstance(rival, str) or not set(choices.values()) <= set(CHOICES):
        raise BenchError(f"{path} is not a file that the blind test's page saved.")
    return Answers(rival, choices)


def count(people: Sequence[Answers]) -> dict[str, Any]:
    """Return how often each was preferred: counts, our share of the decided choices with Wilson's 95 percent interval,
    and the same by clip.

    Raises BenchError where people were asked about different rivals.
    """
    rivals = sorted({one.rival for one in people})
    if len(rivals) > 1:
        raise BenchError(f"These are answers about different rivals: {', '.join(rivals)}. Count each alone.")
    rows: list[dict[str, Any]] = []
    for clip in sorted({clip for one in people for clip in one.choices}):
        chosen = [one.choices[clip] for one in people if clip in one.choices]
        rows.append({"clip": clip, **{str(choice): chosen.count(choice) for choice in CHOICES}})
    total: dict[str, int] = {choice: sum(row[choice] for row in rows) for choice in CHOICES}
    decided = total["ours"] + total["rival"]
    low, high = wilson(total["ours"], decided) if decided else (None, None)
    return {
        "people": len(people),
        "rival_named": rivals[0] if rivals else None,
        **total,
        "preference": total["ours"] / decided if decided else None,
        "preference_low": low,
        "preference_high": high,
        "clips": rows,
        "why": {} if decided else dict.fromkeys(_PREFERENCE, "nobody preferred either side"),
    }


_PREFERENCE = ("preference", "preference_low", "preference_high")


def blind_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return what `count` found as tables."""
    total = table_of("Blind test", ["figure", "value"])
    rows = [
        ("people", "people", 0),
        ("Visavis preferred", "ours", 0),
        (str(result["rival_named"]), "rival", 0),
    ]
    rows += [("no difference", "same", 0), ("share of Visavis where decided", "preference", 3)]
    rows += [("its 95 % interval, from", "preference_low", 3), ("to", "preference_high", 3)]
    for heading, key, digits in rows:
        total.add_row(heading, number(result[key], digits))
    clips = table_of("By clip", ["clip", "Visavis", "rival", "no difference"])
    for row in result["clips"]:
        clips.add_row(row["clip"], *(str(row[choice]) for choice in CHOICES))
    return [total, clips]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 percent interval of a share (Wilson 1927); `trials` at least 1.

    >>> tuple(round(end, 3) for end in wilson(8, 10))
    (0.49, 0.943)
    """
    share, spread = successes / trials, Z * Z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)
