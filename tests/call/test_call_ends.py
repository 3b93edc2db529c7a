"""What an end is made of: which engines `auto` may choose from."""

import importlib.util
import sys

import pytest

from call.ends import load_talker
from runtime import auto, cuda_cards
from runtime.engine import ENGINES, Graphs, load
from runtime.profile import Profile

pytestmark = [
    pytest.mark.usefixtures("profile_folder"),
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed"),
]


@pytest.fixture
def chosen_from(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """A machine with a card, on which nothing is remembered; what `auto` may choose from is noted."""
    names: set[str] = set()

    def choose(profile: Profile) -> Graphs:
        names.update(ENGINES)
        return load(profile, engine="openvino-f32")

    monkeypatch.setattr(cuda_cards, "list_cards", lambda: ["NVIDIA RTX A, CUDA 13000"])
    monkeypatch.setattr(auto, "recall", lambda profile: None)
    monkeypatch.setitem(ENGINES, "auto", choose)
    monkeypatch.delitem(ENGINES, "torch-cuda", raising=False)
    monkeypatch.delitem(sys.modules, "models.cuda", raising=False)
    return names


def test_where_there_is_a_card_auto_may_take_torch(chosen_from: set[str]) -> None:
    load_talker("laptop-256", "auto")
    assert {"openvino", "tensorrt", "torch-cuda"} <= chosen_from


def test_with_torch_alone_auto_takes_another(chosen_from: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "models.cuda", None)  # as where it lacks a package
    load_talker("laptop-256", "auto")
    assert {"openvino", "tensorrt"} <= chosen_from
    assert "torch-cuda" not in chosen_from
