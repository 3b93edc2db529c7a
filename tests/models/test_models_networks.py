"""The networks: geometry that holds before any training, both forms of the warp, graphs that agree with torch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.engine import load_torch  # noqa: E402
from models.generator import Generator, neighbours  # noqa: E402
from models.geometry import head_linear, keypoints, pose_of_points  # noqa: E402
from models.motion_field import Head, compose, flow_parts, image_grid  # noqa: E402
from models.networks import load_networks, save_networks  # noqa: E402
from models.profile import NetworkProfile, ProfileError, load_network_profile  # noqa: E402
from models.profile_toml import write_table  # noqa: E402
from models.talker import TalkingHead, enlarge  # noqa: E402
from models.warp import softness, warp_picture, warp_volume_native, warp_volume_planes  # noqa: E402
from runtime.engine import Arrays, Graph, load  # noqa: E402
from runtime.profile import GRAPHS, load_profile, profiles_folder  # noqa: E402
from runtime.talker import Talker  # noqa: E402
from tests.full_disk import contents, full_disk  # noqa: E402
from tests.models.models_fakes import tiny_profile  # noqa: E402

FOLDER = profiles_folder() / "laptop-256"


def head(rotation: list[float], translation: list[float], seed: int = 3) -> Head:
    generator = torch.Generator().manual_seed(seed)
    canonical = torch.randn(1, 20, 3, generator=generator) * 0.5
    turn, shift = torch.tensor([rotation]), torch.tensor([translation])
    placed = keypoints(canonical, turn, shift, torch.zeros(1, 20, 3))
    return Head(placed, head_linear(turn, shift), torch.cat([shift[:, :2], torch.zeros(1, 1)], 1))


def test_a_full_disk_leaves_a_profile_as_it_was(tmp_path: Path) -> None:
    networks = load_networks(FOLDER)
    table, weights = (tmp_path / name for name in ("profile.toml", "weights.safetensors"))
    table.write_bytes((FOLDER / table.name).read_bytes())
    weights.write_bytes(b"the weights of before")
    before = contents(tmp_path)
    with full_disk(100):
        with pytest.raises(OSError, match="too large"):
            write_table(table, "quality", "", {"lpips": 0.1})
        with pytest.raises(OSError, match="could not be written"):
            save_networks(networks, tmp_path)
    assert contents(tmp_path) == before


def test_the_warp_by_planes_is_the_five_dimensional_one() -> None:
    generator = torch.Generator().manual_seed(1)
    volume = torch.randn(2, 6 * 4, 16, 16, generator=generator)
    places = torch.rand(2, 4, 3, 16, 16, generator=generator) * 2.6 - 1.3
    places[:, :, 2] *= 0.45
    native = warp_volume_native(volume, places, depth=4, extent=0.45)
    planes = warp_volume_planes(volume, places, depth=4, extent=0.45)
    assert (native - planes).abs().max() < 1e-4


def test_without_motion_every_point_stays() -> None:
    still = head([5, -3, 2], [0.1, 0, 0.8])
    linear, offsets = flow_parts(still, still)
    masks = torch.rand(1, 22, 8, 8).softmax(1)
    grid, depth = image_grid(8, masks).permute(2, 0, 1), torch.rand(1, 1, 8, 8) * 0.2
    flow = compose(masks, linear, offsets, grid)
    points = torch.cat([grid[None], depth], 1)
    assert (flow.at(depth) - points).abs().max() < 1e-5


def test_the_composed_flow_is_the_sum_over_its_masks() -> None:
    source, driving = head([5, -3, 2], [0.1, 0, 0.8]), head([-20, 8, 10], [-0.1, 0.05, 0.6])
    linear, offsets = flow_parts(source, driving)
    masks = torch.rand(1, 22, 8, 8).softmax(1)
    grid, depth = image_grid(8, masks).permute(2, 0, 1), torch.rand(1, 1, 8, 8) * 0.2
    points = torch.cat([grid[None], depth], 1).flatten(2)[0]  # [3, P]
    each = torch.stack([points, *((linear[0] @ points + offset[:, None]) for offset in offsets[0])])
    expected = (masks.flatten(2)[0, :, None] * each).sum(0)
    assert (compose(masks, linear, offsets, grid).at(depth)[0].flatten(1) - expected).abs().max() < 1e-5


def test_each_keypoint_flow_takes_its_driving_keypoint_to_the_source() -> None:
    source, driving = head([5, -3, 2], [0.1, 0, 0.8]), head([-20, 8, 10], [-0.1, 0.05, 0.6])
    linear, offsets = flow_parts(source, driving)
    arrived = driving.keypoints @ linear.transpose(1, 2) + offsets[:, 1:]
    assert (arrived - source.keypoints).abs().max() < 1e-5


def test_an_untrained_network_already_moves_the_head_and_keeps_the_background() -> None:
    torch.manual_seed(0)
    talker = TalkingHead(load_network_profile(FOLDER)).eval()
    source, driving = head([0, 0, 0], [0, 0, 0.8]), head([0, 0, 0], [0.25, 0, 0.8])
    with torch.no_grad():
        drawn = talker.draw(talker.prepare(torch.rand(1, 3, 256, 256)), source, driving)
    moved = drawn.field.surface - image_grid(64, drawn.field.surface).permute(2, 0, 1)
    assert abs(float(moved[0, 0, 32, 40]) + 0.25) < 0.03
    assert moved[0, :, :4, :4].abs().max() < 0.02


def test_a_residual_flow_bends_head_and_background_alike() -> None:
    torch.manual_seed(0)
    talker = TalkingHead(load_network_profile(FOLDER)).eval()
    source, driving = head([0, 0, 0], [0, 0, 0.8]), head([0, 0, 0], [0.25, 0, 0.8])
    bent_by = torch.zeros(1, 2, 64, 64)
    bent_by[:, 0] = 4 * 2 / 64  # each point shows what was four cells to the right
    with torch.no_grad():
        features = talker.prepare(torch.rand(1, 3, 256, 256))
        plain, bent = (talker.draw(features, source, driving, flow) for flow in (None, bent_by))
    inner = slice(8, -8)
    away = (bent.field.surface[..., :-4] - plain.field.surface[..., 4:])[:, :, inner, inner]
    assert away.abs().max() < 0.02
    assert (bent.picture[..., :-16] - plain.picture[..., 16:])[..., 32:-32, 32:-48].abs().mean() < 0.02


def test_the_pose_is_read_back_from_projected_points() -> None:
    generator = torch.Generator().manual_seed(2)
    level = torch.randn(11, 3, generator=generator)
    rotation = torch.tensor([[25.0, -12, 8], [-40, 20, -15]])
    translation = torch.tensor([[0.1, -0.2, 0.9], [0, 0, 0.5]])
    points = keypoints(level.expand(2, -1, -1), rotation, translation, torch.zeros(2, 11, 3))
    found_rotation, found_translation = pose_of_points(points[..., :2], level)
    assert (found_rotation - rotation).abs().max() < 0.01
    assert (found_translation - translation).abs().max() < 1e-4


def test_enlarging_a_still_flow_keeps_every_pixel_where_it_is() -> None:
    picture = torch.rand(1, 3, 64, 64)
    still = image_grid(16, picture).permute(2, 0, 1)[None]
    assert (warp_picture(picture, enlarge(still, 4)) - picture).abs().max() < 1e-4


def test_enlarging_is_bilinear_interpolation() -> None:
    moves = torch.rand(2, 2, 8, 8) * 0.2
    places = moves + image_grid(8, moves).permute(2, 0, 1)
    for factor in (2, 4, 8):
        expected = torch.nn.functional.interpolate(
            moves, scale_factor=float(factor), mode="bilinear", align_corners=False
        )
        found = enlarge(places, factor) - image_grid(8 * factor, moves)
        assert (found.permute(0, 3, 1, 2) - expected).abs().max() < 1e-5


def test_a_gain_makes_crisp_what_was_sampled_between_pixels_and_nothing_else() -> None:
    generator = Generator(tiny_profile()).eval()
    picture = torch.full((1, 3, 64, 64), 0.4)
    picture[..., 32:] = 0.6
    features = torch.zeros(1, generator.leave.in_channels, 64, 64)
    generator.leave.weight.data.zero_()

    def finish(gain: float, across: float, down: float) -> torch.Tensor:
        generator.leave.bias.data = torch.tensor([0.0, 0.0, 0.0, 30.0, gain])
        soft = torch.tensor([across, down])[None, :, None, None].expand(1, 2, 64, 64)
        with torch.no_grad():
            return generator.finish(features, picture, soft)[0]

    torch.testing.assert_close(finish(0.0, 0.25, 0.25), picture)
    torch.testing.assert_close(finish(0.5, 0.0, 0.25), picture)  # an upright edge was softened across alone
    crisp = finish(0.5, 0.25, 0.0)
    assert crisp[..., 31].max() < 0.38
    assert crisp[..., 32].min() > 0.62
    torch.testing.assert_close(crisp[..., :30], picture[..., :30])
    assert finish(50.0, 0.25, 0.25).min() >= 0


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_half_a_gain_gives_a_smooth_picture_back_that_was_sampled_between_pixels(share: float) -> None:
    line = torch.arange(64)
    wave = (0.5 + 0.3 * torch.sin(0.5 * line))[None, None, None].expand(1, 3, 64, 64)
    due = (0.5 + 0.3 * torch.sin(0.5 * (line + share))).expand(64, 64)
    places = image_grid(64, wave)[None] + torch.tensor([share * 2 / 64, 0.0])
    warped, soft = warp_picture(wave, places), softness(places)
    torch.testing.assert_close(soft[0, :, 5, 5], torch.tensor([share * (1 - share), 0.0]), atol=1e-4, rtol=0)
    beside, above = neighbours(warped)
    crisp = warped - 0.5 * (soft[:, :1] * (beside - 2 * warped) + soft[:, 1:] * (above - 2 * warped))
    inner = slice(2, -3)
    before = (warped[0, 0] - due)[:, inner].abs().max()
    assert (crisp[0, 0] - due)[:, inner].abs().max() <= before / 4 + 1e-4


@pytest.mark.parametrize("name", ["laptop-256", "laptop-512"])
def test_the_exported_graphs_give_what_torch_gives(name: str) -> None:
    profile = load_profile(name)
    ours, reference = load(profile, engine="openvino-f32"), load_torch(profile)
    size = profile.picture_size
    cells = np.clip(np.random.default_rng(4).normal(128, 40, (8, 8, 3)), 0, 255).astype(np.uint8)
    compared: set[str] = set()

    def checked(graph: str) -> Graph:
        def run(inputs: Arrays) -> dict[str, np.ndarray]:
            due = getattr(reference, graph)(inputs)
            found = getattr(ours, graph)(inputs)
            for output, value in due.items():
                np.testing.assert_allclose(
                    found[output], value, rtol=0, atol=1e-3, err_msg=f"{graph} {output}"
                )
            compared.add(graph)
            return due

        return run

    graphs: dict[str, Any] = {graph: checked(graph) for graph in GRAPHS}
    talker = Talker(replace(reference, **graphs), picture_size=size)
    picture = cells.repeat(size // 8, 0).repeat(size // 8, 1)
    talker.locate(picture)
    source = talker.prepare(picture)
    rotation = source.rotation + np.float32([8, 3, -4])
    talker.draw(source, rotation, source.translation + np.float32([0.05, 0, 0.05]), source.expression)
    assert compared == set(GRAPHS)


def test_a_profile_with_a_wrong_number_is_refused_by_name(tmp_path: Path) -> None:
    text = (FOLDER / "profile.toml").read_text().replace("keypoints = 20", "keypoints = -20")
    (tmp_path / "profile.toml").write_text(text)
    with pytest.raises(ProfileError, match="keypoints"):
        load_network_profile(tmp_path)


def test_weights_of_another_profile_are_refused(tmp_path: Path) -> None:
    (tmp_path / "profile.toml").write_text(
        (FOLDER / "profile.toml").read_text().replace("generator_width = 80", "generator_width = 40")
    )
    (tmp_path / "weights.safetensors").write_bytes((FOLDER / "weights.safetensors").read_bytes())
    with pytest.raises(ProfileError, match="does not fit"):
        load_networks(tmp_path)


def test_a_profile_lists_all_its_numbers() -> None:
    with pytest.raises(ProfileError, match="lacks"):
        NetworkProfile.from_table({"picture_size": 256})
