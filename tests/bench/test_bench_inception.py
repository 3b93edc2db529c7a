"""The Frechet distance against its formula, and the loading of its network from a file of the same kind."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg

from bench.errors import BenchError
from bench.metrics.inception import LENGTH, Inception, frechet_distance


class Colours(torch.nn.Module):
    """Takes and gives what Inception does: the mean of each colour, repeated."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, pictures: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        """Return [N, length]."""
        means = pictures.float().mean((2, 3)).mean(1, keepdim=True)
        return means.repeat(1, self.length) if return_features else means


def saved(folder: Path, length: int) -> Path:
    path = folder / "network.pt"
    torch.jit.script(Colours(length)).save(str(path))
    return path


def test_the_distance_is_the_formula_of_two_gaussians() -> None:
    generator = np.random.default_rng(5)
    first = generator.normal(0, 1, (400, 6)) @ generator.normal(0, 1, (6, 6))
    second = generator.normal(1, 2, (300, 6))
    covariances = [np.cov(part, rowvar=False) for part in (first, second)]
    shift = first.mean(0) - second.mean(0)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


def test_a_shift_of_one_in_every_dimension_is_as_far_as_there_are_dimensions() -> None:
    features = np.random.default_rng(1).normal(0, 1, (20, LENGTH))
    assert frechet_distance(features, features + 1) == pytest.approx(LENGTH, rel=1e-6)


def test_the_network_of_the_file_sees_the_pictures_bytes(tmp_path: Path) -> None:
    pictures = [np.full((32, 48, 3), value, np.uint8) for value in range(20)]
    features = Inception(saved(tmp_path, LENGTH)).embed(pictures)
    assert features.shape == (20, LENGTH)
    np.testing.assert_allclose(features[:, 0], range(20))


def test_another_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="not inception-2015"):
        Inception(tmp_path / "nothing.pt")
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(BenchError, match="not inception-2015"):
        Inception(tmp_path / "text.pt")
    with pytest.raises(BenchError, match="not 2048"):
        Inception(saved(tmp_path, 7)).embed([np.zeros((8, 8, 3), np.uint8)] * 2)
    with pytest.raises(BenchError, match="two pictures"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))
