"""The repair bench: clips of strangers into which an object is brought, or in which another person sits down; how soon
the mirror notices, how soon the picture is good again, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from bench.clips import Clip, Footage, Picture, person_of, read_footage
from bench.errors import BenchError
from bench.judge import PictureJudge
from bench.mirror_play import Drawn, Played, play
from bench.talk import Setup
from models.training.occluders import paste_object
from runtime.talker import Talker
from sender.bring import Corrector
from sender.source import make_fine_source
from sender.spending import BUDGET_BYTES_PER_S

SEED = 23
AREA = 0.1  # of the picture, behind the object
BEGINS_S = 2.0
AFTER_S = 3.0
JUDGED_EVERY_S = 0.2
BACK = 2.0  # times what LPIPS was before


def run_repairs(
    setup: Setup,
    clips: Sequence[Clip],
    judge: PictureJudge,
    *,
    line_bps: float,
    budget_bytes_per_s: float = BUDGET_BYTES_PER_S,
    corrector: Corrector | None = None,
    on_clip: Callable[[str], None],
) -> dict[str, Any]:
    """Return the bench's JSON: `cases`, one of each kind a clip, and a `summary` of each kind.

    The line carries `line_bps` beside the motion, and leaves `budget_bytes_per_s` for pictures in the long run: with
    less than the default, repairs are residual codes where those help, and coarse pictures.

    noticed_s is from the change to what the mirror asks for; back_s to the first picture from which on LPIPS over the
    whole stays under twice its mean before. None where that did not come about within three seconds. lpips_anew is its
    mean over the same seconds in a call that begins with the change: where not even that is under twice what it was
    before, which is so where a person sits down who moves far more than the other, no repair can be.
    """
    cases: list[dict[str, Any]] = []
    for clip, other in zip(clips, strangers(clips), strict=True):
        on_clip(clip.name)
        footage, stranger = (read_footage(each, size=setup.picture_size) for each in (clip, other))
        for kind, frames in (
            ("object", bring_object(footage, stranger)),
            ("person", exchange(footage, stranger)),
        ):
            played = play(
                setup,
                frames,
                rate=footage.rate,
                budget_bytes_per_s=budget_bytes_per_s,
                line_bps=line_bps,
                corrector=corrector,
            )
            cases.append(
                {"name": clip.name, "kind": kind, **_figures(setup, footage.rate, frames, played, judge)}
            )
    kinds = {kind: [case for case in cases if case["kind"] == kind] for kind in ("object", "person")}
    return {
        "profile": setup.profile,
        "line_kbps": line_bps / 1000,
        "budget_bytes_per_s": budget_bytes_per_s,
        "cases": cases,
        "summary": {kind: _summary(of_kind) for kind, of_kind in kinds.items()},
    }


def strangers(clips: Sequence[Clip]) -> list[Clip]:
    """Return for each clip the next one of another person; names that differ in their number alone are one person's.

    Raises BenchError where all are.
    """
    people = [person_of(clip.name) for clip in clips]
    if len(set(people)) < 2:
        raise BenchError("Bringing in another person takes clips of two people at least.")
    others = []
    for index, person in enumerate(people):
        following = [*range(index + 1, len(clips)), *range(index)]
        others.append(clips[next(next_ for next_ in following if people[next_] != person)])
    return others


def bring_object(footage: Footage, other: Footage) -> list[Picture]:
    """Return a clip into which, two seconds in, an object over a tenth of the picture is brought, and stays.

    Which object, and where in the picture, is drawn once a clip, by its name: one object for all of them would say how
    that one is repaired.
    """
    start, length = _times(footage)
    frames = _filled(footage, length)
    surface = other.pictures[0]
    seed = (SEED, *footage.name.encode())
    covered: list[Picture] = []
    for frame in frames[start:]:
        pasted, _ = paste_object(frame, surface, np.random.default_rng(seed), area=AREA)
        covered.append(np.asarray(pasted, np.uint8))
    return frames[:start] + covered


def exchange(footage: Footage, other: Footage) -> list[Picture]:
    """Return a clip that two seconds in becomes another person's."""
    start, length = _times(footage)
    return _filled(footage, length)[:start] + _filled(other, length - start)


def _times(footage: Footage) -> tuple[int, int]:
    return round(BEGINS_S * footage.rate), round((BEGINS_S + AFTER_S) * footage.rate)


def _filled(footage: Footage, length: int) -> list[Picture]:
    """Return so many frames; a shorter clip goes back and forth."""
    there_and_back = [*footage.pictures, *footage.pictures[-2:0:-1]] or footage.pictures
    return [there_and_back[index % len(there_and_back)] for index in range(length)]


def _figures(
    setup: Setup, rate: float, frames: list[Picture], played: Played, judge: PictureJudge
) -> dict[str, Any]:
    start = round(BEGINS_S * rate)
    step = max(1, round(JUDGED_EVERY_S * rate))
    places = list(range(step, len(frames), step))
    shown = Drawn(setup, played)
    drawn = [shown.picture(place) for place in places]
    lpips = judge.lpips([frames[place] for place in places], [drawn])[0]
    before = float(np.mean([value for place, value in zip(places, lpips, strict=True) if place < start]))
    back_s = None
    for place, value in reversed(list(zip(places, lpips, strict=True))):
        if place < start or value >= BACK * before:
            break
        back_s = (place - start) / rate
    events = [event for event in played.events if event.at_s >= BEGINS_S]
    anew = _lpips_anew(setup, [frames[place] for place in places if place >= start], frames[start], judge)
    return {
        "noticed_s": events[0].at_s - BEGINS_S if events else None,
        "back_s": back_s,
        "lpips_before": before,
        "lpips_worst": float(lpips[[place >= start for place in places]].max()),
        "lpips_after": float(lpips[-3:].mean()),
        "lpips_anew": anew,
        "bytes": sum(len(event.bring.source.data) for event in events),
        "pictures": sum(event.bring.coded == "picture" for event in events),
        "residuals": sum(event.bring.coded == "residual" for event in events),
        "residual_bytes": [
            len(event.bring.source.data) for event in events if event.bring.coded == "residual"
        ],
        "false_alarms": len(played.events) - len(events),
    }


def _lpips_anew(setup: Setup, frames: list[Picture], first: Picture, judge: PictureJudge) -> float:
    """Return the mean LPIPS of frames drawn from a picture `first`, coded as a call codes it."""
    talker = setup.talker
    source = make_fine_source(first, cast(Talker, talker)).prepared
    drawn = [talker.draw(source, *talker.estimate(frame, source)) for frame in frames]
    return float(judge.lpips(frames, [drawn])[0].mean())


def _summary(cases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    noticed = [case["noticed_s"] for case in cases if case["noticed_s"] is not None]
    back = [case["back_s"] for case in cases if case["back_s"] is not None]
    possible = [case for case in cases if case["lpips_anew"] < BACK * case["lpips_before"]]
    return {
        "cases": len(cases),
        "noticed_share": len(noticed) / len(cases),
        "noticed_within_1_s": float(
            np.mean([case["noticed_s"] is not None and case["noticed_s"] <= 1 for case in cases])
        ),
        "noticed_s_median": float(np.median(noticed)) if noticed else None,
        "noticed_s_worst": max(noticed, default=None),
        "back_share": len(back) / len(cases),
        "possible_share": len(possible) / len(cases),
        "back_of_possible": (
            float(np.mean([case["back_s"] is not None for case in possible])) if possible else None
        ),
        "back_s_median": float(np.median(back)) if back else None,
        "back_s_worst": max(back, default=None),
        "bytes_mean": float(np.mean([case["bytes"] for case in cases])),
        "pictures": sum(case["pictures"] for case in cases),
        "residuals": sum(case["residuals"] for case in cases),
        "residual_bytes_most": max((size for case in cases for size in case["residual_bytes"]), default=None),
        "false_alarms": sum(case["false_alarms"] for case in cases),
    }
