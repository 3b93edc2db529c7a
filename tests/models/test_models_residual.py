"""The residual network: binary codes that train, corrections only where a code was sent; its stage and its graphs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models_fakes import SIDE, backbone, clips, filmed, level_face  # noqa: E402

from codec.residual import ResidualFormat, decode_residual, encode_residual  # noqa: E402
from models.repair import build_residual, remove_residual  # noqa: E402
from models.residual import (  # noqa: E402
    Residual,
    ResidualDecodeGraph,
    ResidualEncodeGraph,
    ResidualEncoder,
    Sign,
    sent_cells,
)
from models.training.loop import TrainingError  # noqa: E402
from models.training.losses import PictureLoss  # noqa: E402
from models.training.occluders import paste_object  # noqa: E402
from models.training.residual import (  # noqa: E402
    WEIGHTS,
    FaultBatches,
    draw_pairs,
    fault_map,
    faults_of,
    redraw_as,
    residual_losses,
    residual_stage,
)
from models.training.stage import Stage  # noqa: E402
from runtime.profile import load_profile  # noqa: E402
from runtime.repairer import load_repairer  # noqa: E402
from tests.full_disk import contents, full_disk  # noqa: E402

SETTINGS = {
    "name": "residual", "repairs": "laptop-256", "pairs": 24, "piece": SIDE // 2, "batch": 4, "seed": 1,
    "pixels": 4.0, "perceptual": 1.0, "bits": 0.5, "worth": 0.3, "whole": 100,
}  # fmt: skip


def test_a_code_is_binary_and_an_eighth_of_the_size() -> None:
    code = Residual().encoder(torch.rand(2, 3, 64, 64) * 2 - 1)
    assert code.signs.shape == (2, 32, 8, 8)
    assert code.significance.shape == (2, 1, 8, 8)
    assert set(code.signs.unique().tolist()) == {-1.0, 1.0}


def test_the_gradient_goes_straight_through_the_sign_where_it_is_not_saturated() -> None:
    value = torch.tensor([-2.0, -0.5, 0.0, 0.7, 3.0], requires_grad=True)
    sign = Sign.apply(value)
    assert sign.tolist() == [-1, -1, 1, 1, 1]
    (sign * torch.tensor([1.0, 2, 3, 4, 5])).sum().backward()
    assert value.grad.tolist() == [0, 2, 3, 4, 0]


def test_nothing_is_corrected_where_nothing_was_sent() -> None:
    residual = Residual()
    kept = torch.zeros(1, 1, 8, 8)
    kept[..., 2:4, 5] = 1
    with torch.no_grad():
        correction = residual.decoder(torch.ones(1, 32, 8, 8), kept)[0]
    assert correction[:, 16:32, 40:48].abs().max() > 0
    correction[:, 16:32, 40:48] = 0
    assert not correction.any()


def test_what_is_significant_is_sent_and_some_pictures_whole() -> None:
    torch.manual_seed(2)
    significance = torch.full((200, 1, 4, 4), 0.2).index_fill(2, torch.arange(1), 0.8)
    assert sent_cells(significance).flatten(1).sum(1).unique().tolist() == [4]
    cells = sent_cells(significance, whole=0.25).flatten(1).sum(1)
    assert cells.unique().tolist() == [4, 16]
    assert (cells == 16).float().mean().item() == pytest.approx(0.25, abs=0.1)


def test_a_code_tells_even_small_residuals_apart_before_any_training() -> None:
    torch.manual_seed(4)
    encoder = ResidualEncoder()
    faint = torch.rand(1, 3, 64, 64) * 0.02 - 0.01
    assert 0.2 < (encoder(faint).signs == encoder(-faint).signs).float().mean() < 0.6
    values, _ = encoder.values(torch.rand(1, 3, 64, 64) * 0.6 - 0.3)
    assert 0.05 < values.abs().mean() < 1


def test_significance_learns_which_cells_are_worth_their_bits(tmp_path: Path) -> None:
    """Two networks that correct alike, one of which would send everything: it has the greater doubt."""
    torch.manual_seed(5)
    loss = PictureLoss(backbone(tmp_path / "squeezenet.pth"), scales=1)
    truth = torch.rand(2, 3, 64, 64)
    weights = {name: float(SETTINGS[name]) for name in WEIGHTS}
    network = Residual()
    doubts = []
    for logit in (-6.0, 6.0):
        network.encoder.significance.bias.data.fill_(logit)
        losses = residual_losses(network, truth, truth, perceptual=loss, weights=weights, step=0)
        doubts.append(losses["worth"].item())
    assert doubts[0] < 0.01 * doubts[1]


def test_a_hand_is_drawn_back_after_a_few_steps() -> None:
    torch.manual_seed(0)
    residual = Residual()
    redrawn = torch.full((1, 3, 32, 32), 0.4)
    picture = redrawn.clone()
    picture[:, 0, 8:24, 8:24], picture[:, 1:, 8:24, 8:24] = 0.9, 0.6
    optimiser = torch.optim.Adam(residual.parameters(), lr=1e-3)
    losses = []
    for _ in range(40):
        repaired, _ = residual(picture, redrawn, whole=1.0)
        loss = (repaired - picture).abs()[..., 8:24, 8:24].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    unmoved = [name for name, weight in residual.named_parameters() if weight.grad is None]
    assert all("significance" in name for name in unmoved)


def test_the_graphs_say_what_the_network_says_when_exported(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    torch.manual_seed(1)
    residual = Residual().eval()
    picture, redrawn = torch.rand(2, 1, 3, 64, 64)
    with torch.no_grad():
        repaired, code = residual(picture, redrawn)
    encode, decode = ResidualEncodeGraph(residual), ResidualDecodeGraph(residual)
    found = {}
    for name, graph, inputs in (
        ("encode", encode, (picture - redrawn,)),
        ("decode", decode, (code.signs, code.kept)),
    ):
        path = str(tmp_path / f"{name}.onnx")
        names = {"input_names": list(graph.inputs), "output_names": list(graph.outputs)}
        torch.onnx.export(graph, inputs, path, opset_version=18, dynamo=False, **names)
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        run = openvino.Core().compile_model(path, "CPU", settings)
        outputs = run(dict(zip(graph.inputs, (value.numpy() for value in inputs), strict=True)))
        found |= {name: outputs[name] for name in graph.outputs}
    # A value at nothing may fall on either side in another engine.
    assert (found["signs"] == code.signs.numpy()).mean() > 0.999
    np.testing.assert_allclose(found["significance"], code.significance.numpy(), atol=1e-5)
    np.testing.assert_allclose(found["correction"], (repaired - redrawn).numpy(), atol=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_an_object_covers_its_share_of_the_picture_and_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture, other = rng.integers(0, 256, (2, 96, 96, 3)).astype(np.uint8)
    before = picture.copy()
    pasted, mask = paste_object(picture, other, rng, area=0.1)
    np.testing.assert_array_equal(picture, before)
    assert np.count_nonzero(mask) / mask.size == pytest.approx(0.1, rel=0.2)
    near = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 5), (11, 11)).max((2, 3)) > 0
    np.testing.assert_array_equal(pasted[~near], picture[~near])
    assert (pasted[mask > 0] != picture[mask > 0]).any(1).mean() > 0.9


def test_a_fault_is_where_the_redrawn_picture_is_plainly_wrong() -> None:
    truth = torch.full((1, 3, 64, 64), 0.5)
    drawn = truth + 0.02
    drawn[..., 20:40, 20:40] = 0.9
    fault = fault_map(truth, drawn)
    assert (fault[..., 26:34, 26:34] == 1).all()
    assert (fault[..., :10, :] == 0).all()
    assert not fault_map(truth, truth).any()


def test_only_the_driving_picture_is_covered_and_its_head_stays() -> None:
    batches = FaultBatches(filmed(clips()), size=SIDE, batch=24, mirror=np.arange(20))
    batch = batches(np.random.default_rng(0))
    again = batches(np.random.default_rng(0))
    assert all(torch.equal(value, again[name]) for name, value in batch.items())
    # The fakes' pictures are a ramp each: something before it breaks the ramp.
    steps = {name: batch[name].int().diff(dim=2).abs().amax((1, 2, 3)) for name in ("source", "driving")}
    assert (steps["source"] < 32).all()
    assert (steps["driving"] >= 32).float().mean() > 0.3
    assert batch["driving_keypoints"].shape == (24, 20, 3)


def frozen(source: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Redraw nothing: the source stays what it is."""
    return source


def a_stage(folder: Path) -> Stage:
    """The stage on footage that nobody filmed, over a generator that only ever shows its source."""
    torch.manual_seed(0)
    return residual_stage(
        clips=filmed(clips()),
        level=level_face(),
        redraw=frozen,
        cache=folder,
        settings=SETTINGS,
        perceptual=backbone(folder / "squeezenet.pth"),
        device=torch.device("cpu"),
    )


def test_the_stage_learns_to_repair_what_was_redrawn(tmp_path: Path) -> None:
    stage = a_stage(tmp_path)
    assert isinstance(stage.network, Residual)
    optimiser = torch.optim.Adam(stage.network.parameters(), lr=2e-3)
    batch = stage.batches(np.random.default_rng(3))
    assert batch["truth"].shape == batch["drawn"].shape == (4, SIDE // 2, SIDE // 2, 3)
    totals, pixels = [], []
    for step in range(25):
        losses = stage.losses(batch, step)
        assert set(losses) == {"pixels", "perceptual", "worth"}
        total = torch.stack(list(losses.values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(total.item())
        pixels.append(losses["pixels"].item())
    assert np.mean(totals[-3:]) < 0.9 * totals[0]
    assert np.mean(pixels[-3:]) < 0.8 * pixels[0]
    assert stage.sheet is not None
    assert stage.sheet(stage.network.state_dict()).shape == (6 * SIDE, 5 * SIDE, 3)


def test_pairs_are_the_same_every_time_and_hold_what_was_redrawn() -> None:
    faults = faults_of(filmed(clips()), level_face(), size=SIDE)
    triples = draw_pairs(faults, frozen, count=11, seed=5)
    assert triples.shape == (11, 3, SIDE, SIDE, 3)
    np.testing.assert_array_equal(triples, draw_pairs(faults, frozen, count=11, seed=5))
    np.testing.assert_array_equal(triples[:, 0], triples[:, 2])
    assert (triples[:, 0] != triples[:, 1]).any((1, 2, 3)).mean() > 0.7


def test_a_profile_that_is_not_built_or_of_another_size_has_nothing_to_repair(profile_folder: Path) -> None:
    with pytest.raises(TrainingError, match="no generator to repair"):
        redraw_as("paper-256", size=256, device=torch.device("cpu"))
    with pytest.raises(TrainingError, match="draws 256 pixels a side, and the stage wants 512"):
        redraw_as(str(profile_folder), size=512, device=torch.device("cpu"))


def test_a_profile_takes_residual_codes_that_its_call_can_run_and_loses_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile_folder: Path
) -> None:
    """The network is one that nobody trained: what matters is that graphs, chances and hashes belong together."""
    folder = tmp_path / "laptop-256"
    shutil.copytree(profile_folder, folder)
    remove_residual(folder)
    bare = load_profile(str(folder))
    assert not bare.residual
    side = 256
    triples = np.random.default_rng(2).integers(0, 256, (3, 3, side, side, 3)).astype(np.uint8)
    monkeypatch.setattr("models.repair.draw_pairs", lambda *_, **__: triples)
    monkeypatch.setattr("models.repair.load_level_face", lambda _: level_face())
    monkeypatch.setattr("models.repair.load_clips", lambda *_, **__: clips())
    torch.manual_seed(3)
    network = Residual().eval()
    assert build_residual(folder, network.state_dict(), data=tmp_path, cache=tmp_path) == 3
    profile = load_profile(str(folder))
    repairer, chances = load_repairer(profile), ResidualFormat.load(profile.residual_path)
    codes = repairer.residual_encode(triples[0, 1], triples[0, 2]).codes()
    code = encode_residual(codes, chances)
    np.testing.assert_array_equal(decode_residual(code, chances, side=32), codes)
    repaired = repairer.repair(triples[0, 2], codes)
    with torch.no_grad():
        pictures = torch.from_numpy(triples[0, 1:]).permute(0, 3, 1, 2).float() / 255
        expected = network.half().float()(pictures[:1], pictures[1:])[0][0].permute(1, 2, 0).clamp(0, 1)
    # A sign may fall on either side of nothing in another engine.
    assert np.median(np.abs(expected.numpy() * 255 - repaired)) < 1
    with pytest.raises(TrainingError, match="no residual network's"):
        build_residual(folder, {}, data=tmp_path, cache=tmp_path)
    before = contents(folder)
    with full_disk(1_000), pytest.raises(OSError, match="could not be written"):
        build_residual(folder, network.state_dict(), data=tmp_path, cache=tmp_path)
    assert contents(folder) == before
    remove_residual(folder)
    assert load_profile(str(folder)).graphs_hash == bare.graphs_hash
    assert not (folder / "residual.npz").exists()
