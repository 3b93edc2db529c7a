"""The rate-distortion bench from films to its report, with a talker and a judge without networks; and once as it is."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_fakes import KEYPOINTS, SIZE, FakeTalker, scene, setup, write_film
from typer.testing import CliRunner

import bench.rd
import bench.rd_measure
import bench.rd_scene
from bench.__main__ import app
from bench.clips import Clip
from bench.errors import BenchError
from bench.judge import Subject, pixel_figures
from bench.metrics.landmarks import Box
from bench.rd import Plan, find_clips, list_films, parse_sizes, run_rd, write_films
from bench.rd_ours import MODES, Talk
from bench.rd_report import film_path, write_report
from bench.rd_rows import REFERENCES, Row, choose_rows
from bench.rd_scene import read_as_called
from bench.rd_store import Store, key_of
from bench.rd_tables import rd_tables
from bench.talk import Setup
from call.film import write_clip
from codec.fitting import Stream, fit_prediction
from codec.motion import Motion

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


@pytest.fixture(scope="module")
def able() -> Setup:
    """The fake talker with tables that know prediction."""
    bare = setup(FakeTalker())
    walk = np.cumsum(np.random.default_rng(2).normal(0, 0.01, (40, 3 * KEYPOINTS + 6)), axis=0)
    moves = [Motion(row[:3], row[3:6], row[6:].reshape(KEYPOINTS, 3)) for row in walk]
    prediction = fit_prediction([Stream(moves, range(0, 80, 2))], bare.motion_format.steps)
    return replace(bare, motion_format=replace(bare.motion_format, prediction=prediction))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, able: Setup) -> list[tuple[str, int | None]]:
    """Stand in for the networks, and note each point that is made."""
    monkeypatch.setattr(bench.rd_scene, "load_judge", lambda backbones, threads: FlatJudge())
    monkeypatch.setattr(bench.rd_scene, "load_profile_setup", lambda profile, engine: able)
    monkeypatch.setattr(bench.rd_measure, "profile_hash", lambda profile, engine: profile)
    make = bench.rd_measure._make
    noted: list[tuple[str, int | None]] = []

    def note(found: Any, row: Any, setting: int | None) -> Any:
        noted.append((row.name, setting))
        return make(found, row, setting)

    monkeypatch.setattr(bench.rd_measure, "_make", note)
    return noted


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure few rows."""
    settings: dict[str, tuple[int | None, ...]] = {
        "frozen": (None,),
        "ours_predictive": (None,),
        "h264": (27, 48),
        "vp9": (60,),
        "av1": (60,),
    }
    rows = [Row(name, name, points) for name, points in settings.items()]
    monkeypatch.setattr(bench.rd, "choose_rows", lambda quick: tuple(rows))


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


def test_every_row_has_its_points_and_its_comparisons(
    tmp_path: Path, made: list[tuple[str, int | None]]
) -> None:
    result = run(plan_of(films(tmp_path / "clips", "one", frames=8), tmp_path / "points", frames=4))
    entries = {entry["codec"]: entry for entry in result["results"]}
    assert entries.keys() == {row.name for row in choose_rows(quick=True)} | {
        reference.name for reference in REFERENCES
    }
    for row in choose_rows(quick=True):
        for point in entries[row.name]["points"]:
            assert point["clips"] == 1
            for key in ("bpp", "payload_kbps", "wire_kbps", "lpips", "psnr", "ssim", "flicker"):
                assert isinstance(point[key], float)
    finest, coarsest = (entries["h264"]["points"][place] for place in (0, -1))
    assert finest["lpips"] < coarsest["lpips"]
    assert finest["bpp"] > 2 * coarsest["bpp"]
    assert entries["h264"]["bd_rate_vs_h264"] == pytest.approx(0)
    assert entries["h265"]["bd_rate_vs_h264"] is not None
    assert entries["frozen"]["points"][0]["flicker"] == 0
    ours = entries["ours_predictive"]
    assert ours["points"][0]["wire_kbps"] > 5 * ours["points"][0]["payload_kbps"] > 0
    for key in ("rate_ratio_h264", "rate_ratio_h265", "bd_rate_vs_h264", "bd_rate_vs_h265"):
        assert ours[key] is not None or ours["why"][key]
    fomm = entries["fomm"]["points"][0]
    assert fomm["bpp"] == pytest.approx(8 * 171.09 / SIZE**2)
    assert any("rate over ours" in str(table.title) for table in rd_tables(result))


@pytest.mark.usefixtures("few")
def test_a_rate_ratio_is_the_codecs_rate_at_our_quality_over_ours(
    tmp_path: Path, made: list[tuple[str, int | None]]
) -> None:
    result = run(plan_of(films(tmp_path / "clips", "one"), tmp_path / "points"))
    points = result["clips"][0]["points"]
    ours = next(point for point in points if point["codec"] == "ours_predictive")
    curve = sorted((point["lpips"], point["payload_kbps"]) for point in points if point["codec"] == "h264")
    entry = next(entry for entry in result["results"] if entry["codec"] == "ours_predictive")
    if ours["lpips"] < curve[0][0]:
        assert (entry["rate_ratio_h264"], entry["rate_ratio_h264_above"]) == (None, 1)
        return
    place = next(index for index, (error, _) in enumerate(curve) if error >= ours["lpips"])
    least, most = curve[place][1] / ours["payload_kbps"], curve[place - 1][1] / ours["payload_kbps"]
    assert least <= entry["rate_ratio_h264"] <= most


@pytest.mark.usefixtures("few")
def test_what_is_finished_is_not_done_again_even_after_a_kill(
    tmp_path: Path, made: list[tuple[str, int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(films(tmp_path / "clips", "one", "two"), tmp_path / "points")
    run_codec = bench.rd_measure.run_codec

    def killed(codec: Any, *args: Any, **named: Any) -> Any:
        if codec.name == "vp9":
            raise MemoryError("killed")
        return run_codec(codec, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(bench.rd_measure, "run_codec", killed)
        with pytest.raises(BenchError, match="No clip could be measured: MemoryError"):
            run_rd(plan, on_clip=lambda name: None, on_trouble=lambda sentence: None)
    before = len(made)
    first = run(plan)
    assert {name for name, _ in made[before:]} == {"vp9", "av1"}
    before = len(made)
    assert run(plan) == first
    assert made[before:] == []
    assert run(replace(plan, frames=4))["clips"] != first["clips"]
    assert len(made) > before


@pytest.mark.usefixtures("few")
def test_another_film_of_the_same_name_is_measured_anew_and_a_damaged_point_too(
    tmp_path: Path, made: list[tuple[str, int | None]]
) -> None:
    folder = films(tmp_path / "clips", "one")
    plan = plan_of(folder, tmp_path / "points")
    run(plan)
    every = len(made)
    damaged = next(path for path in (tmp_path / "points").iterdir() if '"vp9"' in path.read_text())
    damaged.write_text("{")
    run(plan)
    assert [name for name, _ in made[every:]] == ["vp9"]
    write_film(folder / "one.mkv", scene(10))
    run(plan)
    assert len(made) == 2 * every + 1


@pytest.mark.usefixtures("few")
def test_small_and_broken_clips_are_left_out_with_a_sentence(
    tmp_path: Path, made: list[tuple[str, int | None]]
) -> None:
    folder = films(tmp_path / "clips", "one")
    write_film(folder / "small.mkv", scene(5, size=128))
    (folder / "broken.mp4").write_bytes(b"no film")
    trouble: list[str] = []
    plan = plan_of(folder, tmp_path / "points")
    result = run_rd(plan, on_clip=lambda name: None, on_trouble=trouble.append)
    assert [clip["clip"] for clip in result["clips"]] == ["one"]
    whys = {row["clip"]: row["why"] for row in result["skipped"]}
    assert "enlarged" in whys["small"]
    assert "cannot be read" in whys["broken"]
    assert len(trouble) == 1
    assert "broken" in trouble[0]


@pytest.mark.usefixtures("few")
def test_the_report_is_one_file_with_its_pictures_and_films_beside_it(
    tmp_path: Path, made: list[tuple[str, int | None]]
) -> None:
    folder = films(tmp_path / "clips", "<b>one", "two")
    plan = plan_of(folder, tmp_path / "out" / "points", strips=True)
    result = run(plan)
    chosen = list_films(plan, result, tmp_path / "out")
    write_films(plan, chosen, on_clip=lambda name: None, on_trouble=pytest.fail)
    page = write_report(tmp_path / "out", result).read_text()
    assert "<b>one" not in page
    assert "&lt;b&gt;one" in page
    assert "<svg" in page
    # Two strips a clip of four pictures, our worst frames and the middling ones.
    assert page.count("data:image/jpeg;base64,") == 2 * 2 * 4
    assert "src='http" not in page
    assert "<script" not in page
    for name in ("<b>one", "two"):
        assert (tmp_path / "out" / film_path(name, SIZE)).stat().st_size > 1000
    kept = json.loads((tmp_path / "out" / "rd.json").read_text())
    assert "strips" not in kept["clips"][0]
    with (tmp_path / "out" / "points.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(clip["points"]) for clip in result["clips"])
    assert float(rows[0]["lpips"]) == pytest.approx(result["clips"][0]["points"][0]["lpips"])


def test_our_modes_cost_what_they_should_and_draw_the_same(tmp_path: Path, able: Setup) -> None:
    write_film(tmp_path / "one.mkv", scene(30, step=1.0))
    footage = read_as_called(Clip("one", tmp_path / "one.mkv", None), SIZE)
    talk = Talk(able, footage)
    packets = {
        name: talk.run(mode, None, keep={29})[0] for name, mode in MODES.items() if None in mode.coding
    }
    assert [len(packets[f"ours_predictive{end}"]) for end in ("", "_by_2", "_by_4")] == [30, 15, 8]
    assert sum(packets["ours_predictive_by_4"]) < sum(packets["ours_predictive"])
    first = talk.run(MODES["ours_static"], None, keep={29})[1][29]
    other = talk.run(MODES["ours_predictive"], None, keep={29})[1][29]
    assert np.abs(first.astype(int) - other).mean() < 8


def test_a_fast_camera_is_thinned_for_all(tmp_path: Path) -> None:
    write_film(tmp_path / "fast.mkv", scene(12), rate=60)
    footage = read_as_called(Clip("fast", tmp_path / "fast.mkv", None), SIZE)
    assert (len(footage.pictures), footage.rate) == (6, 30)


def test_a_kept_result_is_found_by_what_it_was_made_from(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    key = key_of({"a": 1, "b": [2]})
    assert key == key_of({"b": [2], "a": 1}) != key_of({"a": 1, "b": [3]})
    assert store.get(key) is None
    store.put(key, {"figure": 0.5})
    assert store.get(key) == {"figure": 0.5}
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"{key}.json"]


def test_bad_input_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no video and no folder"):
        find_clips([tmp_path / "nothing.mp4"])
    for folder in ("a", "b"):
        films(tmp_path / folder, "same", frames=2)
    with pytest.raises(BenchError, match="same name"):
        find_clips([tmp_path / "a", tmp_path / "b"])
    assert parse_sizes("256,512,256") == (256, 512)
    for text in ("", "big", "250", "-64"):
        with pytest.raises(BenchError, match="--sizes"):
            parse_sizes(text)


@pytest.mark.usefixtures("backbones", "profile_folder")
def test_the_command_measures_a_real_face(face_clip: Path, tmp_path: Path) -> None:
    from bench.clips import read_video

    clip = tmp_path / "face.mp4"
    write_clip(clip, read_video(face_clip)[0][:8], frame_rate=25)
    command = ["rd", str(clip), "--quick", "--sizes", "128", "--frames", "2", "--workers", "1", "--json"]
    answer = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "out")])
    assert answer.exit_code == 0, answer.output
    result = json.loads(answer.stdout)
    entries = {entry["codec"]: entry for entry in result["results"]}
    frozen, ours = (entries[name]["points"][0] for name in ("frozen", "ours_predictive"))
    assert ours["face_lpips"] < frozen["face_lpips"]
    assert ours["payload_kbps"] < 10 < entries["h264"]["points"][0]["payload_kbps"]
    assert result["profiles"] == {"128": "laptop-256 at 256"}
    assert (tmp_path / "out" / "report.html").is_file()
