"""LPIPS against its authors' package, and as something to train or judge with."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.judge import PictureJudge
from bench.metrics.landmarks import Box
from bench.metrics.lpips import LPIPS

# What lpips 0.1.4 (net='squeeze', normalize=True) answers with these weights for `pair()`.
REFERENCE = [0.0139278, 0.0114033]


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    first, second = torch.rand(2, 2, 3, 64, 64)
    return first, (first + 0.3 * (second - 0.5)).clamp(0, 1)


def test_it_agrees_with_the_authors_package(backbones: Path) -> None:
    first, second = pair()
    assert LPIPS(backbones)(first, second).tolist() == pytest.approx(REFERENCE, abs=1e-6)


def test_its_gradient_is_finite_even_at_a_black_picture(backbones: Path) -> None:
    black = torch.zeros(1, 3, 64, 64, requires_grad=True)
    LPIPS(backbones)(black, pair()[0][:1]).sum().backward()
    assert black.grad is not None
    assert bool(black.grad.isfinite().all())
    assert float(black.grad.abs().sum()) > 0


def test_pictures_too_small_for_its_layers_are_refused(backbones: Path) -> None:
    with pytest.raises(ValueError, match="at least 32"):
        LPIPS(backbones)(torch.zeros(1, 3, 31, 64), torch.zeros(1, 3, 31, 64))


def test_missing_and_damaged_weights_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"squeezenet1_1\.pth"):
        LPIPS(tmp_path)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "squeezenet1_1.pth")
    torch.save({}, tmp_path / "lpips_squeeze_heads.pth")
    with pytest.raises(BenchError, match="do not fit"):
        LPIPS(tmp_path)


def test_batches_do_not_change_what_is_measured(backbones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.judge.LPIPS_BATCH_PIXELS", 4 * 64 * 64)
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 256, (2, 11, 64, 64, 3)).astype(np.uint8)
    judge = PictureJudge(backbones)
    many = judge.lpips(list(first), [list(second), [second[0]]])
    alone = judge.lpips([first[9]], [[second[9]], [second[0]]])
    assert many[:, 9] == pytest.approx(alone[:, 0], abs=1e-5)


def test_face_lpips_sees_only_the_face(backbones: Path) -> None:
    original = np.full((96, 96, 3), 128, np.uint8)
    outside, inside = original.copy(), original.copy()
    outside[:20, :20], inside[40:60, 40:60] = 255, 255
    row = PictureJudge(backbones).face_lpips([original], [Box(30, 30, 80, 80)], [[outside], [inside]])[:, 0]
    assert row[0] == pytest.approx(0, abs=1e-7)
    assert row[1] > 0.1
    assert np.isnan(PictureJudge(backbones).face_lpips([original], [None], [[inside]])).all()
