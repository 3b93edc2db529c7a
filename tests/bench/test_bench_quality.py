"""The quality bench from films to JSON, with a talker without networks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_fakes import KEYPOINTS, SIZE, FakeTalker, scene, setup, write_film
from typer.testing import CliRunner

from bench.__main__ import app
from bench.clips import Clip, large_crops, list_clips
from bench.errors import BenchError
from bench.judge import Judge, Subject, pixel_figures
from bench.metrics.landmarks import Box
from bench.quality import run_quality, sampled
from bench.report import quality_tables, to_json
from bench.sheet import pick_ranked
from bench.statistics import METRICS

PROMISED = (
    "lpips", "face_lpips", "psnr", "ssim", "mouth_akd", "eye_akd", "mouth_expression", "eye_expression",
    "identity_distance",
)  # fmt: skip


class PixelJudge:
    """Judges by pixels what the real one judges by networks."""

    def lpips(self, originals: Sequence[np.ndarray], rivals: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
        """Return mean absolute differences."""
        return np.array(
            [[_difference(a, b) for a, b in zip(originals, rival, strict=True)] for rival in rivals]
        )

    def face_lpips(
        self, originals: Sequence[np.ndarray], boxes: Any, rivals: Sequence[Sequence[np.ndarray]]
    ) -> np.ndarray:
        """See no faces."""
        return np.full((len(rivals), len(originals)), np.nan)

    def subject(self, pictures: list[np.ndarray], boxes: Any) -> Subject:
        """See no landmarks."""
        return Subject(
            pictures, [None] * len(pictures), np.zeros((len(pictures), 66, 3)), np.ones((len(pictures), 4))
        )

    def figures(
        self, subject: Subject, rivals: Sequence[Sequence[np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Return the figures of the whole picture, and none of the face."""
        names = (
            "face_lpips",
            "mouth_akd",
            "eye_akd",
            "mouth_expression",
            "eye_expression",
            "identity_distance",
        )
        absent = {name: np.full(len(subject.pictures), np.nan) for name in names}
        whole = self.lpips(subject.pictures, rivals)
        return [
            absent | {"lpips": row} | pixel_figures(subject.pictures, rival)
            for row, rival in zip(whole, rivals, strict=True)
        ]


class IdentityJudge(PixelJudge):
    """Sees a face in every frame, and the redrawn one at a given distance from the original."""

    distance = 0.0

    def subject(self, pictures: list[np.ndarray], boxes: Any) -> Subject:
        """See vectors that lie about 0.1 apart."""
        angles = np.linspace(0, 1, len(pictures))
        vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
        return Subject(pictures, [Box(0, 0, 9, 9)] * len(pictures), np.zeros((len(pictures), 66, 3)), vectors)

    def figures(
        self, subject: Subject, rivals: Sequence[Sequence[np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Return the given distance for every frame."""
        return [
            found | {"identity_distance": np.full(len(subject.pictures), self.distance)}
            for found in super().figures(subject, rivals)
        ]


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean() / 255)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A plain folder of two films."""
    for name, step in (("slow", 1.0), ("quick", 3.0)):
        write_film(tmp_path / f"{name}.mkv", scene(16, step=step))
    return tmp_path


def bench(folder: Path, talker: FakeTalker, **more: Any) -> dict[str, Any]:
    """Run the bench with the pixel judge."""
    options = {"source": "first", "every": 3, "on_clip": lambda name: None} | more
    return run_quality(setup(talker), list_clips(folder), PixelJudge(), **options)  # type: ignore[arg-type]


def test_a_talker_that_follows_beats_the_frozen_picture(films: Path) -> None:
    summary = bench(films, FakeTalker())["summary"]
    assert summary["lpips_ratio"] < 0.8
    assert summary["lpips_share_beaten"] == 1
    assert summary["psnr_ratio"] > 1
    assert summary["lpips_ratio_low"] <= summary["lpips_ratio"] <= summary["lpips_ratio_high"]


def test_a_talker_that_does_nothing_is_the_frozen_picture(films: Path) -> None:
    result = bench(films, FakeTalker(frozen=True))
    assert result["summary"]["lpips_ratio"] == pytest.approx(1)
    assert result["summary"]["lpips_share_beaten"] == 0
    assert result["summary"]["flicker"] == 0


def test_every_promised_key_is_there_and_every_null_has_a_reason(films: Path) -> None:
    result = json.loads(to_json(bench(films, FakeTalker())))
    for clip in result["clips"]:
        for key in PROMISED:
            assert {key, f"{key}_frozen", f"{key}_ratio"} <= clip.keys()
            assert clip[key] is not None or "no face" in clip["why"][key]
        assert {"rate_ratio_h264", "payload_kbps"} <= clip.keys()
    summary = result["summary"]
    assert {"rate_ratio_h264", "payload_kbps", "share_beaten"} <= summary.keys()
    assert {f"{key}{suffix}" for key in PROMISED for suffix in ("", "_frozen", "_ratio")} <= summary.keys()


def test_the_rate_counts_packets_by_the_second_and_the_source_over_five_minutes(films: Path) -> None:
    clip = bench(films, FakeTalker())["clips"][0]
    motion = clip["payload_bytes_per_frame"] * 25 * 8 / 1000
    assert clip["payload_kbps"] == pytest.approx(motion + clip["source_bytes"] * 8 / 1000 / 300)
    assert clip["payload_kbps_clip"] == pytest.approx(motion + clip["source_bytes"] * 8 / 1000 / (16 / 25))
    if clip["rate_ratio_h264"] is not None:
        assert clip["rate_ratio_h264"] == pytest.approx(clip["h264_kbps"] / clip["payload_kbps"])


def test_a_perfect_picture_lies_beyond_h264s_curve_and_says_so(tmp_path: Path) -> None:
    write_film(tmp_path / "still.mkv", scene(9, step=0.0))
    result = bench(tmp_path, FakeTalker(frozen=True))
    clip, summary = result["clips"][0], result["summary"]
    assert clip["rate_ratio_h264"] is None
    assert "better than its finest" in clip["why"]["rate_ratio_h264"]
    assert summary["rate_ratio_h264"] is None
    assert summary["rate_ratio_h264_above"] == 1
    assert clip["why"]["lpips_ratio"].startswith("the frozen picture has no error")


def test_the_chosen_source_is_a_frame_of_the_first_second(films: Path) -> None:
    clip = bench(films, FakeTalker(), source="chosen")["clips"][0]
    assert 0 <= clip["source_index"] < 16
    with pytest.raises(BenchError, match="'first' or 'chosen'"):
        bench(films, FakeTalker(), source="last")


def test_only_the_first_offsets_are_sent_and_the_others_drawn_as_zero(films: Path) -> None:
    drawn = []

    class Smiling(FakeTalker):
        own: tuple[np.ndarray | None, np.ndarray] = (
            None,
            np.zeros(0),
        )  # the newest picture drawn, and its expression

        def estimate(self, picture: np.ndarray, source: Any) -> tuple[np.ndarray, ...]:
            smile = self.own[1] if picture is self.own[0] else np.ones((KEYPOINTS, 3), np.float32)
            return *super().estimate(picture, source)[:2], smile

        def draw(
            self,
            source: Any,
            rotation: np.ndarray,
            translation: np.ndarray,
            expression: np.ndarray,
            flow: Any = None,
        ) -> np.ndarray:
            drawn.append(np.abs(expression).max(1) > 0)
            self.own = super().draw(source, rotation, translation, expression), expression
            return self.own[0]

    result = bench(films, Smiling(), keypoints=1)
    assert result["keypoints"] == 1
    np.testing.assert_array_equal(np.unique(drawn, axis=0), [[True] + [False] * (KEYPOINTS - 1)])
    with pytest.raises(BenchError, match=f"sends 0 to {KEYPOINTS} keypoints, not 21"):
        bench(films, FakeTalker(), keypoints=KEYPOINTS + 1)


def test_a_rival_that_draws_half_the_pixels_is_judged_at_our_size(films: Path) -> None:
    summary = bench(films, FakeTalker(), rival=setup(size=SIZE // 2))["summary"]
    assert summary["lpips_over_rival"] < 0.9
    assert summary["lpips_over_rival_low"] <= summary["lpips_over_rival"]
    same = bench(films, FakeTalker(), rival=setup())["summary"]
    assert same["lpips_over_rival"] == pytest.approx(1)


def test_only_clips_cropped_from_enough_pixels_are_taken(tmp_path: Path) -> None:
    (tmp_path / "val" / "clips").mkdir(parents=True)
    for name in ("small", "large", "unknown", "new"):
        (tmp_path / "val" / "clips" / f"{name}.mp4").touch()
    with pytest.raises(BenchError, match=r"index\.csv"):
        large_crops(tmp_path / "val", list_clips(tmp_path / "val"), crop_side=400)
    (tmp_path / "index.csv").write_text("name,crop_side\nsmall,256\nlarge,512\nunknown,\n")
    clips = list_clips(tmp_path / "val")
    assert [clip.name for clip in large_crops(tmp_path / "val", clips, crop_side=400)] == ["large"]
    with pytest.raises(BenchError, match="from 600 pixels"):
        large_crops(tmp_path / "val", clips, crop_side=600)
    (tmp_path / "index.csv").write_text("clip,side\nsmall,256\n")
    with pytest.raises(BenchError, match=r"index\.csv"):
        list_clips(tmp_path / "val")


def test_the_sheets_show_the_best_the_median_and_the_worst_clips() -> None:
    clips = [Clip(name, Path(name), None) for name in "abcdef"]
    ratios = {"a": 0.5, "b": 0.2, "c": None, "d": 0.9, "e": 0.3, "f": None}
    rows = [
        {"name": name, "face_lpips_ratio": value, "lpips_ratio": 0.1 if name == "f" else None}
        for name, value in ratios.items()
    ]
    chosen = {part: [clip.name for clip in people] for part, people in pick_ranked(clips, rows, 1).items()}
    assert chosen == {"best": ["f"], "median": ["e"], "worst": ["d"]}


def test_a_face_that_turns_into_another_persons_is_lost(tmp_path: Path) -> None:
    write_film(tmp_path / "slow.mkv", scene(16))
    judge = IdentityJudge()
    options: dict[str, Any] = {"source": "first", "every": 2, "on_clip": lambda name: None}
    for distance, lost in ((0.05, []), (0.9, ["slow"])):
        judge.distance = distance
        result = run_quality(setup(), list_clips(tmp_path), judge, **options)  # type: ignore[arg-type]
        assert result["summary"]["identity_lost"] == lost
        assert result["clips"][0]["identity_kept"] == (0 if lost else 1)


def test_frames_are_taken_from_the_middle_of_their_group() -> None:
    assert sampled(12, 5) == [2, 7]
    assert sampled(3, 1) == [0, 1, 2]
    assert sampled(1, 5) == [0]


def test_a_missing_clip_or_an_empty_folder_is_a_sentence(films: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no clip named ghost"):
        list_clips(films, names=["ghost"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BenchError, match="holds no videos"):
        list_clips(empty)
    (empty / "val" / "clips").mkdir(parents=True)
    with pytest.raises(BenchError, match=r"name .*val\."):
        list_clips(empty)


def test_the_tables_name_every_metric(films: Path) -> None:
    summary, clips = quality_tables(bench(films, FakeTalker()))
    assert summary.row_count == len(METRICS) + 7
    assert clips.row_count == 2


def test_the_command_prints_json_and_writes_its_files(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbones: Path
) -> None:
    monkeypatch.setattr("bench.talk.load_setup", lambda profile, engine: setup())
    monkeypatch.setattr("bench.judge.Judge", lambda backbones: PixelJudge())
    monkeypatch.setenv("VISAVIS_DATA", str(backbones.parent))
    options = ["--data", str(films), "--every", "4", "--clips", "slow", "--json"]
    output = ["--output", str(tmp_path / "out"), "--sheet", str(tmp_path / "out" / "sheet.png")]
    result = CliRunner().invoke(app, ["quality", *options, *output])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert [clip["name"] for clip in printed["clips"]] == ["slow"]
    assert json.loads((tmp_path / "out" / "quality.json").read_text()) == printed
    assert (tmp_path / "out" / "quality.png").stat().st_size > 0
    assert (tmp_path / "out" / "sheet.png").stat().st_size > 0
    for part in ("best", "median", "worst"):
        assert (tmp_path / "out" / f"sheet-{part}.png").stat().st_size > 0


def test_a_strangers_frozen_picture_has_the_frozen_pictures_errors(
    data_folder: Path, backbones: Path
) -> None:
    clips = list_clips(data_folder / "val", names=["talkvid_91-2"])
    frozen = setup(FakeTalker(frozen=True), size=SIZE)
    result = run_quality(frozen, clips, Judge(backbones), source="first", every=12, on_clip=lambda name: None)
    clip = result["clips"][0]
    for key in PROMISED:
        assert clip[f"{key}_ratio"] == pytest.approx(1, abs=1e-3)
    assert 0.01 < clip["face_lpips"] < 0.4
    assert 1 < clip["mouth_akd"] < 60
    assert result["summary"]["identity_kept"] > 0.5
