"""The paper's networks: shapes of every switch, flows that hold before training, norms, profiles that are refused."""

from pathlib import Path
from typing import Any

import pytest
from paper_fakes import tiny

torch = pytest.importorskip("torch")

from models.geometry import rotation_matrix  # noqa: E402
from models.paper.blocks import points_of  # noqa: E402
from models.paper.canonical import Detected, KeypointDetector  # noqa: E402
from models.paper.head import BINS, HeadEstimator, HeadMotion  # noqa: E402
from models.paper.motion_field import Placed, candidate_flows, inverse  # noqa: E402
from models.paper.norm import BatchNorm, add_spectral_norm, fold_spectral_norm  # noqa: E402
from models.paper.profile import load_paper_profile  # noqa: E402
from models.paper.talker import TalkingHead, place  # noqa: E402
from models.paper.warp import warp_candidates, warp_native, warp_planes  # noqa: E402
from models.profile import PROFILES, ProfileError, load_network_profile  # noqa: E402

SWITCHES = [
    {},
    {"keypoints": 3},
    {"volume_depth": 1},
    {"jacobians": True},
    {"canonical": False},
    {"canonical": False, "jacobians": True, "volume_depth": 1, "detector_depth": 1},
]


def random_pose(seed: int) -> tuple[Any, HeadMotion]:
    generator = torch.Generator().manual_seed(seed)
    canonical = torch.rand(2, 5, 3, generator=generator) - 0.5
    rotation = 20 * torch.randn(2, 3, generator=generator)
    translation = 0.1 * torch.randn(2, 3, generator=generator)
    expression = 0.05 * torch.randn(2, 5, 3, generator=generator)
    return canonical, HeadMotion(rotation, translation, expression, torch.zeros(2, 3, BINS))


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_switch_draws_a_picture_and_trains_every_network(switches: dict[str, Any]) -> None:
    torch.manual_seed(0)
    profile = tiny(**switches)
    talker = TalkingHead(profile)
    # Where nothing moves the masks learn nothing: the two pictures differ, and so must their poses.
    if talker.head is not None:
        torch.nn.init.normal_(talker.head.translation.weight, std=0.1)
    source = talker.prepare(torch.rand(2, 3, 32, 32))
    drawn = talker.draw(source, talker.drive(source, torch.rand(2, 3, 32, 32)))
    points = ((8, 8), (4, 8, 8))[profile.dimensions - 2]
    assert drawn.picture.shape == (2, 3, 32, 32)
    assert drawn.field.flow.shape == (2, *points, profile.dimensions)
    assert drawn.field.masks.sum(1).sub(1).abs().max() < 1e-5
    drawn.picture.square().mean().backward()
    for name, network in talker.named_children():
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters()), name


def test_without_motion_every_candidate_is_the_volume_itself() -> None:
    canonical, motion = random_pose(1)
    placed = place(Detected(canonical, None), motion)
    volume = torch.rand(2, 3, 4, 8, 8)
    flows = candidate_flows(points_of((4, 8, 8), volume), placed, placed)
    assert (warp_candidates(volume, flows) - volume[:, None]).abs().max() < 1e-4


def test_each_flow_takes_its_driving_keypoint_to_the_source_and_the_first_stays() -> None:
    canonical, motion = random_pose(2)
    source, driving = (place(Detected(canonical, None), each) for each in (motion, random_pose(3)[1]))
    flows = candidate_flows(driving.keypoints[0], source, driving)[0]  # [K + 1, K points, 3]
    for k in range(5):
        assert (flows[k + 1, k] - source.keypoints[0, k]).abs().max() < 1e-5
    assert torch.equal(flows[0], driving.keypoints[0])


def test_the_flow_of_two_poses_is_the_papers_formula() -> None:
    canonical, source_motion = random_pose(4)
    driving_motion = random_pose(5)[1]
    source, driving = (place(Detected(canonical, None), each) for each in (source_motion, driving_motion))
    turn = rotation_matrix(source_motion.rotation) @ rotation_matrix(driving_motion.rotation).transpose(1, 2)
    point = torch.tensor([[0.2, -0.1, 0.3]])
    expected = (point - driving.keypoints) @ turn.transpose(1, 2) + source.keypoints
    assert (candidate_flows(point, source, driving)[:, 1:, 0] - expected).abs().max() < 1e-5


def test_jacobians_cancel_where_keypoints_are_canonical_and_turn_the_patch_where_they_are_direct() -> None:
    canonical, source_motion = random_pose(6)
    driving_motion = random_pose(7)[1]
    jacobians = torch.eye(3) + 0.2 * torch.randn(2, 5, 3, 3, generator=torch.Generator().manual_seed(8))
    points = points_of((2, 4, 4), canonical)

    def flows(*heads: Placed) -> Any:
        return candidate_flows(points, *heads)

    with_them, without = (
        flows(
            place(Detected(canonical, each), source_motion), place(Detected(canonical, each), driving_motion)
        )
        for each in (jacobians, None)
    )
    assert (with_them - without).abs().max() < 1e-4
    direct = place(Detected(canonical, jacobians), None)
    still = place(Detected(canonical, None), None)
    stretched = flows(direct, still)[:, 1:]
    away = points[0, 0, 0] - canonical
    expected = (jacobians @ away[..., None])[..., 0] + canonical
    assert (stretched[:, :, 0, 0, 0] - expected).abs().max() < 1e-5


def test_a_flat_volume_is_warped_in_the_plane_alone() -> None:
    canonical, motion = random_pose(9)
    deeper = motion._replace(translation=motion.translation + torch.tensor([0, 0, 0.5]))
    source, driving = (place(Detected(canonical, None), each) for each in (motion, deeper))
    volume = torch.rand(2, 3, 8, 8)
    flows = candidate_flows(points_of((8, 8), volume), source, driving)
    assert (warp_native(volume, flows[:, 1]) - volume).abs().max() < 1e-4


def test_the_warp_by_planes_is_the_native_one_inside_and_outside_the_volume() -> None:
    generator = torch.Generator().manual_seed(10)
    volume = torch.randn(2, 3, 4, 8, 8, generator=generator)
    flow = torch.rand(2, 4, 8, 8, 3, generator=generator) * 3 - 1.5
    assert (warp_planes(volume, flow) - warp_native(volume, flow)).abs().max() < 1e-4


@pytest.mark.parametrize("size", [2, 3])
def test_a_matrix_times_its_inverse_is_the_identity(size: int) -> None:
    matrices = torch.randn(4, 5, size, size, generator=torch.Generator().manual_seed(11)) + 3 * torch.eye(
        size
    )
    assert (inverse(matrices) @ matrices - torch.eye(size)).abs().max() < 1e-4


def test_a_bright_heatmap_cell_is_where_the_keypoint_is() -> None:
    torch.manual_seed(0)
    detector = KeypointDetector(tiny()).eval()
    heatmaps = torch.zeros(1, 5, 4, 16, 16)
    heatmaps[0, :, 3, 2, 12] = 5
    detector.heatmaps = torch.nn.Module()
    detector.heatmaps.forward = lambda features: heatmaps
    found = detector(torch.rand(1, 3, 32, 32)).keypoints[0, 0]
    assert found.tolist() == pytest.approx([25 / 16 - 1, 5 / 16 - 1, 7 / 4 - 1], abs=1e-3)


def test_a_sure_bin_is_its_angle_and_bins_span_both_sides_alike() -> None:
    head = HeadEstimator(tiny()).eval()
    torch.nn.init.zeros_(head.rotation.weight)
    logits = torch.zeros(3, BINS)
    logits[0, 33] = logits[1, 32] = logits[2, 43] = 50
    with torch.no_grad():
        head.rotation.bias.copy_(logits.flatten())
        seen = head(torch.rand(1, 3, 32, 32))
    assert seen.rotation[0].tolist() == pytest.approx([1.5, -1.5, 31.5], abs=1e-3)
    assert not seen.translation.any()
    assert not seen.expression.any()


def test_spectral_norm_bounds_a_convolution_and_is_folded_away_for_shipping() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.ReLU())
    names, picture = set(network.state_dict()), torch.rand(1, 3, 12, 12)
    with torch.no_grad():
        network[0].weight.mul_(30)
        add_spectral_norm(network)
        for _ in range(20):
            network(picture)
        network.eval()
        drawn = network(picture)
        fold_spectral_norm(network)
        assert torch.linalg.matrix_norm(network[0].weight.flatten(1), 2) == pytest.approx(1, abs=1e-2)
        assert (network(picture) - drawn).abs().max() < 1e-6
    assert set(network.state_dict()) == names


def normalise_half(rank: int, folder: str) -> None:
    """What one of two processes does: normalises its rows, and leaves what came out and the gradient."""
    torch.set_num_threads(1)
    from torch import distributed

    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    rows = torch.load(f"{folder}/rows.pt")[[slice(0, 3), slice(3, 4)][rank]].requires_grad_()
    norm = BatchNorm(2)
    out = norm(rows)
    (out * torch.arange(5.0)).square().sum().backward()
    torch.save((out.detach(), rows.grad, norm.running_mean, norm.running_var), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_batch_norm_over_two_processes_is_that_of_one_with_the_whole_batch(tmp_path: Path) -> None:
    rows = 3 + torch.randn(4, 2, 5, generator=torch.Generator().manual_seed(0))
    torch.save(rows, tmp_path / "rows.pt")
    torch.multiprocessing.spawn(normalise_half, args=(str(tmp_path),), nprocs=2)
    whole, rows = BatchNorm(2), rows.requires_grad_()
    out = whole(rows)
    (out * torch.arange(5.0)).square().sum().backward()
    halves = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    for expected, index in ((out, 0), (rows.grad, 1)):
        found = torch.cat([half[index] for half in halves])
        assert (found - expected).abs().max() < 1e-4
    for half in halves:
        assert (half[2] - whole.running_mean).abs().max() < 1e-5
        assert (half[3] - whole.running_var).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ({"picture_size": 48}, "four times"),
        ({"field_widths": (4,) * 4}, "halved"),
        ({"detector_size": 12}, "halved|shrink"),
    ],
)
def test_sizes_that_do_not_fit_together_are_refused(number: dict[str, Any], reason: str) -> None:
    with pytest.raises(ProfileError, match=reason):
        tiny(**number)


@pytest.mark.parametrize(
    ("line", "wrong", "reason"),
    [
        ("canonical = true", "canonical = 1", "canonical must be true or false"),
        ("generator_blocks = 6", "generator_blocks = 6.5", "generator_blocks must be a positive whole"),
        ("head_depths = [3, 4, 6, 3]", "head_depths = 3", "head_depths must be a list"),
        ("keypoints = 20", "", "lacks keypoints"),
        ('family = "paper"', 'family = "letter"', "letter"),
    ],
)
def test_a_wrong_number_is_named(tmp_path: Path, line: str, wrong: str, reason: str) -> None:
    text = (PROFILES / "paper-256" / "profile.toml").read_text()
    assert line in text
    (tmp_path / "profile.toml").write_text(text.replace(line, wrong))
    with pytest.raises(ProfileError, match=reason):
        load_paper_profile(tmp_path)


def test_each_family_says_when_it_is_asked_for_the_other() -> None:
    with pytest.raises(ProfileError, match="paper's networks"):
        load_network_profile(PROFILES / "paper-256")
    with pytest.raises(ProfileError, match="laptop's networks"):
        load_paper_profile(PROFILES / "laptop-256")
