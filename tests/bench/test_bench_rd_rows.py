"""The rows of ours in the rate-distortion bench: what they send and draw, and where they lose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bench_fakes import SIZE, FakeTalker, scene, write_film

from bench.clips import Clip
from bench.rd_causes import describe
from bench.rd_losses import losing, with_losses
from bench.rd_ours import MODES, Talk
from bench.rd_ours import able as able_to
from bench.rd_scene import read_as_called, spread
from bench.talk import Setup, first_bytes


def test_our_modes_cost_what_they_should_and_draw_the_same(tmp_path: Path, able: Setup) -> None:
    write_film(tmp_path / "one.mkv", scene(30, step=1.0))
    footage = read_as_called(Clip("one", tmp_path / "one.mkv", None), SIZE)
    talk = Talk(able, footage)
    packets = {
        name: talk.run(mode, None, keep={29}).packets for name, mode in MODES.items() if None in mode.coding
    }
    assert [len(packets[f"ours_predictive{end}"]) for end in ("", "_by_2", "_by_4")] == [30, 15, 8]
    assert sum(packets["ours_static"]) < sum(packets["ours_static_exact"])
    first = talk.run(MODES["ours_static"], None, keep={29}).pictures[29]
    other = talk.run(MODES["ours_predictive"], None, keep={29}).pictures[29]
    assert np.abs(first.astype(int) - other).mean() < 8


class Bending(FakeTalker):
    """Moves nothing by keypoints, and everything by residual flow."""

    bends = True

    def estimate(self, picture: np.ndarray, source: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return an expression that goes with the spot, so that no frame counts as the one before."""
        rotation, translation, expression = super().estimate(picture, source)
        return rotation, translation, np.full_like(expression, translation[0])

    def draw(self, source: Any, *motion: Any, flow: Any = None) -> np.ndarray:
        """Return the source bent."""
        flow = motion[3] if len(motion) > 3 else flow
        picture = source.features["picture"]
        if flow is None:
            return np.array(picture)
        away = cv2.resize(flow, picture.shape[:2]) * (picture.shape[0] / 2)
        rows, columns = np.indices(picture.shape[:2]).astype(np.float32)
        return cv2.remap(picture, columns + away[..., 0], rows + away[..., 1], cv2.INTER_LINEAR)


def test_residual_flow_is_drawn_by_and_paid_for(tmp_path: Path, able: Setup) -> None:
    write_film(tmp_path / "one.mkv", scene(30, step=0.5))
    footage = read_as_called(Clip("one", tmp_path / "one.mkv", None), SIZE)
    talk = Talk(replace(able, talker=Bending()), footage)
    mode = MODES["ours_flow"]
    plain, scarce, rich = (
        talk.run(MODES["ours_predictive"], None, keep={29}),
        talk.run(mode, min(mode.coding, key=int), keep={29}),
        talk.run(mode, max(mode.coding, key=int), keep={29}),
    )
    errors = [np.abs(said.pictures[29].astype(int) - footage.pictures[29]).mean() for said in (plain, rich)]
    assert errors[1] < 0.7 * errors[0]
    assert sum(plain.packets) < sum(scarce.packets) < sum(rich.packets)
    flow_bytes = sum(scarce.packets) - sum(plain.packets)
    assert flow_bytes < 1.5 * min(mode.coding, key=int) * footage.seconds
    assert not able_to(replace(able, talker=FakeTalker()), mode, None)


def clip_of(curve: dict[float, float], **ours: float) -> dict[str, Any]:
    """Return a clip as the measuring leaves it: H.264's LPIPS by kbit/s, and our figures."""
    figures = dict.fromkeys(("lpips", "face_lpips", "mouth_expression", "identity_distance"), 0.1)
    ratios = dict.fromkeys((f"{key}_ratio" for key in (*figures, "eye_expression", "mouth_akd")), 0.5)
    alike = {"ms_ssim": 0.9}
    rates = {"payload_kbps": 10.0, "wire_kbps": 50.0, "lpips_frozen": 0.2}
    points: list[dict[str, Any]] = [
        {"codec": "ours_predictive", **figures, **alike, **ratios, **rates, **ours}
    ]
    for crf, (kbps, error) in enumerate(curve.items()):
        same = {"payload_kbps": kbps, "wire_kbps": kbps + 15, "ms_ssim": 1 - error}
        points.append({"codec": "h264", "setting": crf, **dict.fromkeys(figures, error), **same})
    happens = dict.fromkeys(("turn_degrees", "light_percent", "fault_before_face", "fault_elsewhere"), 0.0)
    return {"clip": "one", "size": 256, "profile_size": 256, "happens": happens, "points": points}


def test_a_clip_is_lost_where_something_else_is_better_and_says_what_happens_in_it() -> None:
    dear = {90.0: 0.02, 30.0: 0.2}
    won = with_losses(clip_of(dear))
    assert (won["lost_to_frozen"], won["lost_to_h264"], won["causes"]) == ([], [], [])
    still = with_losses(clip_of(dear, face_lpips_ratio=1.2, lpips_ratio=1.0, lpips_frozen=0.03))
    assert (still["lost_to_frozen"], still["causes"]) == (["face_lpips"], ["hardly moves"])
    cheap = with_losses(clip_of({20.0: 0.02, 5.0: 0.11}))
    every = ("lpips", "face_lpips", "mouth_expression", "identity_distance", "ms_ssim")
    assert cheap["lost_to_h264"] == [f"{key}, {rate}" for key in every for rate in ("payload", "wire")]
    # Better than ours at its worst: no rate of ours is as good.
    hopeless = clip_of(dear, mouth_expression=0.5)
    hopeless["happens"] |= {"turn_degrees": 40.0, "fault_before_face": 1.5}
    lost = with_losses({**hopeless, "size": 512})
    assert lost["lost_to_h264"] == ["mouth_expression, at any rate"]
    assert lost["causes"] == ["head turn", "hand or thing at the head", "enlarged from 256"]
    assert [clip["lost_to_h264"] for clip in losing([won, still, lost])] == [[], lost["lost_to_h264"]]


def test_what_happens_in_a_clip_is_seen_in_its_frames(tmp_path: Path, able: Setup) -> None:
    calm = scene(12, step=0.0)
    dark = [(picture * 0.7).astype(np.uint8) for picture in calm]
    hidden = [picture.copy() for picture in calm]
    for picture in hidden:
        picture[40:150, 60:140] = scene(1, step=0.0)[0][0:110, 20:100][::-1]
    found = {}
    for name, later in (("calm", calm), ("dark", dark), ("hidden", hidden)):
        write_film(tmp_path / f"{name}.mkv", [*calm, *later])
        footage = read_as_called(Clip(name, tmp_path / f"{name}.mkv", None), SIZE)
        talk = Talk(able, footage)
        judged = list(range(0, 24, 3))
        drawn = talk.run(MODES["ours_static"], None, keep=judged).pictures
        found[name] = describe(talk.watched, judged, drawn)
    assert found["calm"]["light_percent"] == found["calm"]["turn_degrees"] == 0
    assert found["dark"]["light_percent"] > 4
    assert found["hidden"]["fault_before_face"] > 1 > found["calm"]["fault_before_face"]


def test_a_gallery_holds_no_picture_of_a_frame_that_is_judged_and_pays_for_each(
    tmp_path: Path, able: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sender.held.GAIN", 0.001)  # the pattern has no posture but its place
    there = scene(21, step=3.0)[-1]
    write_film(tmp_path / "one.mkv", [*scene(20, step=0.0), *[there] * 20, *scene(20, step=0.0)])
    footage = read_as_called(Clip("one", tmp_path / "one.mkv", None), SIZE)
    one, four = (
        Talk(able, footage, judged={2, 57}).run(MODES["ours_gallery"], count, keep={30}) for count in (1, 4)
    )
    assert one.once_bytes == first_bytes(footage.pictures[0]) < four.once_bytes
    assert len(one.packets) == len(four.packets) == 60
    errors = [np.abs(said.pictures[30].astype(int) - footage.pictures[30]).mean() for said in (one, four)]
    assert errors[1] < errors[0]
    # Every frame is judged or beside one that is: nothing is left to hold.
    crowded = Talk(able, footage, judged=set(range(0, 60, 4)))
    assert crowded.run(MODES["ours_gallery"], 4, keep={30}).once_bytes == one.once_bytes


def test_a_repair_counts_within_the_clip_that_needed_it(tmp_path: Path, able: Setup) -> None:
    other = [255 - picture for picture in scene(40, step=0.0)]
    write_film(tmp_path / "one.mkv", [*scene(40, step=0.0), *other, *other])
    footage = read_as_called(Clip("one", tmp_path / "one.mkv", None), SIZE)
    said = Talk(able, footage).run(MODES["ours_repaired"], None, keep={0, 119})
    assert said.clip_bytes > 1000
    assert said.once_bytes == first_bytes(footage.pictures[0])
    assert np.abs(said.pictures[119].astype(int) - footage.pictures[119]).mean() < 20


def test_a_fast_camera_is_thinned_for_all(tmp_path: Path) -> None:
    write_film(tmp_path / "fast.mkv", scene(12), rate=60)
    footage = read_as_called(Clip("fast", tmp_path / "fast.mkv", None), SIZE)
    assert (len(footage.pictures), footage.rate) == (6, 30)


@pytest.mark.parametrize(
    ("frames", "judged"),
    [
        (120, [7, 22, 37, 52, 67, 82, 97, 112]),
        (15, [0, 2, 4, 6, 8, 10, 12, 14]),
        (23, [1, 4, 7, 10, 12, 15, 18, 21]),
        (3, [0, 1, 2]),
        (1, [0]),
    ],
)
def test_the_frames_judged_are_spread_over_the_whole_clip(frames: int, judged: list[int]) -> None:
    assert spread(frames, 8) == judged
