"""Quantisation: which operations become 8 bits wide, what is written, and that a new export forgets the old ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest

openvino = pytest.importorskip("openvino")
pytest.importorskip("nncf")

from models import quantise  # noqa: E402
from models.export import export_graphs, write_table  # noqa: E402
from models.networks import load_networks  # noqa: E402
from models.quantise import draw_samples, left_alone, quantise_profile, write_int8  # noqa: E402
from models.training.footage import DataError  # noqa: E402
from runtime.engine import EngineError, load  # noqa: E402
from runtime.profile import ProfileError, load_profile  # noqa: E402
from tests.full_disk import contents, full_disk  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path, profile_folder: Path) -> Path:
    return Path(shutil.copytree(profile_folder, tmp_path / "laptop-256"))


@pytest.mark.parametrize("graph", ["frame", "motion"])
def test_only_convolutions_that_draw_or_see_are_quantised(graph: str, profile_folder: Path) -> None:
    model = openvino.Core().read_model(profile_folder / f"{graph}.onnx")
    left = set(left_alone(model, graph))
    kinds = {each.get_friendly_name(): each.get_type_name() for each in model.get_ordered_ops()}
    taken = {name for name, kind in kinds.items() if kind == "Convolution" and name not in left}
    assert len(taken) > 8
    assert not [name for name in taken if "/field/head" in name or "heatmaps" in name or "stem" in name]
    exact = {"MatMul", "GridSample", "Softmax", "ReduceSum", "Multiply", "Gather"}
    assert {name for name, kind in kinds.items() if kind in exact} <= left


def test_nothing_after_the_last_convolution_is_quantised(profile_folder: Path) -> None:
    model = openvino.Core().read_model(profile_folder / "frame.onnx")
    left = set(left_alone(model, "frame"))
    behind = [each for each in model.get_ordered_ops() if "/generator/leave/Conv" in each.get_friendly_name()]
    made: set[str] = set()
    while behind:
        for port in behind.pop().outputs():
            users = [target.get_node() for target in port.get_target_inputs()]
            behind += [each for each in users if each.get_friendly_name() not in made]
            made |= {each.get_friendly_name() for each in users if each.get_type_name() != "Result"}
    assert len(made) > 10
    assert made <= left


def test_the_wrong_graph_is_refused(profile_folder: Path) -> None:
    model = openvino.Core().read_model(profile_folder / "locate.onnx")
    with pytest.raises(EngineError, match="none of the convolutions"):
        left_alone(model, "frame")


def test_a_quantised_graph_replaces_the_old_one_and_runs(folder: Path) -> None:
    profile = load_profile(str(folder))
    rng = np.random.default_rng(3)
    samples = [{"picture": rng.random((1, 3, 256, 256), np.float32)} for _ in range(3)]
    digest = write_int8(profile, "motion", samples)
    assert len(digest) == 64
    write_table(folder / "profile.toml", "int8", "SHA-256", {"motion": digest})
    again = load_profile(str(folder))
    assert again.int8 == {"motion"}
    assert again.graphs_hash == profile.graphs_hash, "a peer with float graphs is still a peer"
    found = load(again).motion(samples[0])
    due = load(again, engine="openvino-f32").motion(samples[0])
    np.testing.assert_allclose(found["placed"], due["placed"], atol=0.1)


def test_what_is_damaged_or_missing_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "frame.int8.bin").write_bytes(b"cut off")
    (folder / "motion.int8.xml").unlink()
    (folder / "residual.npz").unlink()
    (folder / "tables.npz").unlink()
    with pytest.raises(ProfileError):
        load_profile(str(folder))

    def draw(profile: object, clips: Path) -> dict[str, list]:
        return {"frame": [], "motion": []}

    monkeypatch.setattr(quantise, "draw_samples", draw)
    monkeypatch.setattr(quantise, "write_int8", lambda profile, graph, samples: "made again")
    assert quantise_profile(str(folder), folder / "clips") == (folder, ["frame", "motion"])
    left = load_profile(str(folder), whole=False)
    assert (left.int8, left.half, left.residual) == (frozenset(), frozenset(), False)


def test_a_full_disk_leaves_the_quantised_graph_of_before(folder: Path) -> None:
    profile = load_profile(str(folder))
    samples = [{"picture": np.zeros((1, 3, 256, 256), np.float32)}]
    before = contents(folder)
    with full_disk(100_000), pytest.raises(OSError, match="could not be written"):
        write_int8(profile, "motion", samples)
    assert contents(folder) == before


def test_a_new_export_forgets_the_other_forms_of_the_old_graphs(folder: Path) -> None:
    (folder / "frame.fp16.onnx").write_bytes(b"of the old graph")
    write_table(folder / "profile.toml", "half", "", {"frame": "of the old graph"})
    export_graphs(load_networks(folder), folder)
    assert not [*folder.glob("*.int8.*"), *folder.glob("*.fp16.*")]
    exported = load_profile(str(folder))
    assert exported.int8 == exported.half == frozenset()


def test_a_folder_without_clips_is_one_sentence(profile_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clips"):
        draw_samples(load_profile(str(profile_folder)), tmp_path)
