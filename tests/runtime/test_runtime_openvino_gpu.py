"""Drawing on an Intel GPU: what is compiled for which device, what a machine without one is told, and, where there is
one, what it draws."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtime import auto, engine
from runtime.engine import EngineError, load, openvino_devices
from runtime.profile import load_profile
from runtime.talker import Talker

pytestmark = pytest.mark.usefixtures("profile_folder")


class StandIn:
    """An OpenVINO that has these devices, and notes what it compiles for which of them."""

    def __init__(self, devices: list[str]) -> None:
        self.available_devices = devices
        self.compiled: list[tuple[str, str, dict[str, Any]]] = []

    def set_property(self, settings: dict[str, str]) -> None:
        """Caches nothing."""

    def get_property(self, device: str, name: str) -> list[str]:
        return ["FP32", "INT8"]

    def compile_model(self, path: Path, device: str, settings: dict[str, Any]) -> SimpleNamespace:
        self.compiled.append((path.name, device, settings))
        return SimpleNamespace(inputs=[], outputs=[], create_infer_request=lambda: None)


def has(monkeypatch: pytest.MonkeyPatch, *devices: str) -> StandIn:
    """Let OpenVINO have these devices."""
    core = StandIn(list(devices))
    monkeypatch.setattr(engine, "_bare_core", lambda: core)
    return core


def test_a_machine_without_one_is_told_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    core = has(monkeypatch, "CPU", "NPU")
    with pytest.raises(EngineError, match=r"^OpenVINO finds no GPU here: .*driver"):
        load(load_profile("laptop-256"), engine="openvino-gpu")
    assert not core.compiled


@pytest.mark.parametrize("devices", [("CPU", "GPU"), ("CPU", "GPU.0", "GPU.1")])
def test_it_draws_in_float32_and_the_cpu_sees(
    monkeypatch: pytest.MonkeyPatch, devices: tuple[str, ...]
) -> None:
    core = has(monkeypatch, *devices)
    graphs = load(load_profile("laptop-256"), engine="openvino-gpu")
    assert graphs.engine == "openvino-gpu"
    on_gpu = [(name, settings) for name, device, settings in core.compiled if device == "GPU"]
    assert [name for name, _ in on_gpu] == ["frame.onnx"]
    # What only processors know would be refused.
    assert on_gpu[0][1].keys() == {"INFERENCE_PRECISION_HINT", "NUM_STREAMS"}
    assert on_gpu[0][1]["INFERENCE_PRECISION_HINT"] == "f32"
    assert ("motion.int8.xml", "CPU") in [(name, device) for name, device, _ in core.compiled]


def test_auto_measures_again_once_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = load_profile("laptop-256")
    has(monkeypatch, "CPU")
    before = auto.key_of(profile)
    has(monkeypatch, "CPU", "GPU")
    assert auto.key_of(profile) != before


@pytest.mark.gpu
def test_it_draws_what_the_cpu_draws() -> None:
    if not any(device.startswith("GPU") for device in openvino_devices()):
        pytest.skip("OpenVINO finds no GPU here")
    profile = load_profile("laptop-256")
    picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    drawn = []
    for name in ("openvino-gpu", "openvino-f32"):
        talker = Talker(load(profile, engine=name), picture_size=256)
        source = talker.prepare(picture)
        drawn.append(talker.draw(source, source.rotation, source.translation, source.expression))
    assert np.abs(drawn[0].astype(int) - drawn[1]).max() <= 2
