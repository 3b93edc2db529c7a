"""The rate-distortion bench without networks: a talker that shifts a pattern, a judge that looks at pixels, few rows;
and a process that is killed in the middle of its work."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_fakes import KEYPOINTS, SIZE, FakeTalker, scene, setup, write_film

import bench.rd
import bench.rd_measure
import bench.rd_scene
from bench.judge import Subject, pixel_figures
from bench.metrics.landmarks import Box
from bench.rd import Plan, find_clips, run_rd
from bench.rd_rows import Row
from bench.rd_versions import Versions
from bench.talk import Setup
from codec.fitting import Stream, fit_prediction
from codec.motion import Motion

VERSIONS = Versions("judges", "rivals", "ours")
FACE = ("mouth_akd", "eye_akd", "mouth_expression", "eye_expression")


class FlatJudge:
    """Judges by pixels what the real one judges by networks; sees a face in every frame."""

    def lpips(self, originals: Sequence[Any], rivals: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return mean absolute differences."""
        return np.array(
            [
                [np.abs(a.astype(float) - b).mean() / 255 for a, b in zip(originals, rival, strict=True)]
                for rival in rivals
            ]
        ).reshape(len(rivals), len(originals))

    def subject(self, pictures: list[np.ndarray], boxes: Any) -> Subject:
        """See faces a little apart."""
        angles = np.linspace(0, 0.5, len(pictures))
        vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
        points = np.zeros((len(pictures), 66, 3), np.float32)
        return Subject(pictures, [Box(0, 0, 99, 99)] * len(pictures), points, vectors)

    def figures(
        self, subject: Subject, rivals: Sequence[Sequence[np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Return the picture's figures for the face's too."""
        whole = self.lpips(subject.pictures, rivals)
        return [
            {"lpips": row, "face_lpips": row, "identity_distance": row}
            | dict.fromkeys(FACE, 100 * row)
            | pixel_figures(subject.pictures, rival)
            for row, rival in zip(whole, rivals, strict=True)
        ]


def able_setup() -> Setup:
    """Return a setup of the fake talker, which can have any row, with tables that know prediction."""
    talker = FakeTalker()
    talker.bends = True
    bare = setup(talker)
    walk = np.cumsum(np.random.default_rng(2).normal(0, 0.01, (40, 3 * KEYPOINTS + 6)), axis=0)
    moves = [Motion(row[:3], row[3:6], row[6:].reshape(KEYPOINTS, 3)) for row in walk]
    prediction = fit_prediction([Stream(moves, range(0, 80, 2))], bare.motion_format.steps)
    return replace(bare, motion_format=replace(bare.motion_format, prediction=prediction))


def stand_in(patch: pytest.MonkeyPatch, able: Setup) -> list[tuple[str, int | None]]:
    """Put fakes in the networks' place; return a list that each point is noted in."""
    patch.setattr(bench.rd_scene, "load_judge", lambda backbones, threads: FlatJudge())
    patch.setattr(bench.rd_scene, "load_profile_setup", lambda profile, engine: able)
    patch.setattr(bench.rd_scene, "load_profile_corrector", lambda profile, engine: None)
    for module in (bench.rd, bench.rd_scene):
        patch.setattr(module, "versions_of", lambda profile, engine, backbones: VERSIONS)
    make = bench.rd_measure._make
    noted: list[tuple[str, int | None]] = []

    def note(found: Any, row: Any, setting: int | None) -> Any:
        noted.append((row.name, setting))
        return make(found, row, setting)

    patch.setattr(bench.rd_measure, "_make", note)
    return noted


def measure_few(patch: pytest.MonkeyPatch) -> None:
    """Leave most rows out."""
    settings: dict[str, tuple[int | None, ...]] = {
        "frozen": (None,),
        "ours_predictive": (None,),
        "h264": (27, 48),
        "vp9": (60,),
        "av1": (60,),
    }
    rows = [Row(name, name, points) for name, points in settings.items()]
    patch.setattr(bench.rd, "choose_rows", lambda quick: tuple(rows))


def die_at(name: str, clips: Path, store: Path) -> None:
    """Measure until a codec's turn comes, and be killed there as by the system; for a process of its own."""
    patch = pytest.MonkeyPatch()
    stand_in(patch, able_setup())
    measure_few(patch)
    run_codec = bench.rd_measure.run_codec

    def killed(codec: Any, *args: Any, **named: Any) -> Any:
        if codec.name == name:
            os.kill(os.getpid(), signal.SIGKILL)
        return run_codec(codec, *args, **named)

    patch.setattr(bench.rd_measure, "run_codec", killed)
    run(plan_of(clips, store))


def plan_of(folder: Path, store: Path, **changes: Any) -> Plan:
    """Return a quick plan for the films of a folder."""
    plan = Plan(
        clips=find_clips([folder]),
        sizes=(SIZE,),
        quick=True,
        frames=6,
        profile="fake",
        engine="none",
        backbones=folder,
        store=store,
        strips=False,
        scheduler=None,
        workers=1,
    )
    return replace(plan, **changes)


def run(plan: Plan) -> dict[str, Any]:
    """Run a plan; nothing may go wrong."""
    return run_rd(plan, on_clip=lambda name: None, on_trouble=pytest.fail)


def films(folder: Path, *names: str, frames: int = 12) -> Path:
    """Write films of a pattern that shifts."""
    folder.mkdir(exist_ok=True)
    for place, name in enumerate(names):
        write_film(folder / f"{name}.mkv", scene(frames, step=2.0 + place))
    return folder
