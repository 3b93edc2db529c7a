"""The rate-distortion bench from films to its report, with a talker and a judge without networks; and once as it is."""

import csv
import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_fakes import SIZE, scene, write_film
from rd_fakes import films, plan_of, run
from typer.testing import CliRunner

import bench.rd
import bench.rd_scene
from bench.__main__ import app
from bench.errors import BenchError
from bench.rd import find_clips, list_films, look_before, parse_sizes, profile_for, run_rd, write_films
from bench.rd_plots import chief_svg, curves_svg
from bench.rd_report import _strip, film_path, write_report
from bench.rd_rows import REFERENCES, Row, choose_rows
from bench.rd_store import Store, key_of
from bench.rd_summary import _ratio_of
from bench.rd_tables import interval, rd_tables
from call.film import write_clip
from runtime.profile import ProfileError


def test_every_row_has_its_points_and_its_comparisons(
    tmp_path: Path, made: list[tuple[str, int | None]]
) -> None:
    result = run(plan_of(films(tmp_path / "clips", "one", frames=8), tmp_path / "points", frames=4))
    entries = {entry["codec"]: entry for entry in result["results"]}
    rows = choose_rows(quick=True)
    assert entries.keys() == {row.name for row in rows} | {reference.name for reference in REFERENCES}
    for row in rows:
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
    assert ours["points"][0]["wire_kbps"] > 2 * ours["points"][0]["payload_kbps"] > 0
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
        assert entry["rate_ratio_h264_least"] == pytest.approx(curve[0][1] / ours["payload_kbps"])
        return
    place = next(index for index, (error, _) in enumerate(curve) if error >= ours["lpips"])
    least, most = curve[place][1] / ours["payload_kbps"], curve[place - 1][1] / ours["payload_kbps"]
    assert least <= entry["rate_ratio_h264"] <= most


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system knows no kill -9")
@pytest.mark.usefixtures("few")
def test_what_is_finished_is_not_done_again_after_a_kill_in_the_middle(
    tmp_path: Path, made: list[tuple[str, int | None]]
) -> None:
    clips, store = films(tmp_path / "clips", "one", "two"), tmp_path / "points"
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    script += "from pathlib import Path; from rd_fakes import die_at\n"
    script += f"die_at('vp9', Path({str(clips)!r}), Path({str(store)!r}))"
    root = Path(__file__).parents[2]
    died = subprocess.run([sys.executable, "-c", script], cwd=root, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert not [path for path in store.iterdir() if path.suffix != ".json"]
    first = run(plan := plan_of(clips, store))
    once = [("frozen", None), ("ours_predictive", None), ("h264", 27), ("h264", 48), ("vp9", 60), ("av1", 60)]
    # One clip had come to its third codec; a single worker had not begun the other.
    assert sorted(made) == sorted([*once[-2:], *once])
    before = len(made)
    assert run(plan) == first
    assert made[before:] == []
    assert run(replace(plan, frames=4))["clips"] != first["clips"]
    assert len(made) > before


@pytest.mark.usefixtures("few")
def test_a_report_made_anew_reads_no_film_and_loads_no_network(
    tmp_path: Path, made: list[tuple[str, int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(films(tmp_path / "clips", "one"), tmp_path / "points", strips=True)
    first = run(plan)
    for name in ("read_footage", "load_judge", "load_profile_setup", "load_profile_corrector"):
        monkeypatch.setattr(bench.rd_scene, name, lambda *args, **named: pytest.fail("it was loaded"))
    assert run(plan) == first


@pytest.mark.usefixtures("few")
def test_another_film_of_the_same_name_is_measured_anew_and_a_damaged_point_too(
    tmp_path: Path, made: list[tuple[str, int | None]]
) -> None:
    folder = films(tmp_path / "clips", "one")
    plan = plan_of(folder, tmp_path / "points")
    run(plan)
    every = len(made)
    damaged = next(path for path in (tmp_path / "points").iterdir() if '"codec": "vp9"' in path.read_text())
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
    assert (tmp_path / "out" / "rate.svg").read_text().startswith("<svg")
    quoted = (tmp_path / "out" / "tables.md").read_text().split("**")[1:]
    assert quoted[0] == "What is quoted"
    assert f"| {SIZE}: source picture uncompressed |" in quoted[1]
    with (tmp_path / "out" / "points.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(clip["points"]) for clip in result["clips"])
    assert float(rows[0]["lpips"]) == pytest.approx(result["clips"][0]["points"][0]["lpips"])


def test_a_size_without_a_profile_of_its_own_says_so_in_each_of_our_rows(
    tmp_path: Path, made: list[tuple[str, int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.profile.list_built_profiles", lambda: ["laptop-256"])
    assert profile_for(512) == "laptop-256"
    monkeypatch.setattr("runtime.profile.list_built_profiles", lambda: ["laptop-256", "laptop-512"])
    assert (profile_for(512), profile_for(256)) == ("laptop-512", "laptop-256")
    folder = tmp_path / "clips"
    folder.mkdir()
    write_film(folder / "one.mkv", scene(8, size=256))
    rows = (Row("frozen", "frozen", (None,)), Row("ours_static", "ours", (None,)))
    monkeypatch.setattr(bench.rd, "choose_rows", lambda quick: rows)
    result = run(plan_of(folder, tmp_path / "points", sizes=(256,)))
    headings = [entry["heading"] for entry in result["results"]]
    assert headings[:2] == ["frozen", f"ours, enlarged from {SIZE}"]


def test_a_plot_has_room_for_every_row(tmp_path: Path, made: list[tuple[str, int | None]]) -> None:
    result = run(plan_of(films(tmp_path / "clips", "one", frames=4), tmp_path / "points", frames=2))
    ours = next(entry for entry in result["results"] if entry["ours"])
    every = [
        {**ours, "codec": row.name, "heading": row.heading} for row in choose_rows(quick=False) if row.ours
    ]
    svg = curves_svg({**result, "results": every}, SIZE)
    assert svg.count("legend") == 1
    assert svg == curves_svg({**result, "results": every}, SIZE)


def test_the_chief_plot_of_one_size_has_its_whole_legend(
    tmp_path: Path, made: list[tuple[str, int | None]]
) -> None:
    svg = chief_svg(run(plan_of(films(tmp_path / "clips", "one", frames=4), tmp_path / "points", frames=2)))
    width = float(re.search(r'viewBox="0 0 (\S+)', svg)[1])
    frame = re.search(r'<g id="legend_1">.*?<path d="(.*?)"', svg, re.DOTALL)[1]
    across = [float(x) for x in re.findall(r"[MLQ] (\S+) ", frame)]
    assert 0 <= min(across) < max(across) <= width


def test_where_a_curve_ends_its_end_is_the_bound() -> None:
    def clip(name: str, lpips: float) -> dict[str, Any]:
        points: list[dict[str, Any]] = [
            {"codec": "ours", "setting": None, "lpips": lpips, "payload_kbps": 2.0}
        ]
        points += [
            {"codec": "h264", "setting": crf, "lpips": error, "payload_kbps": kbps}
            for crf, error, kbps in ((24, 0.1, 100.0), (50, 0.3, 10.0))
        ]
        return {"clip": name, "points": points}

    def ratio_of(*errors: float) -> dict[str, Any]:
        clips = [clip(str(place), error) for place, error in enumerate(errors)]
        points = [each["points"][0] for each in clips]
        return _ratio_of("times", clips, points, "h264", "lpips", "payload_kbps")[0]

    assert interval(ratio_of(0.05, 0.06, 0.3), "times", 1) == "over 50.0"
    assert interval(ratio_of(0.4, 0.5, 0.1), "times", 1) == "under 5.0"
    known = ratio_of(0.05, 0.1, 0.4)
    assert (known["times"], known["times_least"], known["times_most"]) == (50.0, 50.0, 50.0)


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
    plan = plan_of(tmp_path / "a", tmp_path / "points")
    with pytest.raises(BenchError, match="no engine 'none'; there are: auto"):
        look_before(plan)
    with pytest.raises(ProfileError, match="fake"):
        look_before(replace(plan, engine="openvino"))


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


@pytest.mark.parametrize(
    ("judge", "named"), [("lpips", "s, LPIPS 0.250"), ("face_lpips", "s, face LPIPS 0.250")]
)
def test_a_strip_names_its_judge(judge: str, named: str) -> None:
    strip = {"at_s": 1.0, "what": "worst", "error": 0.25, "judge": judge, "panels": []}
    assert named in _strip("one", strip)
