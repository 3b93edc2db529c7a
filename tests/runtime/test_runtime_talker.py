"""The talker on the shipped profile: what it draws, what it sees, and what it says of a damaged profile."""

import platform
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from runtime import engine
from runtime.engine import EngineError, load
from runtime.profile import (
    ProfileError,
    list_built_profiles,
    list_profiles,
    load_profile,
    outline_profile,
    profiles_folder,
)
from runtime.talker import Talker

SIZE = 256


@pytest.fixture(scope="module")
def talker() -> Talker:
    return Talker(load(load_profile("laptop-256")), picture_size=SIZE)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """A public-domain portrait, cropped as the sender crops."""
    data = pytest.importorskip("skimage.data")
    import cv2

    return np.ascontiguousarray(
        cv2.resize(data.astronaut()[0:260, 90:350], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    )


def test_the_shipped_profile_is_whole() -> None:
    assert "laptop-256" in list_profiles()
    profile = load_profile("laptop-256")
    assert (profile.picture_size, profile.keypoints, len(profile.graphs_hash)) == (256, 20, 32)


def test_a_source_at_rest_is_drawn_as_it_is(talker: Talker, face: np.ndarray) -> None:
    source = talker.prepare(face)
    drawn = talker.draw(source, source.rotation, source.translation, source.expression)
    assert np.abs(drawn.astype(int) - face).mean() < 6


def test_the_larger_profile_draws_the_same_face_finer(face: np.ndarray) -> None:
    import cv2

    profile, smaller = load_profile("laptop-512"), load_profile("laptop-256")
    assert profile.graph_path("motion") == smaller.graph_path("motion")
    assert profile.format_path == smaller.format_path
    assert profile.graphs_hash != smaller.graphs_hash
    large = Talker(load(profile), picture_size=512)
    picture = cv2.resize(face, (512, 512), interpolation=cv2.INTER_CUBIC)
    source = large.prepare(picture)
    rotation, translation, expression = large.estimate(picture, source)
    drawn = large.draw(source, rotation, translation, expression)
    assert drawn.shape == (512, 512, 3)
    assert np.abs(drawn.astype(int) - picture).mean() < 6
    turned = large.draw(source, rotation + np.float32([12, 0, 0]), translation, expression)
    assert large.estimate(turned, source)[0][0] - rotation[0] > 5


def test_who_shares_needs_the_one_that_is_shared_with(tmp_path: Path) -> None:
    folder = tmp_path / "larger"
    shutil.copytree(load_profile("laptop-512").folder, folder)
    table = folder / "profile.toml"
    text = table.read_text()
    table.write_text(text.replace('shares = "laptop-256"', 'shares = "laptop-255"'))
    with pytest.raises(ProfileError, match="laptop-255"):
        load_profile(str(folder))
    table.write_text(text.replace('shares = "laptop-256"', 'shares = "laptop-512"'))
    with pytest.raises(ProfileError, match="itself shares"):
        load_profile(str(folder))


def test_turning_the_head_moves_the_nose_to_that_side(talker: Talker, face: np.ndarray) -> None:
    source = talker.prepare(face)
    turned = talker.draw(
        source, source.rotation + np.float32([12, 0, 0]), source.translation, source.expression
    )
    rotation, _, _ = talker.estimate(turned, source)
    assert rotation[0] - source.rotation[0] > 5


def test_moving_the_head_moves_the_picture_of_it(talker: Talker, face: np.ndarray) -> None:
    source = talker.prepare(face)
    moved = talker.draw(
        source, source.rotation, source.translation + np.float32([0.1, 0, 0]), source.expression
    )
    _, translation, _ = talker.estimate(moved, source)
    assert 0.05 < translation[0] - source.translation[0] < 0.15


def test_a_residual_flow_moves_all_that_is_drawn(talker: Talker, face: np.ndarray) -> None:
    source = talker.prepare(face)
    pose = source.rotation, source.translation, source.expression
    flow = np.zeros((32, 32, 2), np.float32)
    flow[..., 0] = 8 * 2 / 256
    assert talker.bends
    plain, bent = talker.draw(source, *pose).astype(int), talker.draw(source, *pose, flow).astype(int)
    inner = slice(16, -16)
    moved = np.abs(bent[:, :-8] - plain[:, 8:])[inner, inner].mean()
    assert moved < 0.25 * np.abs(bent - plain)[inner, inner].mean()
    np.testing.assert_array_equal(talker.draw(source, *pose, 0 * flow), plain)


def test_the_background_stays_where_only_the_head_moves(talker: Talker, face: np.ndarray) -> None:
    source = talker.prepare(face)
    moved = talker.draw(
        source, source.rotation, source.translation + np.float32([0.05, 0, 0]), source.expression
    )
    corner = (slice(0, 40), slice(0, 30))
    assert np.abs(moved[corner].astype(int) - face[corner]).mean() < 8


def test_the_same_picture_gives_the_same_expression_against_its_source(
    talker: Talker, face: np.ndarray
) -> None:
    source = talker.prepare(face)
    rotation, translation, expression = talker.estimate(face, source)
    placed = talker.keypoints_of(source, rotation, translation, expression)
    np.testing.assert_allclose(placed, source.keypoints, atol=1e-4)


def test_a_face_is_located_in_a_wide_frame(talker: Talker, face: np.ndarray) -> None:
    frame = np.full((360, 640, 3), 120, np.uint8)
    frame[60:316, 300:556] = face
    found = talker.locate(frame)
    assert found is not None
    assert abs(found.centre_x - 428) < 60
    assert abs(found.centre_y - 188) < 60
    assert 60 < found.size < 300


def test_no_face_is_located_in_an_empty_room(talker: Talker) -> None:
    ramp = np.linspace(40, 200, 640).astype(np.uint8)
    assert talker.locate(np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (480, 640, 3)))) is None


def test_a_picture_of_another_size_is_refused(talker: Talker) -> None:
    with pytest.raises(ValueError, match="256x256x3"):
        talker.prepare(np.zeros((128, 128, 3), np.uint8))


def test_an_unknown_profile_names_those_that_are_there() -> None:
    with pytest.raises(ProfileError, match="laptop-256"):
        load_profile("no-such-profile")


def test_an_unknown_engine_names_those_that_are_there() -> None:
    with pytest.raises(EngineError, match=r"openvino, .*torch, torch-cuda"):  # which no call has loaded yet
        load(load_profile("laptop-256"), engine="abacus")


@pytest.mark.parametrize("damage", ["missing", "cut short", "8 bits cut short", "tables missing", "no toml"])
def test_a_damaged_profile_says_what_is_wrong(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "laptop-256"
    shutil.copytree(load_profile("laptop-256").folder, folder)
    graph = folder / "frame.onnx"
    if damage == "missing":
        graph.unlink()
    elif damage == "cut short":
        graph.write_bytes(graph.read_bytes()[:-100])
    elif damage == "8 bits cut short":
        weights = folder / "frame.int8.bin"
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "tables missing":
        (folder / "tables.npz").unlink()
    else:
        (folder / "profile.toml").write_text("name = [")
    with pytest.raises(ProfileError, match=r"lacks|damaged|tables"):
        load_profile(str(folder))


def test_a_profile_of_another_size_than_its_graphs_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "laptop-256"
    shutil.copytree(load_profile("laptop-256").folder, folder)
    table = folder / "profile.toml"
    table.write_text(table.read_text().replace("picture_size = 256", "picture_size = 128"))
    profile = load_profile(str(folder))
    with pytest.raises(EngineError, match=r"OpenVINO cannot run .*motion\.(onnx|int8\.xml): .*incompatible"):
        Talker(load(profile), picture_size=profile.picture_size)


def test_a_processor_without_avx_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)
    import openvino

    def refuse(core: openvino.Core, *given: object) -> None:
        raise RuntimeError("Exception from src/plugin.cpp:59:\nbad combination\n")

    monkeypatch.setattr(openvino.Core, "compile_model", refuse)
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    monkeypatch.setattr(engine.cv2, "checkHardwareSupport", lambda feature: True)
    with pytest.raises(EngineError, match=r"bad combination$"):
        load(load_profile("laptop-256"))
    monkeypatch.setattr(engine.cv2, "checkHardwareSupport", lambda feature: False)
    with pytest.raises(EngineError, match=r"bad combination \(this processor has no AVX"):
        load(load_profile("laptop-256"))


def test_a_profile_that_is_not_built_says_how_to_build_it_and_is_not_installed() -> None:
    assert set(list_built_profiles()) < set(list_profiles())
    with pytest.raises(ProfileError, match="not built: it has sizes"):
        load_profile("paper-256")
    with pytest.raises(ProfileError) as error:
        load_profile("no-such-profile")
    assert "paper-256" not in str(error.value)


def test_a_profiles_outline_needs_no_graphs() -> None:
    outline = outline_profile(profiles_folder() / "paper-512")
    assert (outline.picture_size, outline.keypoints, outline.built) == (512, 20, False)
    assert outline.cost is not None
    assert outline.cost.parameters > 100e6


def test_a_cost_that_makes_no_sense_is_damage(tmp_path: Path) -> None:
    text = (load_profile("laptop-256").folder / "profile.toml").read_text()
    (tmp_path / "profile.toml").write_text(text.replace("frame_gmac", "frame_gnat"))
    with pytest.raises(ProfileError, match="damaged"):
        outline_profile(tmp_path)


def test_a_motion_for_one_source_places_another_one_where_it_would_have_been(
    talker: Talker, face: np.ndarray
) -> None:
    darker = np.ascontiguousarray(np.roll(face, 6, axis=1) // 2)
    one, other = talker.prepare(face), talker.prepare(darker)
    motion = talker.estimate(face, one)
    rebased = talker.rebase(motion[0], motion[2], of=one, to=other)
    assert np.abs(one.canonical - other.canonical).max() > 1e-3  # two estimates of one face
    np.testing.assert_allclose(
        talker.keypoints_of(other, motion[0], motion[1], rebased),
        talker.keypoints_of(one, *motion),
        atol=1e-5,
    )
