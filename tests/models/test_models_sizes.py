"""All profiles: what they cost, and the laptop's networks at twice the size."""

import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from models.cost import Cost, cost_of, gmac, write_cost  # noqa: E402
from models.export import export_graphs  # noqa: E402
from models.large import LargeTalkingHead, start_from_smaller, talking_head  # noqa: E402
from models.motion_field import Head  # noqa: E402
from models.networks import Networks, load_networks, save_networks  # noqa: E402
from models.profile import PROFILES, NetworkProfile, ProfileError, load_network_profile  # noqa: E402
from models.talker import TalkingHead  # noqa: E402

# Parameters, and GMAC of a source picture, a camera frame and a shown frame; a change here is a change of a network.
EXPECTED = {
    "laptop-256": Cost(2720258, 1.387, 0.299, 3.794),
    "laptop-512": Cost(2725305, 1.387, 0.299, 4.339),
    "paper-256": Cost(119378177, 70.785, 5.339, 168.505),
    "paper-512": Cost(119378177, 184.481, 21.354, 674.018),
    "fomm-256": Cost(43547097, 40.552, 1.012, 43.281),
}


@pytest.fixture(scope="module")
def small() -> NetworkProfile:
    """The laptop's networks at 64 pixels."""
    profile = load_network_profile(PROFILES / "laptop-256")
    return replace(
        profile,
        picture_size=64,
        volume_size=16,
        appearance_width=8,
        field_width=8,
        generator_width=16,
        generator_blocks=1,
        generator_fine=4,
        student_widths=(8, 8, 8, 8, 8),
        student_depths=(1, 1, 1, 1),
        student_decoder=8,
    )


@pytest.fixture(scope="module")
def large(small: NetworkProfile) -> NetworkProfile:
    """The same for pictures of 128 pixels."""
    return replace(small, picture_size=128)


def heads(shift: float) -> tuple[Head, Head]:
    keypoints = torch.rand(1, 20, 3, generator=torch.Generator().manual_seed(1)) * 0.4 - 0.2
    moved = torch.tensor([[shift, 0, 0]])
    linear = torch.eye(3)[None] * 0.4
    return Head(keypoints, linear, torch.zeros(1, 3)), Head(keypoints + moved, linear, moved)


@pytest.mark.parametrize("name", sorted(path.name for path in PROFILES.iterdir()))
def test_a_profile_costs_what_its_toml_says(name: str) -> None:
    written = tomllib.loads((PROFILES / name / "profile.toml").read_text())["cost"]
    assert cost_of(PROFILES / name) == EXPECTED[name] == Cost(**written)


def test_multiplications_are_counted() -> None:
    layer = torch.nn.Conv2d(10, 20, 3, padding=1)
    assert gmac(lambda: layer(torch.rand(1, 10, 100, 100))) == 0.018
    assert gmac(lambda: torch.rand(100, 200) @ torch.rand(200, 300)) == 0.006


def test_counting_again_keeps_the_rest_of_the_toml(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    before = (PROFILES / "laptop-256" / "profile.toml").read_text()
    path.write_text(before.replace("parameters = ", "parameters = 1"))
    cost = write_cost(tmp_path)
    assert path.read_text() == before
    assert asdict(cost) == tomllib.loads(before)["cost"]
    path.write_text(before[: before.index("[cost]")])
    write_cost(tmp_path)
    assert tomllib.loads(path.read_text())["cost"] == asdict(cost)


def test_twice_the_size_takes_the_smaller_ones_weights_but_for_its_last_layers(
    small: NetworkProfile, large: NetworkProfile
) -> None:
    smaller, larger = talking_head(small), talking_head(large)
    assert type(smaller) is TalkingHead
    assert isinstance(larger, LargeTalkingHead)
    fresh = start_from_smaller(larger, smaller.state_dict())
    assert {name.split(".")[1] for name in fresh} == {"up_finest", "finest", "leave"}
    assert torch.equal(larger.state_dict()["field.head.bias"], smaller.state_dict()["field.head.bias"])


def test_twice_the_size_moves_as_the_smaller_one_and_copies_finer_detail(
    small: NetworkProfile, large: NetworkProfile
) -> None:
    torch.manual_seed(0)
    smaller, larger = talking_head(small).eval(), talking_head(large).eval()
    start_from_smaller(larger, smaller.state_dict())
    picture = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        source, driving = heads(0.2)
        fine = larger.draw(larger.prepare(picture), source, driving)
        halved = torch.nn.functional.avg_pool2d(picture, 2)
        coarse = smaller.draw(smaller.prepare(halved), source, driving)
        still = larger.draw(larger.prepare(picture), source, source)
    assert fine.picture.shape == (1, 3, 128, 128)
    assert (fine.field.surface - coarse.field.surface).abs().max() < 1e-5
    assert (still.warped - picture).abs().max() < 0.02  # noise of single pixels, kept


def test_a_picture_of_another_multiple_of_the_volume_is_refused(small: NetworkProfile) -> None:
    with pytest.raises(ProfileError, match="four or eight times"):
        talking_head(replace(small, picture_size=96))


def test_graphs_of_twice_the_size_agree_with_torch(tmp_path: Path, large: NetworkProfile) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    networks = Networks(large).eval()
    torch.nn.init.normal_(networks.student.level_rigid)
    (tmp_path / "profile.toml").write_text('name = "large"\n\n[network]\n')
    export_graphs(networks, tmp_path)
    picture = torch.rand(1, 3, 128, 128)
    halved = torch.nn.functional.avg_pool2d(picture, 2)  # as a call gives it to the smaller profile's graphs
    source, driving = heads(0.1)
    with torch.no_grad():
        features = networks.talker.prepare(picture)
        flow = 0.05 * torch.randn(1, 2, *features.context.shape[2:])
        expected = networks.talker.draw(features, source, driving, flow).picture.numpy()
        seen = networks.student(picture)

    def run(name: str, **inputs: "torch.Tensor") -> list[np.ndarray]:
        session = onnxruntime.InferenceSession(tmp_path / f"{name}.onnx")
        return session.run(None, {key: value.numpy() for key, value in inputs.items()})

    volume, skip, context, _ = (torch.from_numpy(value) for value in run("source", picture=halved))
    parts = {
        f"{which}_{part}": value
        for which, head in (("source", source), ("driving", driving))
        for part, value in zip(("keypoints", "linear", "shift"), head, strict=True)
    }
    (drawn,) = run(
        "frame", volume=volume, skip=skip, context=context, picture=picture, residual_flow=flow, **parts
    )
    assert np.abs(drawn - expected).max() < 1e-3
    np.testing.assert_allclose(run("motion", picture=halved)[0], seen.rotation.numpy(), rtol=1e-3, atol=1e-2)


def test_a_profile_that_shares_keeps_only_what_is_its_own() -> None:
    folder = PROFILES / "laptop-512"
    theirs, ours = load_networks(PROFILES / "laptop-256"), load_networks(folder)
    assert torch.equal(
        ours.state_dict()["talker.field.head.bias"], theirs.state_dict()["talker.field.head.bias"]
    )
    kept = load_file(folder / "weights.safetensors")
    assert all(name.startswith("talker.generator.") for name in kept)
    assert "talker.generator.finest.0.weight" in kept


def test_networks_that_differ_elsewhere_are_no_sharing_profiles(tmp_path: Path) -> None:
    networks = load_networks(PROFILES / "laptop-512")
    (tmp_path / "profile.toml").write_text((PROFILES / "laptop-512" / "profile.toml").read_text())
    save_networks(networks, tmp_path)
    kept = load_file(tmp_path / "weights.safetensors")
    assert kept.keys() == load_file(PROFILES / "laptop-512" / "weights.safetensors").keys()
    assert all(name.startswith("talker.generator.") for name in kept)
    with torch.no_grad():
        networks.talker.field.head.bias += 1
    with pytest.raises(ProfileError, match=r"talker\.field\.head\.bias"):
        save_networks(networks, tmp_path)
