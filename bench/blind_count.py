"""What people chose in the blind test: the files that its page saved, counted, with an interval. Knows no films."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich.markup import escape
from rich.table import Table

from bench.errors import BenchError
from bench.report import number, table_of
from bench.statistics import DRAWS, SEED

Preferred = Literal["ours", "rival", "same"]
Side = Literal["ours", "rival"]
PREFERRED: tuple[Preferred, ...] = ("ours", "rival", "same")
SIDES: tuple[Side, ...] = ("ours", "rival")
MAX_FILE_BYTES = 1_000_000
MAX_NAME = 255
# Of pages and of visitors.
ID = re.compile("[0-9a-f]{32}")
NOBODY = "nobody preferred either side"

# People x clips.
Cells = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """What was shown: our profile, and the codec that had `ratio` times our rate."""

    profile: str
    codec: str
    ratio: float

    @property
    def rival(self) -> str:
        """Return the other side's name for people.

        >>> Comparison("laptop-256", "H.264", 10.0).rival
        'H.264 at 10 times the rate'
        """
        return f"{self.codec} at {self.ratio:g} times the rate"


@dataclass(frozen=True)
class Choice:
    """What one person preferred of one clip, and whose film was the first, on the left."""

    preferred: Preferred
    first: Side


@dataclass(frozen=True)
class Answers:
    """One person's choices by clip, who it was on which page (random numbers both), and what was shown."""

    path: Path
    page: str
    visitor: str
    compared: Comparison
    choices: dict[str, Choice]


def read_answers(path: Path) -> Answers:
    """Read a file that the page saved; raise BenchError where it is none, OSError where it cannot be read."""
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise BenchError(f"{path} is too large to hold a person's choices.")
    try:
        saved = json.loads(content)
        rows = [(_name(row["clip"]), _choice(row)) for row in saved["choices"]]
        compared = Comparison(_name(saved["profile"]), _name(saved["codec"]), _ratio(saved["ratio"]))
        answers = Answers(path, _id(saved["page"]), _id(saved["visitor"]), compared, dict(rows))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BenchError(f"{path} is not a file that the blind test's page saved.") from error
    if not rows or len(answers.choices) < len(rows):
        raise BenchError(f"{path} has no choices, or two of the same clip: the page saved none such.")
    return answers


def without_repeats(people: Sequence[Answers]) -> tuple[list[Answers], list[tuple[Answers, Answers]]]:
    """Return each visitor of a page once, and the repeats, each with the one that counts instead."""
    first: dict[tuple[str, str], Answers] = {}
    repeats = []
    for one in people:
        counted = first.setdefault((one.page, one.visitor), one)
        if counted is not one:
            repeats.append((one, counted))
    return list(first.values()), repeats


def count(people: Sequence[Answers]) -> dict[str, Any]:
    """Return how often each was preferred, by clip and in all, for at least one person.

    `preference` is our share of the decided choices, `preference_half` that of all with 'no difference' as half a
    choice for each; both with 95 percent intervals over what `interval_over` says. `first_share` is the share of the
    decided choices that fell on the first film, 0.5 where sides do not matter. What is None stands in `why`.

    Raises BenchError where people were shown different comparisons.
    """
    compared = sorted({one.compared for one in people}, key=str)
    if len(compared) > 1:
        named = "; ".join(f"{one.profile} against {one.rival}" for one in compared)
        raise BenchError(f"These files are of different comparisons ({named}): count each alone.")
    clips = sorted({clip for one in people for clip in one.choices})
    chosen = {
        preferred: np.array(
            [
                [clip in one.choices and one.choices[clip].preferred == preferred for clip in clips]
                for one in people
            ],
            np.float64,
        )
        for preferred in PREFERRED
    }
    ours, rival, same = (chosen[preferred] for preferred in PREFERRED)
    decided = [choice for one in people for choice in one.choices.values() if choice.preferred != "same"]
    why: dict[str, str] = {}
    over = [name for name, size in (("people", len(people)), ("clips", len(clips))) if size > 1]
    return {
        "people": len(people),
        "pages": len({one.page for one in people}),
        "profile": compared[0].profile,
        "rival_named": compared[0].rival,
        **{str(preferred): int(table.sum()) for preferred, table in chosen.items()},
        "interval_over": " and ".join(over) or None,
        **_share("preference", ours, ours + rival, why),
        **_share("preference_half", ours + same / 2, ours + rival + same, why),
        "first_share": float(np.mean([one.preferred == one.first for one in decided])) if decided else None,
        "clips": [
            {
                "clip": clip,
                **{str(preferred): int(table[:, place].sum()) for preferred, table in chosen.items()},
            }
            for place, clip in enumerate(clips)
        ],
        "why": why | ({} if decided else {"first_share": NOBODY}),
    }


def two_way_interval(part: Cells, whole: Cells) -> tuple[float, float]:
    """Return the 95 percent interval of the share of `part` in `whole`, people x clips both, under resampling of the
    people and of the clips (Owen 2007, 'The pigeonhole bootstrap'); draws without a decided choice say nothing.

    >>> low, high = two_way_interval(np.eye(9), np.ones((9, 9)))
    >>> low < 1 / 9 < high
    True
    """
    chance = np.random.default_rng(SEED)
    shares = []
    for _ in range(DRAWS):
        people, clips = (np.bincount(chance.integers(0, size, size), minlength=size) for size in part.shape)
        if among := people @ whole @ clips:
            shares.append(people @ part @ clips / among)
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(low), float(high)


def blind_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return what `count` found as tables."""
    total = table_of("Blind test", ["figure", "value"])
    over = f"95 % interval, over {result['interval_over'] or 'nothing'}"
    for heading, value in (
        ("people", str(result["people"])),
        ("clips", str(len(result["clips"]))),
        (f"Visavis ({escape(result['profile'])}) preferred", str(result["ours"])),
        (f"{escape(result['rival_named'])} preferred", str(result["rival"])),
        ("no difference", str(result["same"])),
        ("share of Visavis where decided", number(result["preference"])),
        (over, _interval(result, "preference")),
        ("share of Visavis, no difference as half", number(result["preference_half"])),
        (over, _interval(result, "preference_half")),
        ("share of the first film where decided", number(result["first_share"])),
    ):
        total.add_row(heading, value)
    if result["why"]:
        total.caption = "\n".join(
            f"{why[0].upper()}{why[1:]}." for why in dict.fromkeys(result["why"].values())
        )
    clips = table_of("By clip", ["clip", "Visavis", "rival", "no difference"])
    for row in result["clips"]:
        clips.add_row(escape(row["clip"]), *(str(row[preferred]) for preferred in PREFERRED))
    return [total, clips]


def _share(key: str, part: Cells, whole: Cells, why: dict[str, str]) -> dict[str, float | None]:
    """Return the share and its interval's ends under `key`; note in `why` what is missing."""
    ends = (f"{key}_low", f"{key}_high")
    if not whole.any():
        why |= dict.fromkeys((key, *ends), NOBODY)
        return dict.fromkeys((key, *ends))
    share = float(part.sum() / whole.sum())
    if whole.size == 1:
        why |= dict.fromkeys(ends, "one person and one clip have no interval")
        return {key: share, **dict.fromkeys(ends)}
    # Resampled, choices that are all alike stay alike: an interval without width would boast.
    if np.ptp(part[whole > 0] / whole[whole > 0]) == 0:
        why |= dict.fromkeys(ends, "all choices are alike, from which resampling makes no interval")
        return {key: share, **dict.fromkeys(ends)}
    return {key: share, **dict(zip(ends, two_way_interval(part, whole), strict=True))}


def _interval(result: Mapping[str, Any], key: str) -> str:
    low, high = result[f"{key}_low"], result[f"{key}_high"]
    return "–" if low is None else f"{low:.3f} to {high:.3f}"


def _name(value: Any) -> str:
    # What stands in a table must not steer the terminal.
    if isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable():
        return value
    raise ValueError(value)


def _id(value: Any) -> str:
    if isinstance(value, str) and ID.fullmatch(value):
        return value
    raise ValueError(value)


def _ratio(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise ValueError(value)


def _choice(row: Mapping[str, Any]) -> Choice:
    if row["preferred"] in PREFERRED and row["first"] in SIDES:
        return Choice(row["preferred"], row["first"])
    raise ValueError(row)
