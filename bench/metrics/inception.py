"""Frechet Inception distance (Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017): how far two sets of
pictures are apart as wholes. Its network is a file that the user names: it is defined by those weights and no others,
and they are not part of the judges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bench.errors import BenchError

Picture = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float64]

WEIGHTS_FILE = "inception-2015-12-05.pt"
LENGTH = 2048
BATCH = 16
MISSING = f"Inception's weights, which it is defined by, were not named: --inception {WEIGHTS_FILE}"


class Inception:
    """The network of 2015 as TorchScript, in the form in which it goes round with FID: it takes bytes [N, 3, H, W],
    scales them itself, and with `return_features` gives the last pooled layer."""

    def __init__(self, file: Path) -> None:
        """Load the network; raise BenchError where the file is none."""
        try:
            self._network = torch.jit.load(str(file), map_location="cpu").eval()
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise BenchError(
                f"{file} is not {WEIGHTS_FILE}, the TorchScript of Inception: {reason}."
            ) from None
        self._file = file

    def embed(self, pictures: Sequence[Picture]) -> Features:
        """Return features [N, 2048] of pictures HxWx3; raise BenchError where the file gives something else."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(pictures), BATCH):
                batch = torch.from_numpy(np.stack(pictures[start : start + BATCH])).permute(0, 3, 1, 2)
                try:
                    found.append(self._network(batch.contiguous(), return_features=True))
                except RuntimeError:
                    raise BenchError(f"{self._file} is a network, but not {WEIGHTS_FILE}.") from None
        features: Features = torch.cat(found).double().numpy()
        if features.ndim != 2 or features.shape[1] != LENGTH:
            raise BenchError(f"{self._file} gives {features.shape[1:]} numbers a picture, not {LENGTH}.")
        return features


def frechet_distance(first: Features, second: Features) -> float:
    """Return the squared Frechet distance of two Gaussians fitted to features [N, D] and [M, D], at least two each.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). With fewer samples than dimensions it is far too large, and is compared
    only between sets of equal size.
    """
    if min(len(first), len(second)) < 2:
        raise BenchError("A distance of sets takes two pictures of each at least.")
    shift = first.mean(0) - second.mean(0)
    # The square root's trace is the nuclear norm of the centred samples' product: no D x D matrix is needed.
    one, other = ((part - part.mean(0)) / np.sqrt(len(part) - 1) for part in (first, second))
    common = np.linalg.svd(one @ other.T, compute_uv=False).sum()
    return float(shift @ shift + np.square(one).sum() + np.square(other).sum() - 2 * common)
