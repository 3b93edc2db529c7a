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
from bench.view import ASKED, AXES, Calibration, Turned

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
        level={"": np.array(level), "_frozen": np.full((pictures, 3), 10.0)},
        level_identity={"": np.array(level_identity), "_frozen": np.zeros(pictures)},
        turned=turned_half_way(),
    )


def turned_half_way() -> Turned:
    """A head that turns half as far as it is asked to, and is somebody else's from 30 degrees on."""
    asked = np.array(ASKED, float)
    angles = {axis: np.zeros((len(ASKED), 3)) for axis in AXES}
    for place, axis in enumerate(AXES):
        angles[axis][:, place] = asked / 2
    distances = np.where(np.abs(asked) < 30, 0.1, 0.9)
    return Turned("driver", {}, angles, dict.fromkeys(AXES, distances))


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
    assert (summary["frontal_identity"], summary["frontal_identity_frozen"]) == (0.5, 1.0)
    assert (summary["frontal_angle_5"], summary["frontal_angle_15"]) == (0.5, 0.75)
    assert (summary["frontal_both_5"], summary["frontal_both_15"]) == (0.25, 0.5)
    assert (summary["frontal_both_5_frozen"], summary["frontal_both_15_frozen"]) == (0.0, 1.0)
    assert summary["fid"] is None
    assert "Inception" in result["why"]["fid"]
    assert result["pairs"][0]["driver"] == "driver"
    assert cross_tables(result)


def test_a_turned_head_is_good_where_angle_and_identity_are() -> None:
    pair = crossed(identity=[0.1], level=[[0, 0, 0]], level_identity=[0.1])
    summary = summarise_crossed(setup(), [pair, pair], CALIBRATION)["summary"]
    # Of 10, 20 and 30 degrees on either side it is off by 5, 10 and 15, and the last is nobody's face.
    assert summary["free_view_identity"] == pytest.approx(2 / 3)
    assert (summary["free_view_angle_5"], summary["free_view_angle_15"]) == (0.0, pytest.approx(2 / 3))
    assert summary["free_view_both_15"] == pytest.approx(2 / 3)
    # Who does not turn at all is within 15 degrees of 10, and himself.
    assert summary["free_view_both_15_frozen"] == pytest.approx(1 / 3)
    assert summary["free_view_identity_frozen"] == 1.0
