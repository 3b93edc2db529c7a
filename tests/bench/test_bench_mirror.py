"""The benches about the mirror: its distance, the play without a network, repairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from bench.clips import Clip, Footage
from bench.errors import BenchError
from bench.judge import PictureJudge
from bench.mirror import CANDIDATES, rank_correlation, run_mirror
from bench.mirror_play import Drawn, play
from bench.mirror_repair import AFTER_S, BEGINS_S, bring_object, exchange, strangers
from bench.talk import Setup, framed_bytes
from codec.motion import Motion
from codec.tables import fit_tables
from tests.sender.held_fakes import MirrorTalker, face, motion, turned
from tests.sender.sender_fakes import K

RATE = 10.0


class PlayedTalker(MirrorTalker):
    """Sees no motion in any picture."""

    def estimate(self, picture: np.ndarray, source: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        still = motion()
        return still.rotation, still.translation, still.expression


@pytest.fixture(scope="module")
def setup() -> Setup:
    still = Motion(np.zeros(3), np.zeros(3), np.zeros((K, 3)))
    motion_format = fit_tables([still], expression_steps=np.full((K, 3), 2.0**-8))
    return Setup("fake", "none", 64, PlayedTalker(), motion_format)


def person(seed: int) -> np.ndarray:
    return turned(face(seed=seed), 0)


def film(seed: int, count: int) -> Footage:
    return Footage("clip", [person(seed)] * count, RATE, None)


def test_rank_correlation_knows_order_and_nothing_else() -> None:
    values = np.array([3.0, 1.0, 2.0, 10.0])
    assert rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)
    assert np.isnan(rank_correlation(values[:2], values[:2]))


def test_clips_without_landmarks_have_no_face_to_compare(setup: Setup, tmp_path: Path) -> None:
    bare = [Clip("bare", tmp_path / "bare.mkv", None)]
    with pytest.raises(BenchError, match="no landmarks"):
        run_mirror(setup, bare, cast(PictureJudge, None), every=5, on_clip=lambda name: None)


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_distance_grows_with_the_damage(name: str) -> None:
    picture = cv2.resize(face(), (256, 256), interpolation=cv2.INTER_CUBIC)
    damaged = [picture, cv2.GaussianBlur(picture, (0, 0), 2), cv2.GaussianBlur(picture, (0, 0), 12)]
    distances = [float(CANDIDATES[name](picture, other).mean()) for other in damaged]
    assert distances[0] == pytest.approx(0, abs=1e-5)
    assert distances == sorted(distances)


def test_an_object_comes_after_two_seconds_and_stays_where_it_is() -> None:
    frames = bring_object(film(1, 4), film(2, 4))
    start = round(BEGINS_S * RATE)
    assert len(frames) == round((BEGINS_S + AFTER_S) * RATE)
    assert all((frame == frames[0]).all() for frame in frames[:start])
    changed = (frames[start] != frames[0]).any(-1)
    assert 0.05 < changed.mean() < 0.2
    assert (frames[-1] == frames[start]).all()


def test_each_clip_gets_an_object_of_its_own_and_always_the_same() -> None:
    first, second = (replace(film(1, 4), name=name) for name in ("one-1", "two-1"))
    ends = [bring_object(clip, film(2, 4))[-1] for clip in (first, first, second)]
    assert (ends[0] == ends[1]).all()
    assert (ends[0] != ends[2]).any()


def test_who_sits_down_is_somebody_else() -> None:
    names = ["anna-1", "anna-2", "bert-1", "anna-3", "cleo_b-1"]
    clips = [Clip(name, Path(name), None) for name in names]
    assert [clip.name for clip in strangers(clips)] == ["bert-1", "bert-1", "anna-3", "cleo_b-1", "anna-1"]
    with pytest.raises(BenchError, match="two people"):
        strangers(clips[:2])
    smiths = [Clip(name, Path(name), None) for name in ("smith-anna", "smith-bert")]
    assert strangers(smiths) == smiths[::-1]


def test_another_person_takes_the_place_of_the_first() -> None:
    frames = exchange(film(1, 4), film(2, 4))
    start = round(BEGINS_S * RATE)
    assert (frames[start - 1] == person(1)).all()
    assert (frames[start] == person(2)).all()


def test_what_is_played_is_repaired_soon_and_the_way_of_the_picture_takes_its_time(setup: Setup) -> None:
    frames = exchange(film(1, 4), film(2, 4))
    start = round(BEGINS_S * RATE)
    played = play(setup, frames, rate=RATE, budget_bytes_per_s=0.0, line_bps=50_000)
    (event,) = played.events
    assert 0 <= event.at_s - BEGINS_S <= 1
    assert played.picture_bytes == framed_bytes(event.bring.source.data)
    assert played.counts.repairs == 1
    (change,) = played.changes
    way_s = len(event.bring.source.data) * 8 / 50_000
    assert change / RATE >= event.at_s + way_s
    drawn = Drawn(setup, played)
    assert (drawn.picture(start) == played.first.picture).all()
    last = played.shots[-1]
    assert last.source is event.bring.source
    assert (drawn.picture(len(frames) - 1) == last.source.picture).all()
    from_one = Drawn(setup, played, only=played.first)
    assert (from_one.picture(len(frames) - 1) == played.first.picture).all()
    assert played.motion_bytes > 0


def test_a_change_of_picture_fades(setup: Setup) -> None:
    played = play(setup, exchange(film(1, 4), film(2, 4)), rate=RATE, budget_bytes_per_s=0.0, line_bps=1e6)
    (change,) = played.changes
    weights = [shot.weight for shot in played.shots[change - 1 : change + 8]]
    assert weights[0] == 0
    assert 1 > weights[1] > weights[3] > 0
    assert weights[-1] == 0
    old, new = played.first.picture.astype(int), played.shots[-1].source.picture.astype(int)
    first = Drawn(setup, played).picture(change).astype(int)
    assert np.abs(first - (new + weights[1] * (old - new))).max() <= 1
