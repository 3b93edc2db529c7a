"""The repair bench: clips of strangers into which an object is brought, or in which another person sits down; how soon
the mirror notices, how soon the picture is good again, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.clips import Clip, Footage, Picture, read_footage
from bench.judge import PictureJudge
from bench.mirror_play import Played, draw_shot, play
from bench.talk import Setup
from models.training.occluders import paste_object
from sender.bring import Corrector
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
    corrector: Corrector | None = None,
    on_clip: Callable[[str], None],
) -> dict[str, Any]:
    """Return the bench's JSON: `cases`, one of each kind a clip, and a `summary` of each kind.

    noticed_s is from the change to what the mirror asks for; back_s to the first picture from which on LPIPS over the
    whole stays under twice its mean before. None where that did not come about within three seconds.
    """
    cases: list[dict[str, Any]] = []
    others = [*clips[1:], *clips[:1]]
    for clip, other in zip(clips, others, strict=True):
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
                budget_bytes_per_s=BUDGET_BYTES_PER_S,
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
        "cases": cases,
        "summary": {kind: _summary(of_kind) for kind, of_kind in kinds.items()},
    }


def bring_object(footage: Footage, other: Footage) -> list[Picture]:
    """Return a clip into which, two seconds in, an object over a tenth of the picture is brought, and stays."""
    start, length = _times(footage)
    frames = _filled(footage, length)
    surface = other.pictures[0]
    covered: list[Picture] = []
    for frame in frames[start:]:
        pasted, _ = paste_object(frame, surface, np.random.default_rng(SEED), area=AREA)
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
    drawn = [draw_shot(setup, played.shots[place]) for place in places]
    lpips = judge.lpips([frames[place] for place in places], [drawn])[0]
    before = float(np.mean([value for place, value in zip(places, lpips, strict=True) if place < start]))
    back_s = None
    for place, value in reversed(list(zip(places, lpips, strict=True))):
        if place < start or value >= BACK * before:
            break
        back_s = (place - start) / rate
    events = [event for event in played.events if event.at_s >= BEGINS_S]
    return {
        "noticed_s": events[0].at_s - BEGINS_S if events else None,
        "back_s": back_s,
        "lpips_before": before,
        "lpips_worst": float(lpips[[place >= start for place in places]].max()),
        "lpips_after": float(lpips[-3:].mean()),
        "bytes": sum(len(event.bring.source.data) for event in events),
        "pictures": sum(event.bring.coded == "picture" for event in events),
        "residuals": sum(event.bring.coded == "residual" for event in events),
        "false_alarms": len(played.events) - len(events),
    }


def _summary(cases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    noticed = [case["noticed_s"] for case in cases if case["noticed_s"] is not None]
    back = [case["back_s"] for case in cases if case["back_s"] is not None]
    return {
        "cases": len(cases),
        "noticed_share": len(noticed) / len(cases),
        "noticed_within_1_s": float(
            np.mean([case["noticed_s"] is not None and case["noticed_s"] <= 1 for case in cases])
        ),
        "noticed_s_median": float(np.median(noticed)) if noticed else None,
        "noticed_s_worst": max(noticed, default=None),
        "back_share": len(back) / len(cases),
        "back_s_median": float(np.median(back)) if back else None,
        "back_s_worst": max(back, default=None),
        "bytes_mean": float(np.mean([case["bytes"] for case in cases])),
        "pictures": sum(case["pictures"] for case in cases),
        "residuals": sum(case["residuals"] for case in cases),
        "false_alarms": sum(case["false_alarms"] for case in cases),
    }
