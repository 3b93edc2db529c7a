"""The engine `auto` takes the fastest that runs, remembers it, and is not misled by what it remembers."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime import auto
from runtime.engine import ENGINES, EngineError, Graphs, load
from runtime.profile import Profile, load_profile

pytestmark = pytest.mark.usefixtures("profile_folder")

OPENVINO = ENGINES["openvino-f32"]


@pytest.fixture
def profile() -> Profile:
    return load_profile("laptop-256")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Engines of two speeds and one that does not run; which were loaded is noted."""
    monkeypatch.setattr(auto.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    speeds = {"slow": 5.0, "fast": 50.0}
    monkeypatch.setattr(auto, "frames_a_second", lambda graphs, size: speeds[graphs.engine])
    loaded: list[str] = []
    nothing: Any = None

    def engine(name: str) -> Callable[[Profile], Graphs]:
        def load_it(profile: Profile) -> Graphs:
            loaded.append(name)
            return Graphs(name, nothing, nothing, nothing, nothing, seen_size=256)

        return load_it

    def refuse(profile: Profile) -> Graphs:
        raise EngineError("There is no such card.")

    for name in set(ENGINES) - {auto.AUTO}:
        monkeypatch.delitem(ENGINES, name)
    for name in speeds:
        monkeypatch.setitem(ENGINES, name, engine(name))
    monkeypatch.setitem(ENGINES, "absent", refuse)
    return loaded


def test_a_real_engine_is_measured(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "MEASURED_S", 0.05)
    assert auto.frames_a_second(load(profile, engine="openvino-f32"), 256) > 0


def test_the_fastest_is_taken_and_the_next_call_does_not_measure(profile: Profile, asked: list[str]) -> None:
    assert load(profile, engine="auto").engine == "fast"
    assert sorted(asked) == ["fast", "fast", "slow"]  # each measured, one of them loaded
    asked.clear()
    assert load(profile, engine="auto").engine == "fast"
    assert asked == ["fast"]
    choice = auto.recall(profile)
    assert choice is not None
    assert choice.frames_a_second["absent"] is None


def test_with_another_card_or_driver_engines_are_measured_again(
    profile: Profile, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load(profile, engine="auto")
    for cards in (["NVIDIA RTX A, CUDA 12080"], ["NVIDIA RTX A, CUDA 13000"], ["NVIDIA RTX B, CUDA 13000"]):
        asked.clear()
        monkeypatch.setattr(auto, "list_cards", lambda cards=cards: cards)
        load(profile, engine="auto")
        assert "slow" in asked


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"KEY": 3}',
        '{"KEY": {"engine": "fast"}}',
        '{"KEY": {"engine": "auto", "frames_a_second": {"auto": 50.0}}}',
        '{"KEY": {"engine": "fast", "frames_a_second": {"fast": "quick"}}}',
        '{"KEY": {"engine": ["fast"], "frames_a_second": {"fast": 50.0}}}',
    ],
)
def test_a_damaged_file_is_measured_again(profile: Profile, asked: list[str], damage: str) -> None:
    path = auto.cache_path()
    path.parent.mkdir(parents=True)
    path.write_text(damage.replace("KEY", auto.key_of(profile)))
    assert load(profile, engine="auto").engine == "fast"
    assert "slow" in asked
    assert json.loads(path.read_text())[auto.key_of(profile)]["engine"] == "fast"


def test_what_cannot_be_written_leaves_nothing_in_the_cache(
    profile: Profile, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        raise OSError("The disk is full.")

    monkeypatch.setattr(os, "replace", fill)
    assert load(profile, engine="auto").engine == "fast"
    assert list(auto.cache_path().parent.iterdir()) == []


def test_an_engine_that_is_gone_is_replaced(
    profile: Profile, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load(profile, engine="auto")
    monkeypatch.delitem(ENGINES, "fast")
    assert load(profile, engine="auto").engine == "slow"


def test_where_openvino_does_not_load_another_engine_is_taken(
    profile: Profile, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "openvino-f32", OPENVINO)
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert load(profile, engine="auto").engine == "fast"


def test_without_any_engine_there_is_a_sentence(
    profile: Profile, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(ENGINES, "fast")
    monkeypatch.delitem(ENGINES, "slow")
    with pytest.raises(EngineError, match="No engine runs here"):
        load(profile, engine="auto")
