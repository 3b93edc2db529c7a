"""The judges' weights, where the data folder is there."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def backbones(data_folder: Path) -> Path:
    """The folder of the metric networks."""
    return data_folder / "backbones"
