"""Losses without landmarks: what is consistent costs nothing, what is not costs what the formula says."""

import math

import pytest

torch = pytest.importorskip("torch")

from models.motion_field import image_grid  # noqa: E402
from models.training.bend import random_bend  # noqa: E402
from models.training.selfsupervised import (  # noqa: E402
    drop_keypoints,
    equivariance_loss,
    expression_loss,
    head_pose_loss,
    jacobian_equivariance_loss,
    keypoint_prior_loss,
    random_prefix,
)


def seeded(seed: int = 0) -> "torch.Generator":
    return torch.Generator().manual_seed(seed)


def found_in_the_bent_picture(bend: "object", places: "torch.Tensor") -> "torch.Tensor":
    """Invert a bend by iteration: where a perfect detector finds what was at some places."""
    found = places.clone()
    for _ in range(50):
        found = found - (bend(found) - places)  # type: ignore[operator]
    return found


def test_a_detector_that_moves_with_the_picture_costs_nothing() -> None:
    bend = random_bend(3, generator=seeded())
    places = torch.rand(3, 6, 2, generator=seeded(1)) - 0.5
    found = found_in_the_bent_picture(bend, places)
    assert (found - places).abs().max() > 0.01
    assert equivariance_loss(places, found, bend) < 1e-4
    assert equivariance_loss(places, places, bend) > 0.01


def test_a_bent_picture_shows_a_dot_where_an_equivariant_detector_finds_it() -> None:
    bend = random_bend(1, generator=seeded(2), affine=0.1)
    grid = image_grid(64, torch.zeros(()))
    dot = (-(grid - torch.tensor([0.2, -0.1])).square().sum(-1) / 0.01).exp()[None, None]

    def detect(picture: "torch.Tensor") -> "torch.Tensor":
        return (picture[0, 0, ..., None] * grid).sum((0, 1))[None, None] / picture.sum()

    seen, bent = detect(dot), detect(bend.picture(dot))
    assert (seen - bent).abs().max() > 0.01
    assert equivariance_loss(seen, bent, bend) < 0.01


def test_keypoints_in_space_lose_their_depth_for_a_bend_of_the_plane() -> None:
    bend = random_bend(1, generator=seeded())
    places = torch.rand(1, 4, 3)
    deeper = places + torch.tensor([0, 0, 1.0])
    assert torch.equal(equivariance_loss(places, places, bend), equivariance_loss(places, deeper, bend))


def test_a_bends_jacobian_is_its_derivative() -> None:
    bend = random_bend(1, generator=seeded(), spline=0.05)
    point = torch.tensor([[[0.31, -0.22]]])
    expected = torch.autograd.functional.jacobian(lambda p: bend(p)[0, 0], point)[:, 0, 0]
    assert (bend.jacobian(point)[0, 0] - expected).abs().max() < 1e-4


def test_jacobians_that_turn_with_the_picture_cost_nothing() -> None:
    bend = random_bend(2, generator=seeded())
    places = torch.rand(2, 3, 2, generator=seeded(1)) - 0.5
    bent = torch.eye(3) + 0.1 * torch.randn(2, 3, 3, 3, generator=seeded(2))
    true = torch.eye(3).repeat(2, 3, 1, 1)
    true[..., :2, :2] = bend.jacobian(places) @ bent[..., :2, :2]
    assert jacobian_equivariance_loss(true, bent, places, bend) < 1e-5
    assert jacobian_equivariance_loss(bent, bent, places, bend) > 0.01


def test_the_keypoint_prior_costs_nothing_for_keypoints_apart_at_their_depth() -> None:
    apart = torch.tensor([[[-0.5, 0, 0.33], [0.5, 0, 0.33], [0, 0.5, 0.33]]])
    assert keypoint_prior_loss(apart).item() == pytest.approx(0, abs=1e-6)
    deeper = apart + torch.tensor([0, 0, 0.2])
    assert keypoint_prior_loss(deeper).item() == pytest.approx(0.2, abs=1e-6)


def test_the_keypoint_prior_is_a_hinge_on_the_squared_distance_of_each_pair() -> None:
    pair = torch.tensor([[[0.0, 0, 0.33], [0.2, 0, 0.33]]], requires_grad=True)
    loss = keypoint_prior_loss(pair)
    assert loss.item() == pytest.approx(2 * (0.1 - 0.04), abs=1e-6)
    loss.backward()
    assert pair.grad[0, 0, 0] > 0 > pair.grad[0, 1, 0]  # a step down drives them apart


def test_the_head_pose_counts_the_sum_of_three_angles() -> None:
    ours, theirs = torch.tensor([[10.0, 5, 0], [0, 0, 0]]), torch.tensor([[0.0, 0, 3], [0, 0, 0]])
    assert head_pose_loss(ours, theirs).item() == pytest.approx(math.radians(9))


def test_offsets_cost_their_length_whatever_their_number() -> None:
    assert expression_loss(torch.full((2, 5, 3), -0.1)).item() == pytest.approx(0.3)
    assert expression_loss(torch.full((2, 20, 3), 0.1)).item() == pytest.approx(0.3)


def test_dropout_keeps_a_prefix_of_a_quarter_to_all() -> None:
    kept = random_prefix(500, 20, generator=seeded())
    assert (int(kept.min()), int(kept.max())) == (5, 20)
    expression = torch.ones(3, 20, 3, requires_grad=True)
    dropped = drop_keypoints(expression, torch.tensor([5, 13, 20]))
    assert dropped.sum((1, 2)).tolist() == [15, 39, 60]
    assert not dropped[0, 5:].any()
    dropped.sum().backward()
    assert not expression.grad[0, 5:].any()
