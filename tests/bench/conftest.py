"""The judges' weights, where the data folder is there, and the rate-distortion bench without networks."""

from pathlib import Path

import pytest
from rd_fakes import able_setup, measure_few, stand_in

from bench.talk import Setup


@pytest.fixture(scope="session")
def backbones(data_folder: Path) -> Path:
    """The folder of the metric networks."""
    return data_folder / "backbones"


@pytest.fixture(scope="module")
def able() -> Setup:
    """The fake talker with tables that know prediction."""
    return able_setup()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, able: Setup) -> list[tuple[str, int | None]]:
    """Stand in for the networks, and note each point that is made."""
    return stand_in(monkeypatch, able)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure few rows."""
    measure_few(monkeypatch)
