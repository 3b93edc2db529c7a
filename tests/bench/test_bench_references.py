"""PSNR and SSIM against scikit-image."""

import cv2
import numpy as np
import pytest
from skimage import metrics

from bench.metrics.basic import psnr, ssim


@pytest.mark.parametrize("seed", range(3))
def test_psnr_and_ssim_agree_with_scikit_image(seed: int) -> None:
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (12, 16, 3)).astype(np.uint8)
    first = cv2.resize(small, (160, 120), interpolation=cv2.INTER_CUBIC)
    second = np.clip(
        cv2.GaussianBlur(first, (0, 0), 1 + seed) + generator.normal(0, 6, first.shape), 0, 255
    ).astype(np.uint8)
    assert psnr(first, second) == pytest.approx(
        metrics.peak_signal_noise_ratio(first, second, data_range=255), abs=1e-4
    )
    expected = metrics.structural_similarity(
        first,
        second,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert ssim(first, second) == pytest.approx(expected, abs=1e-4)
