"""Training: augmentation keeps pictures and targets together, runs resume exactly, and stop when numbers go wrong."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.motion_field import Head  # noqa: E402
from models.networks import load_networks  # noqa: E402
from models.profile import PROFILES  # noqa: E402
from models.training.augment import disturb, place, random_placement  # noqa: E402
from models.training.data import load_level_face, people_weights  # noqa: E402
from models.training.feed import prefetch  # noqa: E402
from models.training.footage import POSE_VERTICES, DataError, Footage, LevelFace, fit_poses  # noqa: E402
from models.training.loop import TrainingError, learning_rate, save_checkpoint, train  # noqa: E402
from models.training.losses import FAINT, PictureLoss, face_box, importance_map  # noqa: E402
from models.training.pairs import Filmed, Heads, PairBatches  # noqa: E402
from models.training.parts import StageWeights, read_checkpoints, write_parts  # noqa: E402
from models.training.picture import driving_of  # noqa: E402
from models.training.portraits import PortraitPairs  # noqa: E402
from models.training.runfile import RUNS, average_of, read_run, weights_of  # noqa: E402
from runtime.geometry import rotation_matrix  # noqa: E402
from tests.models.models_fakes import filmed, portraits  # noqa: E402


def dot(size: int, x: float, y: float) -> np.ndarray:
    """A black picture with a soft white dot at image coordinates."""
    line = (np.arange(size) * 2 + 1) / size - 1
    away = (line[None] - x) ** 2 + (line[:, None] - y) ** 2
    return (255 * np.exp(-away / (2 * 0.04**2)))[..., None].repeat(3, 2).astype(np.uint8)


def middle(picture: np.ndarray) -> np.ndarray:
    size, weight = picture.shape[0], picture[..., 0].astype(float)
    line = (np.arange(size) * 2 + 1) / size - 1
    return np.array([(weight.sum(0) * line).sum(), (weight.sum(1) * line).sum()]) / weight.sum()


@pytest.mark.parametrize("seed", range(8))
def test_an_augmented_picture_shows_a_point_where_its_target_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    placement = random_placement(rng)
    point = np.array([0.12, -0.2])
    target = placement[:, :2] @ point + placement[:, 2]
    placed = place(dot(96, *point), placement, size=128, rng=rng)
    if np.abs(target).max() < 0.8:
        column, row = ((target + 1) * 64).astype(int)
        around = placed[row - 6 : row + 7, column - 6 : column + 7, 0].astype(float)
        found = np.array(np.unravel_index(around.argmax(), around.shape)) - 6
        assert around.max() > 200
        assert np.abs(found).max() <= 2


def test_disturbing_keeps_size_and_type() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 200, 3)).astype(np.float32)
    for seed in range(40):
        disturbed = disturb(dot(96, 0, 0), np.random.default_rng(seed), noise=noise)
        assert disturbed.shape == (96, 96, 3)
        assert disturbed.dtype == np.uint8


def footage(pictures: np.ndarray) -> Footage:
    count = len(pictures)
    zeros = np.zeros(count, np.int64)
    eye = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    flat = np.zeros((count, 3), np.float32)
    return Footage(
        pictures, np.zeros((count, 5, 3), np.float32), zeros, zeros, eye, flat[:, 0] + 1, flat, flat, zeros
    )


@pytest.mark.parametrize("seed", range(12))
def test_a_pair_keeps_keypoints_on_the_picture_and_on_the_head(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    canonical = np.array([[-0.3, 0.2, 0.1], [0.3, 0.2, 0.1]], np.float32)  # twins
    linear = 0.6 * rotation_matrix(np.array([20.0, 5, 10]))
    shift = np.array([0.1, -0.05, 0], np.float32)
    keypoints = canonical @ linear.T + shift
    heads = Heads(*(part[None].repeat(2, 0) for part in (keypoints, linear, shift, canonical)))
    pictures = np.stack([dot(128, *keypoints[0, :2])] * 2)
    pair = PairBatches(Filmed(footage(pictures), heads), size=128, batch=1, mirror=np.array([1, 0]))(rng)
    found, head = pair["driving_keypoints"][0].numpy(), pair["driving_linear"][0].numpy()
    rebuilt = canonical @ head.T + pair["driving_shift"][0].numpy()
    np.testing.assert_allclose(rebuilt, found, atol=1e-5)
    np.testing.assert_allclose(head @ head.T, np.eye(3) * (head**2).sum() / 3, atol=1e-5)
    seen = middle(pair["driving"][0].numpy() * (pair["driving"][0].numpy() > 60))
    assert np.abs(found[:, :2] - seen).sum(1).min() < 0.05


def test_most_pairs_show_what_was_filmed_as_it_was_filmed() -> None:
    frame = np.random.default_rng(3).integers(0, 256, (32, 32, 1), np.uint8).repeat(3, 2)
    flat, eye = np.zeros((2, 2, 3), np.float32), np.tile(np.eye(3, dtype=np.float32), (2, 1, 1))
    heads = Heads(flat, eye, flat[:, 0], flat)
    pairs = PairBatches(
        Filmed(footage(np.stack([frame] * 2)), heads), size=32, batch=60, mirror=np.array([1, 0])
    )
    drawn = pairs(np.random.default_rng(5))["driving"].numpy().mean(3)

    def crispness(picture: np.ndarray) -> float:
        return float(np.abs(np.diff(picture, axis=1)).mean())

    whole = sum(crispness(picture) > 0.9 * crispness(frame.mean(2)) for picture in drawn)
    assert 30 <= whole < 60


@pytest.mark.parametrize("seed", range(4))
def test_a_face_without_expression_loses_nothing_when_its_last_keypoints_are_dropped(seed: int) -> None:
    canonical = np.random.default_rng(seed).normal(0, 0.3, (8, 3)).astype(np.float32)
    linear, shift = 0.6 * rotation_matrix(np.array([20.0, 5, 10])), np.array([0.1, -0.05, 0], np.float32)
    parts = (canonical @ linear.T + shift, linear, shift, canonical)
    pairs = PairBatches(
        Filmed(footage(np.zeros((2, 32, 32, 3), np.uint8)), Heads(*(part[None].repeat(2, 0) for part in parts))),
        size=32, batch=4, mirror=np.array([1, 0, 3, 2, 5, 4, 7, 6]), dropout=1.0,
    )  # fmt: skip
    batch = pairs(np.random.default_rng(seed))
    torch.testing.assert_close(batch["driving_neutral"], batch["driving_keypoints"], atol=1e-5, rtol=0)
    assert 2 <= int(batch["kept"].min()) <= int(batch["kept"].max()) <= 8


def test_dropped_keypoints_fall_back_to_the_sources_own_geometry_and_the_others_stay() -> None:
    placed = torch.rand(2, 20, 3)
    batch = {
        "driving_keypoints": placed,
        "driving_linear": torch.eye(3).repeat(2, 1, 1),
        "driving_shift": torch.zeros(2, 3),
        "driving_neutral": placed - 1,
        "kept": torch.tensor([5, 20]),
    }
    moved = (placed - driving_of(batch).keypoints).abs().sum(-1) > 0.5
    assert moved.sum(1).tolist() == [15, 0]
    assert not moved[0, :5].any()


@pytest.mark.parametrize("seed", range(4))
def test_a_turned_portrait_shows_a_keypoint_where_its_head_says(seed: int) -> None:
    stills, heads = portraits(), filmed(portraits()).heads
    eye = heads.keypoints[0, 8]
    shot = filmed(stills).shot(0)._replace(picture=dot(128, *eye[:2]))
    source, driving = PortraitPairs(stills, [shot])(np.random.default_rng(seed))
    assert driving is shot
    assert np.abs(source.keypoints - shot.keypoints).max() > 0.01
    np.testing.assert_allclose(middle(source.picture), source.keypoints[8, :2], atol=0.03)
    scale = np.sqrt((source.linear**2).sum() / 3)
    np.testing.assert_allclose(source.linear @ source.linear.T, scale**2 * np.eye(3), atol=1e-4)


def test_the_teacher_reads_back_the_pose_of_a_turned_level_face() -> None:
    rng = np.random.default_rng(3)
    level = LevelFace(
        POSE_VERTICES, rng.normal(size=(len(POSE_VERTICES), 3)).astype(np.float32), np.arange(25)
    )
    turn = rotation_matrix(np.array([[20.0, -10, 5], [-35, 8, 12]]))
    landmarks = 0.4 * level.points @ np.swapaxes(turn, 1, 2) + np.float32([0.1, 0.2, 0.3])
    rotation, scale, origin = fit_poses(landmarks.astype(np.float32), level)
    np.testing.assert_allclose(rotation, turn, atol=1e-4)
    np.testing.assert_allclose(scale, 0.4, atol=1e-4)
    np.testing.assert_allclose(origin, [[0.1, 0.2, 0.3]] * 2, atol=1e-4)


def test_a_person_of_many_frames_is_not_drawn_in_proportion() -> None:
    people = np.array([0] * 900 + [1] * 100)
    weights = people_weights(people, people)
    assert 0.2 < weights[people == 1].sum() < 0.5


def tiny_run(folder: Path, steps: int, *, until: int | None = None, poison: int | None = None) -> list[float]:
    """Train a small layer; `until` stops a run of `steps` early, `poison` makes a loss nan."""
    torch.manual_seed(0)
    network, seen = torch.nn.Linear(3, 1), []

    def losses(batch: Any, step: int) -> dict[str, Any]:
        loss = (network(batch) - batch.sum(1, keepdim=True)).square().mean()
        seen.append(loss.item())
        return {"loss": loss * float("nan") if step == poison else loss}

    def feed(first: int) -> Iterator[Any]:
        made = prefetch(
            lambda rng: torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32)), seed=1, start=first
        )
        for number, batch in enumerate(made, start=first):
            if number == until:
                raise KeyboardInterrupt
            yield batch

    with contextlib.suppress(KeyboardInterrupt):
        train(network, losses, feed, folder=folder, steps=steps, batch=4, peak=1e-2, warm_up=2, every=5)
    return seen


def test_a_stopped_run_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    whole = tiny_run(tmp_path / "whole", 20)
    first, rest = tiny_run(tmp_path / "parts", 20, until=10), tiny_run(tmp_path / "parts", 20)
    assert first + rest == pytest.approx(whole, rel=1e-6)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="step 12"):
        tiny_run(tmp_path, 20, poison=12)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 10


def test_a_discriminators_loss_that_is_no_number_stops_the_run_too(tmp_path: Path) -> None:
    network, rival = torch.nn.Linear(3, 1), torch.nn.Linear(1, 1)

    def losses(batch: Any, step: int) -> dict[str, Any]:
        theirs = rival(network(batch).detach()).mean()
        return {"loss": network(batch).square().mean(), "discriminator": theirs / (0 if step == 7 else 1)}

    def feed(first: int) -> Iterator[Any]:
        return prefetch(lambda rng: torch.ones(2, 3), seed=1, start=first)

    with pytest.raises(TrainingError, match="step 7"):
        train(network, losses, feed, rival=rival, folder=tmp_path, steps=20, batch=2, peak=1e-2, every=5)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 5
    assert all(
        torch.isfinite(value).all() for value in (*state["network"].values(), *state["rival"].values())
    )


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 1, bias=False)

    def losses(batch: Any, step: int) -> dict[str, Any]:
        loss = network(batch).square().mean()
        return {"loss": (loss * 0).sqrt() if step == 4 else loss}  # the root of nothing has no slope

    def feed(first: int) -> Iterator[Any]:
        return prefetch(lambda rng: torch.ones(2, 3), seed=1, start=first)

    with pytest.raises(TrainingError, match="weight is not a number at step 5"):
        train(network, losses, feed, folder=tmp_path, steps=20, batch=2, peak=1e-2, every=1)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        save_checkpoint(path, {"step": 2})
    monkeypatch.undo()
    assert torch.load(path, weights_only=True)["step"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_in_the_middle_of_a_checkpoint_is_told_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    resource, path = pytest.importorskip("resource"), tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # torch's own writer meets it
    try:
        with pytest.raises(TrainingError, match="the last one stays"):
            save_checkpoint(path, {"weights": torch.zeros(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert torch.load(path, weights_only=True)["step"] == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_checkpoint_is_told(tmp_path: Path, seed: int) -> None:
    stage, rng = tmp_path / "stage", np.random.default_rng(seed)
    tiny_run(stage, 5)
    path = stage / "checkpoint.pt"
    with zipfile.ZipFile(path) as held:
        pickled = next(entry for entry in held.infolist() if entry.filename.endswith("data.pkl"))
    data = bytearray(path.read_bytes())
    begin = data.index(b"\x80\x02", pickled.header_offset)
    for at in rng.integers(begin, begin + pickled.file_size, 40):
        data[at] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    for read in (
        lambda: tiny_run(stage, 10),
        lambda: average_of(stage),
        lambda: read_checkpoints(tmp_path),
    ):
        with pytest.raises(TrainingError, match=r"checkpoint\.pt is damaged"):
            read()


def test_a_checkpoint_of_another_network_is_told(tmp_path: Path) -> None:
    tiny_run(tmp_path, 5)
    network = torch.nn.Linear(4, 1)
    with pytest.raises(TrainingError, match="train into another folder"):
        train(
            network,
            lambda batch, step: {"loss": network(batch).mean()},
            lambda first: prefetch(lambda rng: torch.ones(2, 4), seed=1, start=first),
            folder=tmp_path,
            steps=10,
            batch=2,
            peak=1e-2,
        )


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, steps=100, peak=1.0, warm_up=10) for step in range(100)]
    assert rates[9] == 1.0
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0.015 < rates[-1] < 0.03


def test_the_shipped_run_files_can_be_read() -> None:
    for path in RUNS.glob("*.toml"):
        assert read_run(path, profile=path.stem)


def test_a_run_file_of_another_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not of"):
        read_run(RUNS / "laptop-256.toml", profile="laptop-512")


def test_a_stage_that_never_ran_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="student"):
        average_of(tmp_path / "student")


def test_a_taken_stage_has_its_profiles_weights_unless_the_run_left_others(tmp_path: Path) -> None:
    taken = {"name": "student", "kind": "student", "from": "laptop-256"}
    shipped = load_networks(PROFILES / "laptop-256").student.state_dict()
    assert all(torch.equal(value, shipped[name]) for name, value in weights_of(taken, tmp_path).items())
    write_parts(tmp_path, {"student": StageWeights({"weight": torch.ones(2)}, None, 1)}, most=1)
    assert weights_of(taken, tmp_path)["weight"].tolist() == [1, 1]


@pytest.mark.parametrize("line", ['start = "nowhere"', 'sees = "nowhere"', "draws = 2", "", 'kind = "dance"'])
def test_a_run_file_that_cannot_be_run_is_refused(tmp_path: Path, line: str) -> None:
    numbers = "batch = 1\nsteps = 1\nrate = 1.0\ndecay = 0.9\n" + ("seed = 1\n" if line else "")
    kind = "" if "kind" in line else 'kind = "picture"\n'
    path = tmp_path / "run.toml"
    path.write_text(f'profile = "laptop-256"\n[[stages]]\nname = "one"\n{kind}{numbers}{line}\n')
    with pytest.raises(TrainingError, match=r"run\.toml"):
        read_run(path, profile="laptop-256")


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="canonical_face"):
        load_level_face(tmp_path)


def face(place_x: float = 0.0) -> Head:
    keypoints = torch.zeros(1, 20, 3)
    keypoints[..., 0] = place_x
    return Head(keypoints, torch.eye(3)[None] * 0.4, torch.zeros(1, 3))


def test_importance_is_highest_at_mouth_and_eyes_and_has_mean_one() -> None:
    weight = importance_map(face(0.3), 64, expressive=torch.tensor([0, 1]), peak=5.0)
    assert weight.mean().item() == pytest.approx(1, abs=1e-4)
    row, column = divmod(int(weight.argmax()), 64)
    assert (column * 2 + 1) / 64 - 1 == pytest.approx(0.3, abs=0.1)
    assert (row * 2 + 1) / 64 - 1 == pytest.approx(0, abs=0.1)


def test_the_picture_loss_is_nothing_for_the_same_picture_and_most_for_a_changed_mouth(
    data_folder: Path,
) -> None:
    loss = PictureLoss(data_folder / "backbones" / "squeezenet1_1.pth", scales=1)
    truth = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    near, far = truth.clone(), truth.clone()
    near[..., 56:72, 56:72], far[..., :16, :16] = 0.5, 0.5
    weight = importance_map(face(), 128, expressive=torch.tensor([0]), peak=5.0)
    same, mouth, corner = (sum(loss(p, truth, weight, face()).values()).item() for p in (truth, near, far))
    assert same < 1e-3
    assert mouth > 2 * corner


def test_what_is_trained_for_is_what_the_bench_judges_by(data_folder: Path) -> None:
    from bench.metrics.lpips import LPIPS

    backbones = data_folder / "backbones"
    loss, judge = PictureLoss(backbones / "squeezenet1_1.pth", scales=1, judged=True), LPIPS(backbones)
    truth = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    drawn = torch.nn.functional.avg_pool2d(truth, 5, stride=1, padding=2)
    even = torch.ones(1, 1, 128, 128)
    face = even.clone()
    face[..., :64] = 0
    found = loss.judge(drawn, truth, even, face)
    wanted = judge.distance(judge.embed(drawn), judge.embed(truth)).item()
    assert found["lpips"].exp().item() - FAINT == pytest.approx(wanted, rel=0.03)  # features are in bfloat16
    mended = torch.cat([truth[..., :64], drawn[..., 64:]], -1)
    better = loss.judge(mended, truth, even, face)
    assert better["lpips"] < found["lpips"] - 0.3
    assert better["face_lpips"].item() == pytest.approx(found["face_lpips"].item(), abs=0.1)


def test_a_face_is_judged_from_forehead_to_chin() -> None:
    box = face_box(face()._replace(shift=torch.tensor([[0.3, 0.0, 0.0]])), 64)[0, 0]
    rows, columns = box.nonzero(as_tuple=True)
    assert (columns.float().mean().item() * 2 + 1) / 64 - 1 == pytest.approx(0.3, abs=0.05)
    assert rows.float().mean() > 32
    assert 0.05 < box.mean() < 0.9
