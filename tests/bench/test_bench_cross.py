"""One person's motion on another's picture: who is paired with whom, and what is made of what the judge saw."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_fakes import setup

from bench.clips import Clip
from bench.cross import Crossed, pair_up, summarise_crossed
from bench.cross_command import cross_tables
from bench.errors import BenchError
from bench.view import Calibration

LIMIT = 0.4


def clips(count: int) -> list[Clip]:
    return [Clip(f"clip-{index}", Path(f"{index}.mp4"), None) for index in range(count)]


def crossed(*, identity: list[float], level: list[list[float]], level_identity: list[float]) -> Crossed:
    pictures = len(identity)
    still: Any = {"": np.full(pictures, 1.0), "_frozen": np.full(pictures, 4.0)}
    return Crossed(
        driver="driver",
        source="lender",
        pictures=[],
        identity={"": np.array(identity), "_frozen": np.zeros(pictures)},
        pose={"": np.full((pictures, 3), 2.0), "_frozen": np.full((pictures, 3), 9.0)},
        mouth=still,
        eyes=still,
        level=np.array(level),
        level_identity=np.array(level_identity),
    )


CALIBRATION = Calibration(np.zeros((11, 3)), LIMIT, np.zeros(3), np.ones(3))


@pytest.mark.parametrize("count", [2, 3, 8])
def test_everybody_drives_and_lends_once_and_nobody_to_himself(count: int) -> None:
    pairs = pair_up(clips(count))
    assert [driver.name for driver, _ in pairs] == [clip.name for clip in clips(count)]
    assert sorted(lender.name for _, lender in pairs) == [clip.name for clip in clips(count)]
    assert all(driver.name != lender.name for driver, lender in pairs)


def test_one_clip_alone_cannot_be_crossed() -> None:
    with pytest.raises(BenchError, match="two clips at least"):
        pair_up(clips(1))


def test_pictures_without_a_face_count_as_such_and_nowhere_else() -> None:
    pair = crossed(
        identity=[0.1, 0.5, np.nan, 0.3],
        level=[[1, 2, 30], [6, 0, 0], [np.nan] * 3, [0, 0, 0]],  # roll is free
        level_identity=[0.1, 0.1, np.nan, 0.9],
    )
    result = summarise_crossed(setup(), [pair], CALIBRATION)
    summary = result["summary"]
    assert summary["found_share"] == 0.75
    assert summary["identity_kept"] == pytest.approx(2 / 3)
    assert summary["identity_distance"] == pytest.approx(0.3)
    assert (summary["yaw_error"], summary["yaw_error_frozen"]) == (2.0, 9.0)
    assert (summary["mouth_opening_error"], summary["mouth_opening_error_frozen"]) == (1.0, 4.0)
    assert summary["frontal_within"] == pytest.approx(2 / 3)
    assert summary["frontal_share"] == pytest.approx(1 / 3)
    assert summary["fid"] is None
    assert "Inception" in result["why"]["fid"]
    assert result["pairs"][0]["driver"] == "driver"
    assert cross_tables(result)
