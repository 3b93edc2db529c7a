"""The residual network: binary codes that train, corrections only where a code was sent; its stage and its graphs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models_fakes import SIDE, backbone, clips, filmed, level_face, tiny_profile  # noqa: E402

from models.large import talking_head  # noqa: E402
from models.residual import (  # noqa: E402
    CODE_CHANNELS,
    Residual,
    ResidualDecodeGraph,
    ResidualEncodeGraph,
    Sign,
    code_bits,
    explore,
    keep,
)
from models.training.loop import TrainingError  # noqa: E402
from models.training.occluders import paste_object  # noqa: E402
from models.training.residual import FaultBatches, fault_map, residual_stage  # noqa: E402
from models.training.stage import Stage  # noqa: E402

SETTINGS = {
    "name": "residual", "size": SIDE, "batch": 2, "pixels": 4.0, "perceptual": 1.0, "bits": 0.5, "bits_rise": 100,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from a second thread, and lose much where others want the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


def test_bits_are_counted_for_what_is_sent_and_can_be_saved_by_training() -> None:
    significance = torch.tensor([0.9, 0.2, 0.6, 0.1]).view(1, 1, 2, 2).requires_grad_()
    bits = code_bits(keep(significance))
    assert bits.tolist() == [2 * CODE_CHANNELS + 4]
    bits.sum().backward()
    assert (significance.grad == CODE_CHANNELS).all()
    assert keep(significance).flatten().tolist() == [1, 0, 1, 0]


def test_some_of_what_is_not_worth_sending_is_tried_and_only_what_is_sent_learns() -> None:
    torch.manual_seed(2)
    significance = torch.full((1, 1, 40, 40), 0.2).index_fill(2, torch.arange(10), 0.8).requires_grad_()
    kept = explore(keep(significance), 0.25)
    assert (kept[..., :10, :] == 1).all()
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert kept[..., 10:, :].mean().item() == pytest.approx(0.25, abs=0.05)
    code_bits(kept).sum().backward()
    assert torch.equal(significance.grad, kept.detach() * CODE_CHANNELS)


def test_a_hand_is_drawn_back_after_a_few_steps() -> None:
    torch.manual_seed(0)
    residual = Residual()
    redrawn = torch.full((1, 3, 32, 32), 0.4)
    picture = redrawn.clone()
    picture[:, 0, 8:24, 8:24], picture[:, 1:, 8:24, 8:24] = 0.9, 0.6
    optimiser = torch.optim.Adam(residual.parameters(), lr=1e-3)
    losses = []
    for _ in range(40):
        repaired, _ = residual(picture, redrawn)
        loss = (repaired - picture).abs()[..., 8:24, 8:24].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert all(p.grad is not None for p in residual.parameters())


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


def a_stage(folder: Path, **changes: Any) -> Stage:
    """The stage on footage that nobody filmed, over a generator that nobody trained."""
    torch.manual_seed(0)
    profile = tiny_profile()
    generator = talking_head(replace(profile, **changes)).state_dict()
    return residual_stage(
        profile,
        clips=filmed(clips()),
        level=level_face(),
        generator=generator,
        settings=SETTINGS,
        perceptual=backbone(folder / "squeezenet.pth"),
        device=torch.device("cpu"),
    )


def test_the_stage_repairs_the_generators_faults_and_leaves_the_generator_alone(tmp_path: Path) -> None:
    stage = a_stage(tmp_path)
    assert isinstance(stage.network, Residual)
    optimiser = torch.optim.Adam(stage.network.parameters(), lr=2e-3)
    batch = stage.batches(np.random.default_rng(3))
    totals, pixels = [], []
    assert stage.losses(batch, 0)["rate"] == 0
    assert stage.losses(batch, 100)["rate"] == stage.losses(batch, 1000)["rate"] > 0
    for step in range(25):
        losses = stage.losses(batch, step)
        assert set(losses) == {"pixels", "perceptual", "rate"}
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


def test_another_profiles_generator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no generator to repair"):
        a_stage(tmp_path, generator_width=24)
