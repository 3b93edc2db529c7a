"""The paper's own training: chance is in the batch, every network learns, keypoints' equivariance is measured."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from paper_fakes import tiny

torch = pytest.importorskip("torch")

import cv2  # noqa: E402
from models_fakes import backbone, clips, level_face  # noqa: E402

from models.geometry import rotation_matrix  # noqa: E402
from models.paper.equivariance import clip_pairs, equivariance_error  # noqa: E402
from models.paper.head import BINS  # noqa: E402
from models.paper.norm import settle_spectral_norm  # noqa: E402
from models.paper.profile import PaperProfile  # noqa: E402
from models.training.footage import DataError  # noqa: E402
from models.training.loop import TrainingError, adam, descend, train  # noqa: E402
from models.training.stage import Stage  # noqa: E402
from models.training.unsupervised import (  # noqa: E402
    angles_of,
    bin_loss,
    new_talker,
    see,
    shipped_talker,
    unsupervised_stage,
)

PAPER = tiny()
FOMM = tiny(canonical=False, jacobians=True, volume_depth=1, detector_depth=1)
SETTINGS: dict[str, Any] = {
    "name": "unsupervised",
    "seed": 1,
    "size": 32,
    "batch": 2,
    "scales": 1,
    "pixels": 10.0,
}


def small_stage(profile: PaperProfile, folder: Path, **settings: Any) -> Stage:
    torch.manual_seed(0)
    return unsupervised_stage(
        profile,
        footage=clips(),
        level=level_face(),
        settings=SETTINGS | settings,
        perceptual=backbone(folder / "backbone.pth"),
        device=torch.device("cpu"),
    )


def batch_of(stage: Stage, number: int) -> Any:
    return stage.batches(np.random.default_rng((1, number)))


@pytest.mark.parametrize("profile", [PAPER, FOMM], ids=["paper", "fomm"])
def test_a_few_steps_lower_the_losses_and_move_every_network(profile: PaperProfile, tmp_path: Path) -> None:
    stage = small_stage(profile, tmp_path)
    assert isinstance(stage.network, torch.nn.Module)
    before = {name: value.clone() for name, value in stage.network.named_parameters()}
    optimiser, batch, totals = adam([stage.network], peak=3e-3, betas=stage.betas), batch_of(stage, 0), []
    for step in range(15):
        losses = stage.losses(batch, step)
        totals.append(float(sum(losses.values()).detach()))
        descend(optimiser, losses, rate=3e-3)
    assert np.isfinite(totals).all()
    assert np.mean(totals[-3:]) < 0.7 * totals[0]
    for letter, network in stage.network.named_children():
        moved = [
            (value - before[f"{letter}.{name}"]).abs().max() for name, value in network.named_parameters()
        ]
        assert max(moved) > 0, letter


def test_the_discriminator_joins_with_terms_of_its_own_and_leaves_the_average_alone(tmp_path: Path) -> None:
    stage = small_stage(PAPER, tmp_path, gan=1.0, matching=10.0)
    losses = stage.losses(batch_of(stage, 0), 0)
    assert {"gan", "matching", "discriminator"} < set(losses)
    assert stage.rival is not None
    losses["discriminator"].backward()
    assert all(value.grad is None for value in stage.network.parameters())
    assert any(value.grad is not None for value in stage.rival.parameters())


def test_a_run_that_stops_and_goes_on_has_the_losses_of_one_that_did_not(tmp_path: Path) -> None:
    def run(folder: Path, steps: int) -> list[float]:
        stage, seen = small_stage(PAPER, tmp_path, dropout=0.5), []

        def losses(batch: Any, step: int) -> dict[str, Any]:
            found = stage.losses(batch, step)
            seen.append(float(sum(found.values()).detach()))
            return found

        train(
            stage.network,
            losses,
            lambda first: (batch_of(stage, number) for number in range(first, 9)),
            folder=folder,
            steps=steps,
            batch=2,
            peak=1e-3,
        )
        return seen

    whole = run(tmp_path / "whole", 4)
    first = run(tmp_path / "parts", 2)
    assert first + run(tmp_path / "parts", 4) == pytest.approx(whole, rel=1e-4)


def test_dropped_offsets_change_what_is_drawn_and_not_what_must_be_equivariant(tmp_path: Path) -> None:
    talker = new_talker(PAPER).eval()
    assert talker.head is not None
    torch.nn.init.normal_(talker.head.expression.weight, std=0.1)
    with torch.no_grad():
        seen = see(talker, *torch.rand(3, 2, 3, 32, 32), torch.tensor([2, 5]))
    away = (seen.driving.keypoints - seen.whole.keypoints).abs().sum(-1)
    assert not away[0, :2].any()
    assert away[0, 2:].all()
    assert not away[1].any()


def test_direct_keypoints_have_no_offsets_to_drop(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no"):
        small_stage(FOMM, tmp_path, dropout=0.5)


def test_the_angles_of_a_scaled_rotation_are_those_it_was_made_of() -> None:
    angles = torch.tensor([[20.0, -15.0, 5.0], [-40.0, 10.0, -30.0]])
    assert (angles_of(0.4 * rotation_matrix(angles)) - angles).abs().max() < 1e-3


def test_the_right_bin_costs_least() -> None:
    bins = torch.zeros(1, 3, BINS)
    bins[0, :, 40] = 9  # 21 to 24 degrees
    right, wrong = (bin_loss(bins, torch.full((1, 3), angle)).item() for angle in (22.0, 25.0))
    assert right < 0.1 < 5 < wrong


def test_what_ships_draws_as_what_was_trained_without_its_spectral_norm() -> None:
    torch.manual_seed(0)
    trained = new_talker(PAPER)
    pictures = torch.rand(2, 3, 32, 32)
    for _ in range(20):  # a random weight's two largest singular values lie close
        settle_spectral_norm(trained.generator)
    # An average of unit vectors is shorter than one: the singular values must be found anew.
    weights = {
        name: value * 0.5 if name.endswith("._u") else value for name, value in trained.state_dict().items()
    }
    assert weights.keys() > {"generator.leave.parametrizations.weight.0._u"}
    shipped = shipped_talker(PAPER, weights)
    assert not any("parametrizations" in name for name in shipped.state_dict())
    trained.eval()
    with torch.no_grad():
        source = trained.prepare(pictures)
        drawn, ours = (each.draw(source, source.placed).picture for each in (trained, shipped))
    assert (drawn - ours).abs().max() < 1e-4


class Found(NamedTuple):
    keypoints: Any


class Bright:
    """Finds the middle of what is bright: as equivariant as a blob is small."""

    def find(self, picture: Any, canonical: Any = None) -> tuple[None, Found]:
        size = picture.shape[-1]
        line = (torch.arange(size) * 2 + 1) / size - 1
        weight = picture.mean(1) / picture.mean(1).sum((1, 2), keepdim=True)
        place = torch.stack([(weight.sum(1) * line).sum(1), (weight.sum(2) * line).sum(1)], -1)
        return None, Found(place[:, None])


class Blind:
    """Finds the same place in every picture."""

    def find(self, picture: Any, canonical: Any = None) -> tuple[None, Found]:
        return None, Found(torch.full((len(picture), 1, 2), 0.4))


def test_a_detector_that_follows_the_picture_errs_little_and_a_blind_one_as_far_as_it_is_bent() -> None:
    line = (torch.arange(64) * 2 + 1) / 64 - 1
    blobs = torch.exp(-((line[:, None] - 0.2) ** 2 + (line + 0.3) ** 2) / 0.01).expand(6, 3, 64, 64)
    for spreads in ({"affine": 0.1, "spline": 0.0}, {"affine": 0.0, "spline": 0.01}):
        follows = equivariance_error(Bright(), blobs, blobs, **spreads)  # type: ignore[arg-type]
        assert max(follows.own, follows.driven) < 0.15 * follows.still
        blind = equivariance_error(Blind(), blobs, blobs, **spreads)  # type: ignore[arg-type]
        assert blind.own == blind.driven == pytest.approx(blind.still)
        assert blind.still > 0.5


def test_clips_are_read_as_pairs_and_a_folder_without_any_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clips"):
        clip_pairs(tmp_path, size=32)
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (48, 48))
    for level in range(0, 200, 20):
        writer.write(np.full((48, 48, 3), level, np.uint8))
    writer.release()
    first, middle = clip_pairs(tmp_path, size=32)
    assert first.shape == middle.shape == (1, 3, 32, 32)
    assert first.mean() < 0.05
    assert middle.mean() == pytest.approx(100 / 255, abs=0.05)
