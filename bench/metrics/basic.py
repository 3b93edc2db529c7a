"""PSNR, SSIM and MS-SSIM of single pictures, in numpy and OpenCV: what two pictures have in common pixel by pixel. It
knows nothing of faces or networks."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

# A redrawn picture never comes near this; identical ones would otherwise be infinitely good and spoil every mean.
PSNR_LIMIT = 60.0

# Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment", 2004: window and the two constants for 8 bits.
WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# Wang, Simoncelli and Bovik, "Multiscale Structural Similarity", 2003: the weight of each halving.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST_MS_SSIM = (WINDOW - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1


def psnr(first: Picture, second: Picture) -> float:
    """Return the peak signal-to-noise ratio of two pictures HxWx3 in dB, at most 60."""
    _same_shape(first, second)
    error = float(np.mean(np.square(first.astype(np.float32) - second.astype(np.float32))))
    return PSNR_LIMIT if error == 0 else min(PSNR_LIMIT, 10 * math.log10(255**2 / error))


def ssim(first: Picture, second: Picture) -> float:
    """Return the structural similarity of two pictures HxWx3 of at least 11 x 11: Gaussian window, mean over RGB and
    over the places where the window lies inside the picture; 1 means the same."""
    _same_shape(first, second)
    luminance, contrast = _similarity(first.astype(np.float32), second.astype(np.float32))
    return float((luminance * contrast).mean())


def ms_ssim(first: Picture, second: Picture) -> float:
    """Return SSIM over five scales of two pictures HxWx3; 1 means the same.

    Raises ValueError for pictures below 161 pixels, where the window does not fit the coarsest scale.
    """
    _same_shape(first, second)
    if min(first.shape[:2]) < SMALLEST_MS_SSIM:
        raise ValueError(f"MS-SSIM wants sides of at least {SMALLEST_MS_SSIM}, not {first.shape[:2]}.")
    a, b = first.astype(np.float32), second.astype(np.float32)
    product = np.ones(3)
    for scale, weight in enumerate(SCALE_WEIGHTS):
        luminance, contrast = _similarity(a, b)
        last = scale == len(SCALE_WEIGHTS) - 1
        mean = (luminance * contrast if last else contrast).mean((0, 1))
        # Structure may be opposite (negative), which a fractional power cannot take.
        product *= np.maximum(mean, 0) ** weight
        a, b = _halved(a), _halved(b)
    return float(product.mean())


def _similarity(
    a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = _blur(a * a) - mean_a * mean_a
    variance_b = _blur(b * b) - mean_b * mean_b
    covariance = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a * mean_a + mean_b * mean_b + C1)
    contrast = (2 * covariance + C2) / (variance_a + variance_b + C2)
    return np.asarray(luminance, np.float32), np.asarray(contrast, np.float32)


def _blur(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    edge = WINDOW // 2
    return np.asarray(cv2.GaussianBlur(x, (WINDOW, WINDOW), SIGMA)[edge:-edge, edge:-edge], np.float32)


def _halved(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    rows, columns = x.shape[0] // 2, x.shape[1] // 2
    return np.asarray(x[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, 3).mean((1, 3)), np.float32)


def _same_shape(first: Picture, second: Picture) -> None:
    if first.shape != second.shape or first.ndim != 3:
        raise ValueError(f"Two pictures HxWx3 of one size are wanted, not {first.shape} and {second.shape}.")
