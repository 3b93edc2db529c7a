"""Training: augmentation keeps pictures and targets together, runs resume exactly, and stop when numbers go wrong."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.motion_field import Head  # noqa: E402
from models.training.augment import disturb, place, random_placement  # noqa: E402
from models.training.data import load_level_face, people_weights  # noqa: E402
from models.training.feed import prefetch  # noqa: E402
from models.training.footage import POSE_VERTICES, DataError, Footage, LevelFace, fit_poses  # noqa: E402
from models.training.loop import TrainingError, learning_rate, save_checkpoint, train  # noqa: E402
from models.training.losses import PictureLoss, importance_map  # noqa: E402
from models.training.picture import Heads, PairBatches  # noqa: E402
from models.training.runfile import RUNS, average_of, read_run  # noqa: E402
from runtime.geometry import rotation_matrix  # noqa: E402


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


@pytest.mark.parametrize("seed", range(6))
def test_a_pair_keeps_keypoints_on_the_picture_and_on_the_head(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    canonical = np.array([[-0.3, 0.2, 0.1], [0.3, 0.2, 0.1]], np.float32)  # twins
    linear = 0.6 * rotation_matrix(np.array([20.0, 5, 10]))
    shift = np.array([0.1, -0.05, 0], np.float32)
    keypoints = canonical @ linear.T + shift
    heads = Heads(keypoints[None].repeat(2, 0), linear[None].repeat(2, 0), shift[None].repeat(2, 0))
    pictures = np.stack([dot(128, *keypoints[0, :2])] * 2)
    pair = PairBatches(footage(pictures), heads, size=128, batch=1, mirror=np.array([1, 0]))(rng)
    found, head = pair["driving_keypoints"][0].numpy(), pair["driving_linear"][0].numpy()
    rebuilt = canonical @ head.T + pair["driving_shift"][0].numpy()
    np.testing.assert_allclose(rebuilt, found, atol=1e-5)
    np.testing.assert_allclose(head @ head.T, np.eye(3) * (head**2).sum() / 3, atol=1e-5)
    seen = middle(pair["driving"][0].numpy() * (pair["driving"][0].numpy() > 60))
    assert np.abs(found[:, :2] - seen).sum(1).min() < 0.05


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
