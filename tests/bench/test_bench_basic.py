"""PSNR, SSIM and MS-SSIM against their definitions."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from bench.metrics.basic import PSNR_LIMIT, ms_ssim, psnr, ssim


def pictures(size: int = 192) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    first = generator.integers(0, 256, (size, size, 3)).astype(np.uint8)
    second = np.clip(first + generator.normal(0, 20, first.shape), 0, 255).astype(np.uint8)
    return first, second


def test_an_error_of_one_everywhere_is_48_decibels() -> None:
    grey = np.full((32, 32, 3), 100, np.uint8)
    assert psnr(grey, grey + 1) == pytest.approx(20 * np.log10(255), abs=1e-4)


def test_the_same_picture_is_perfect_but_not_infinite() -> None:
    first, _ = pictures()
    assert psnr(first, first) == PSNR_LIMIT
    assert ssim(first, first) == pytest.approx(1)
    assert ms_ssim(first, first) == pytest.approx(1)


def test_ssim_at_one_place_is_wangs_formula() -> None:
    first, second = (picture[:11, :11] for picture in pictures())
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line)[:, :, None] / line.sum() ** 2
    a, b = first.astype(float), second.astype(float)
    mean_a, mean_b = (window * a).sum((0, 1)), (window * b).sum((0, 1))
    variance_a, variance_b = (
        (window * a * a).sum((0, 1)) - mean_a**2,
        (window * b * b).sum((0, 1)) - mean_b**2,
    )
    covariance = (window * a * b).sum((0, 1)) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    assert ssim(first, second) == pytest.approx(float((luminance * structure).mean()), abs=1e-4)


def test_ms_ssim_agrees_with_torchmetrics() -> None:
    first, second = pictures()
    a, b = (torch.from_numpy(picture).permute(2, 0, 1)[None].float() for picture in (first, second))
    expected = multiscale_structural_similarity_index_measure(a, b, data_range=255.0)
    # torchmetrics mirrors the border, where we look only at places where the window fits.
    assert ms_ssim(first, second) == pytest.approx(float(expected), abs=0.01)


def test_pictures_that_do_not_fit_are_refused() -> None:
    first, second = pictures()
    with pytest.raises(ValueError, match="of one size"):
        psnr(first, second[:-2])
    with pytest.raises(ValueError, match="161"):
        ms_ssim(first[:160], second[:160])
