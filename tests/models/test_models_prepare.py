"""Raw videos to training data: what comes out is read back by training's own loader, and nothing is ever half there."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("distributed")

from models.data import app
from models.prepare.dataset import Outcome
from models.prepare.faces import CutDetector, Seen
from models.prepare.job import Job, prepare_video
from models.prepare.level import mean_face, sample_frames
from models.prepare.mesh import IRISES, VERTICES, OpenFaceMesh, OpenLandmarker, fit_mesh
from models.prepare.run import prepare
from models.prepare.settings import PrepareError, Record, Settings
from models.prepare.shots import find_stretches
from models.prepare.sources import find_sources
from models.prepare.take import sharpness
from models.prepare.video import probe
from models.training.footage import LANDMARK_UNIT, DataError, image_coordinates
from runtime.talker import Face
from tests.conftest import ROOT, portrait_frames
from tests.full_disk import full_disk
from tests.models import prepare_fakes as fakes
from tests.patience import PATIENCE_S

SETTINGS = Settings(size=128, least_seconds=0.6, least_face=60)


def run(
    videos: Path, output: Path, open_landmarker: OpenLandmarker, settings: Settings = SETTINGS
) -> list[Outcome]:
    sources = find_sources(videos, people="folder", licence="CC0-1.0")
    return prepare(
        videos, output, sources=sources, settings=settings, open_landmarker=open_landmarker, workers=1
    )


@pytest.fixture(scope="module")
def prepared(
    profile_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, list[Outcome]]:
    """A folder of videos, good and bad, and what became of them."""
    videos, output = tmp_path_factory.mktemp("videos"), tmp_path_factory.mktemp("prepared")
    fakes.one_person(videos / "anna" / "talk.mp4")
    fakes.two_people(videos / "ben.mp4")
    fakes.nobody(videos / "wall.mp4")
    whole = (videos / "ben.mp4").read_bytes()
    (videos / "torn.mp4").write_bytes(whole[: len(whole) // 2])
    (videos / "licences.csv").write_text("path,licence\nanna,MIT\n")
    return videos, output, run(videos, output, fakes.OpenDotMesh())


def outcome_of(outcomes: list[Outcome], path: str) -> Outcome:
    return next(outcome for outcome in outcomes if outcome.source.path == path)


def record_of(outcomes: list[Outcome], path: str) -> Record:
    record = outcome_of(outcomes, path).record
    assert record is not None
    return record


def test_what_comes_out_is_what_training_reads(
    prepared: tuple[Path, Path, list[Outcome]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from models.training.data import clip_rows, load_clips, load_level_face

    _, output, _ = prepared
    rows = clip_rows(output)
    assert [row["name"] for row in rows] == ["anna_talk-1", "ben-1", "ben-2"]
    assert [row["identity"] for row in rows] == ["anna", "ben", "ben"]
    assert [row["licence"] for row in rows] == ["MIT", "CC0-1.0", "CC0-1.0"]
    level = load_level_face(output)
    assert level.vertices == VERTICES
    footage = load_clips(output, tmp_path, size=128, level=level)
    assert "Decoding the clips once" in capsys.readouterr().out  # a large folder takes minutes
    assert footage.pictures.shape == (sum(int(row["frames"]) for row in rows), 128, 128, 3)
    # The landmarks of each frame lie on that very frame: the irises' dots are found where they say.
    irises = (footage.landmarks[:, [VERTICES.index(vertex) for vertex in IRISES], :2] + 1) * 64
    for picture, points in zip(footage.pictures, irises, strict=True):
        dots = fakes.find_dots(np.asarray(cv2.resize(np.asarray(picture), (512, 512))))
        assert dots is not None
        assert np.abs(dots[np.argsort(dots[:, 0])] / 4 - points).max() < 0.75


def test_a_disk_that_is_full_before_all_clips_are_decoded_is_told_and_leaves_nothing_behind(
    prepared: tuple[Path, Path, list[Outcome]], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from models.training.data import load_clips, load_level_face

    _, output, _ = prepared
    level = load_level_face(output)
    with full_disk(1_000_000), pytest.raises(DataError, match=r"train128\.npy could not be written"):
        load_clips(output, tmp_path, size=128, level=level)
    assert not list(tmp_path.iterdir())
    assert len(load_clips(output, tmp_path, size=128, level=level).pictures)


def test_a_clip_that_cannot_be_read_is_told_as_that(
    prepared: tuple[Path, Path, list[Outcome]], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from models.training.data import load_clips, load_level_face

    damaged = tmp_path / "damaged"
    shutil.copytree(prepared[1], damaged)
    (damaged / "train/clips/ben-1.mp4").write_bytes(bytes(1000))
    with pytest.raises(DataError, match="damaged has no readable clip ben-1: "):
        load_clips(damaged, tmp_path / "cache", size=128, level=load_level_face(damaged))
    assert not list((tmp_path / "cache").iterdir())


def test_the_landmarks_file_has_the_layout_of_the_data_folder(
    prepared: tuple[Path, Path, list[Outcome]], data_folder: Path
) -> None:
    _, output, _ = prepared
    theirs = next((data_folder / "train" / "landmarks").glob("*.npz"))
    with np.load(output / "train/landmarks/ben-1.npz") as mine, np.load(theirs) as stored:
        assert set(mine.files) == set(stored.files)
        np.testing.assert_array_equal(mine["vertices"], stored["vertices"])
        for name in mine.files:
            assert (mine[name].dtype, mine[name].shape[1:]) == (stored[name].dtype, stored[name].shape[1:])
    with (output / "index.csv").open() as mine_file, (data_folder / "index.csv").open() as stored_file:
        assert next(csv.reader(mine_file)) == next(csv.reader(stored_file))


def test_a_cut_between_two_people_parts_the_clips(prepared: tuple[Path, Path, list[Outcome]]) -> None:
    record = record_of(prepared[2], "ben.mp4")
    assert [(round(clip.start_s * 25), clip.frames) for clip in record.clips] == [(0, 25), (25, 25)]


def test_a_crop_is_steady_and_shows_the_whole_head(prepared: tuple[Path, Path, list[Outcome]]) -> None:
    (clip,) = record_of(prepared[2], "anna/talk.mp4").clips
    assert 0.4 < clip.face_height / clip.crop_side < 0.75
    with np.load(prepared[1] / "train/landmarks/anna_talk-1.npz") as file:
        irises = file["landmarks"][:, [VERTICES.index(vertex) for vertex in IRISES], :2].mean(1)
    moved = (irises - irises[0]) / LANDMARK_UNIT * clip.crop_side
    # A square that stood still shows the very nod that the person made.
    nod = np.array([fakes.nod(index) for index in range(clip.frames)])
    assert np.abs(moved - nod).max() < 0.75


def test_a_video_without_a_face_says_so(prepared: tuple[Path, Path, list[Outcome]]) -> None:
    record = record_of(prepared[2], "wall.mp4")
    assert record.clips == ()
    assert [stretch.why for stretch in record.dropped] == ["no face"]


def test_a_broken_video_is_a_line_and_not_the_end(prepared: tuple[Path, Path, list[Outcome]]) -> None:
    _, output, outcomes = prepared
    error = outcome_of(outcomes, "torn.mp4").error
    assert error is not None
    assert "torn.mp4" in error
    manifest = json.loads((output / "manifest.json").read_text())
    assert {entry["path"]: entry["error"] for entry in manifest["sources"]} == {
        "anna/talk.mp4": None,
        "ben.mp4": None,
        "torn.mp4": error,
        "wall.mp4": None,
    }
    assert all(len(entry["sha256"]) == 64 for entry in manifest["sources"] if not entry["error"])
    assert not (output / ".partial").exists()


def test_a_finished_video_is_not_done_again_and_a_changed_one_is(
    prepared: tuple[Path, Path, list[Outcome]], tmp_path: Path
) -> None:
    videos, output, outcomes = prepared
    job = Job(videos, "ben.mp4", "ben", output, SETTINGS)
    assert prepare_video(job, fakes.refuse) == record_of(outcomes, "ben.mp4")
    with pytest.raises(AssertionError, match="done again"):
        prepare_video(replace(job, settings=replace(SETTINGS, size=64)), fakes.refuse)
    fakes.one_person(tmp_path / "ben.mp4", frames=26)
    with pytest.raises(AssertionError, match="done again"):
        prepare_video(replace(job, videos=tmp_path), fakes.refuse)
    assert prepare_video(job, fakes.refuse).clips, "a try that failed has taken the finished clips away"


def job_of(folder: Path, settings: Settings = SETTINGS) -> Job:
    for name in ("out/train/clips", "out/train/landmarks", "out/videos"):
        (folder / name).mkdir(parents=True)
    return Job(folder, "a.mp4", "a", folder / "out", settings)


def test_frames_without_a_mesh_are_bridged_when_they_are_few(profile_folder: Path, tmp_path: Path) -> None:
    fakes.one_person(tmp_path / "a.mp4")
    job = job_of(tmp_path)
    record = prepare_video(job, fakes.OpenDotMesh(frozenset({0, 10, 29})))
    (clip,) = record.clips
    assert (clip.frames, clip.interpolated, round(clip.start_s * 25)) == (28, 1, 1)
    with np.load(job.output / "train/landmarks/a-1.npz") as file:
        points = file["landmarks"].astype(float)
    np.testing.assert_allclose(points[9], (points[8] + points[10]) / 2, atol=1)
    pictures = decode(job.output / "train/clips/a-1.mp4")
    assert len(pictures) == 28


def test_a_clip_that_loses_the_mesh_too_often_is_dropped(profile_folder: Path, tmp_path: Path) -> None:
    fakes.one_person(tmp_path / "a.mp4")
    job = job_of(tmp_path)
    record = prepare_video(job, fakes.OpenDotMesh(frozenset({3, 9, 15, 20})))
    assert [stretch.why for stretch in record.dropped] == ["no face mesh in 4 of 30 frames"]
    assert not list((job.output / "train").rglob("*.*"))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (replace(SETTINGS, least_face=200), "less than 200"),
        (replace(SETTINGS, least_seconds=2), "shorter than 2 s"),
        (replace(SETTINGS, least_sharpness=5), "blurred"),
    ],
)
def test_small_short_and_blurred_faces_are_dropped(
    profile_folder: Path, tmp_path: Path, settings: Settings, why: str
) -> None:
    fakes.one_person(tmp_path / "a.mp4")
    record = prepare_video(job_of(tmp_path, settings), fakes.OpenDotMesh())
    assert not record.clips
    assert why in record.dropped[0].why


def test_blur_lowers_sharpness_below_what_is_kept() -> None:
    face = next(iter(portrait_frames(1, 512)))
    points = np.array([[0.35, 0.3], [0.7, 0.75]])
    assert sharpness(face, points) > Settings().least_sharpness
    assert sharpness(np.asarray(cv2.GaussianBlur(face, (0, 0), 5)), points) < Settings().least_sharpness


def wander(*centres: float) -> list[Seen]:
    return [Seen(Face(x, 360, 200, 1.0), cut=False) for x in centres]


def test_a_face_that_wanders_far_is_parted_into_still_squares() -> None:
    seen = wander(*[300.0] * 50, *np.linspace(300, 900, 20), *[900.0] * 50)
    stretches, _ = find_stretches(seen, fps=25, width=1280, height=720, settings=Settings(least_seconds=1))
    assert len(stretches) == 2
    for stretch in stretches:
        square, centres = stretch.square, [seen[index].face for index in range(stretch.first, stretch.end)]
        assert all(square.left < face.centre_x - 80 for face in centres if face)
        assert all(square.left + square.side > face.centre_x + 80 for face in centres if face)
        assert square.side < 200 / 0.4
    assert stretches[0].end <= stretches[1].first


def test_a_face_at_the_edge_is_dropped_and_a_square_stays_inside_the_frame() -> None:
    _, dropped = find_stretches(wander(*[20.0] * 80), fps=25, width=1280, height=720, settings=Settings())
    assert [stretch.why for stretch in dropped] == ["face at the edge of the picture"]
    (stretch,), _ = find_stretches(wander(*[120.0] * 80), fps=25, width=1280, height=480, settings=Settings())
    assert (stretch.square.left, stretch.square.top >= 0) == (0, True)
    assert stretch.square.top + stretch.square.side <= 480


def test_a_cut_is_seen_and_a_nod_is_not() -> None:
    detector = CutDetector()
    assert not any(detector.is_cut(fakes.scene(fakes.person(index), 180, 60)) for index in range(12))
    assert detector.is_cut(fakes.scene(fakes.person(12, mirrored=True), 350, 150))


def test_the_level_face_of_the_data_folder_comes_out_again(data_folder: Path) -> None:
    stored = []
    for path in sorted((data_folder / "train" / "landmarks").glob("*.npz")):
        with np.load(path) as file:
            stored.append(image_coordinates(file["landmarks"]))
    made = mean_face(sample_frames(stored))
    with np.load(data_folder / "canonical_face.npz") as file:
        distances = np.linalg.norm(made.points - file["points"], axis=1)
    assert distances.mean() < 0.005  # of the distance between the irises
    np.testing.assert_array_equal(made.mirror[made.mirror], np.arange(len(VERTICES)))


def test_a_mesh_fit_gives_back_scale_turn_and_shift() -> None:
    first = fakes.flat_mesh()
    turn, _ = cv2.Rodrigues(np.array([0.2, -0.4, 0.1]))
    fit = fit_mesh(1.3 * first @ turn.T + [0.1, 0.2, 0.3], first)
    np.testing.assert_allclose(fit, [1.3, *turn.ravel(), 0.1, 0.2, 0.3], atol=1e-5)


PROGRAM = """
import sys
from pathlib import Path
from models.prepare.run import prepare
from models.prepare.sources import find_sources
from tests.models.test_models_prepare import SETTINGS
from tests.models.prepare_fakes import OpenOnce

if __name__ == "__main__":
    videos, output = Path(sys.argv[1]), Path(sys.argv[2])
    sources = find_sources(videos, people="file", licence="none")
    try:
        prepare(videos, output, sources=sources, settings=SETTINGS, open_landmarker=OpenOnce(videos), workers=1)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def test_ctrl_c_leaves_whole_clips_only_and_the_next_run_goes_on(
    profile_folder: Path, tmp_path: Path
) -> None:
    videos, output = tmp_path / "videos", tmp_path / "out"
    for name in ("a.mp4", "b.mp4"):
        fakes.one_person(videos / name)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(videos), str(output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a terminal's Ctrl-C reaches all of its processes
    )
    try:
        deadline = time.monotonic() + 150
        while not (videos / "stuck").exists() and program.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert (videos / "stuck").exists(), "the second video was never begun"
        assert (output / ".partial").is_dir()
        os.killpg(program.pid, signal.SIGINT)
        printed, _ = program.communicate(timeout=PATIENCE_S)
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
    assert program.returncode == 130
    assert "Traceback" not in printed
    assert sorted(path.name for path in output.rglob("*") if path.is_file()) == [
        "a-1.mp4", "a-1.npz", "a.json", "index.csv", "manifest.json",
    ]  # fmt: skip
    with (output / "index.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["a-1"]
    assert len(decode(output / "train/clips/a-1.mp4")) == 30
    before = (output / "train/clips/a-1.mp4").stat().st_mtime_ns
    (output / "train/clips/half.mp4").write_bytes(b"of a run that was killed")
    run(videos, output, fakes.OpenDotMesh())
    assert (output / "train/clips/a-1.mp4").stat().st_mtime_ns == before
    with (output / "index.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["a-1", "b-1"]
    assert not (output / "train/clips/half.mp4").exists()


def test_sound_goes_with_the_pictures(profile_folder: Path, tmp_path: Path) -> None:
    fakes.one_person(tmp_path / "silent.mp4", frames=50)
    beep_from(tmp_path / "silent.mp4", tmp_path / "a.mp4", at_s=1.0)
    job = job_of(tmp_path)
    (clip,) = prepare_video(job, fakes.OpenDotMesh(frozenset(range(4)))).clips
    assert clip.sound
    with av.open(str(job.output / "train/clips/a-1.mp4")) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels) == (16000, 1)
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    # The clip begins four frames (0.16 s) into the video, the beep a second into it; AAC frames are 0.064 s.
    assert abs(loud[0] / 16000 - (1.0 - clip.start_s)) < 0.07
    assert len(samples) / 16000 == pytest.approx(clip.frames / clip.fps, abs=0.13)


def beep_from(source: Path, path: Path, *, at_s: float) -> None:
    """Copy a video and give it a beep from a time on, 44.1 kHz stereo."""
    seconds, rate = 2, 44100
    times = np.arange(seconds * rate) / rate
    wave = np.where(times >= at_s, 0.5 * np.sin(2 * np.pi * 440 * times), 0).astype(np.float32)
    with av.open(str(source)) as before, av.open(str(path), "w") as after:
        picture = after.add_stream_from_template(before.streams.video[0])
        sound = after.add_stream("aac", rate=rate, layout="stereo")
        for packet in before.demux(video=0):
            if packet.dts is not None:
                packet.stream = picture
                after.mux(packet)
        for at in range(0, len(wave), 1024):
            part = np.ascontiguousarray(np.stack([wave[at : at + 1024]] * 2))
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = rate, at
            after.mux(sound.encode(frame))
        after.mux(sound.encode(None))


def test_a_fast_video_loses_every_other_frame(tmp_path: Path) -> None:
    fakes.write_clip(tmp_path / "fast.mp4", [fakes.scene(None, 0, 90)] * 20, frame_rate=59.94)
    video = probe(tmp_path / "fast.mp4")
    assert (video.every, len(list(video.frames()))) == (2, 10)
    assert float(video.fps) == pytest.approx(29.97, abs=0.01)


def test_bad_input_gets_a_sentence(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    fakes.nobody(videos / "wall.mp4", frames=2)

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["prepare", *arguments])
        assert result.exit_code == 1
        return " ".join(result.output.split())

    model = str(tmp_path / "none.task")
    here = [str(videos), "--output", str(tmp_path / "out"), "--landmarker", model]
    assert "wall.mp4 has no licence: give --licence" in said(*here)
    assert "none.task is no file; --landmarker wants" in said(*here, "--licence", "CC0-1.0")
    assert "is no folder of videos" in said(str(tmp_path / "gone"), *here[1:])
    assert "holds no videos" in said(str(ROOT / "docs"), *here[1:])
    with pytest.raises(PrepareError, match="holds other things"):
        run(videos, videos, fakes.OpenDotMesh())


def test_files_of_one_name_keep_clips_apart(tmp_path: Path) -> None:
    for name in ("Eva 1.mp4", "eva-1.mov", "eva/1.mp4", "zoe.mkv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sources = find_sources(tmp_path, people="file", licence="none")
    assert len({source.name for source in sources}) == 4
    assert {source.name for source in sources if source.path == "zoe.mkv"} == {"zoe"}


def test_the_face_mesh_agrees_with_the_stored_landmarks(
    profile_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("mediapipe", reason="needs MediaPipe (extra prior)")
    model = data_folder / "backbones" / "face_landmarker.task"
    if not model.is_file():
        pytest.skip(f"no face landmarker at {model}")
    name, left, top, side = "talkvid_34-1", 500, 120, 512
    frames = []
    for picture in decode(data_folder / "val" / "clips" / f"{name}.mp4")[:60]:
        frame = np.full((720, 1280, 3), 110, np.uint8)
        frame[top : top + side, left : left + side] = cv2.resize(picture, (side, side))
        frames.append(frame)
    fakes.write_clip(tmp_path / "a.mp4", frames, frame_rate=25.0)
    job = job_of(tmp_path, Settings(least_seconds=1))
    record = prepare_video(job, OpenFaceMesh(model))
    (clip,) = record.clips
    with np.load(job.output / "train/landmarks/a-1.npz") as file:
        found = file["landmarks"][..., :2] / LANDMARK_UNIT
    with np.load(data_folder / "val" / "landmarks" / f"{name}.npz") as file:
        stored = file["landmarks"][:60, :, :2] / LANDMARK_UNIT
    assert clip.frames == 60
    there = found * clip.crop_side + [clip.crop_left - left, clip.crop_top - top]
    wished = stored * side
    eyes = np.linalg.norm(wished[:, VERTICES.index(468)] - wished[:, VERTICES.index(473)], axis=1).mean()
    assert np.linalg.norm(there - wished, axis=2).mean() < 0.05 * eyes


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_without_mediapipe_no_command_is_named_that_replaces_a_calls_opencv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "face_landmarker.task"
    model.write_bytes(b"model")
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", None)
    with pytest.raises(PrepareError, match=r"README\.md") as caught:
        OpenFaceMesh(model)()
    assert "EXTRAS" not in str(caught.value)
