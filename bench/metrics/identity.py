"""Identity distance by MobileFaceNet (Chen et al., "MobileFaceNets", 2018; the weights were trained on CASIA-WebFace
for research use, a metric here that never ships). It turns pictures with landmarks into unit vectors and compares
them; it does not know which picture was redrawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.metrics import landmarks
from bench.metrics.similarity import fit_similarity

WEIGHTS_FILE = "mobilefacenet.ckpt"

# These weights see faces of 112 rows and 96 columns (their last depthwise kernel is 7 x 6), not the square 112 x 112.
HEIGHT, WIDTH = 112, 96
LENGTH = 128

# Eye centres, nose tip and mouth corners of an aligned face, in pixels (the template of SphereFace, which they use).
TEMPLATE = np.array(
    ((30.2946, 51.6963), (65.5318, 51.5014), (48.0252, 71.7366), (33.5493, 92.3655), (62.7299, 92.2041)),
    np.float32,
)

# Expansion, output channels, repetitions and first stride of the bottlenecks (table 1 of the paper).
BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class Bottleneck(nn.Module):
    """Expand, filter by channel, project; added to its input where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.adds else y


class Filtered(nn.Module):
    """Convolution and batch normalisation, then PReLU unless the layer is linear."""

    def __init__(self, convolution: nn.Conv2d, *, linear: bool) -> None:
        super().__init__()
        self.conv = convolution
        self.bn = nn.BatchNorm2d(convolution.out_channels)
        self.prelu = nn.Identity() if linear else nn.PReLU(convolution.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.prelu(self.bn(self.conv(x)))
        return y


class MobileFaceNet(nn.Module):
    """Aligned faces [N, 3, 112, 96] in [-1, 1] to vectors [N, 128]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Filtered(nn.Conv2d(3, 64, 3, 2, 1, bias=False), linear=False)
        self.dw_conv1 = Filtered(nn.Conv2d(64, 64, 3, 1, 1, groups=64, bias=False), linear=False)
        blocks, channels = [], 64
        for expansion, outputs, repetitions, stride in BOTTLENECKS:
            for index in range(repetitions):
                step = stride if index == 0 else 1
                blocks.append(Bottleneck(channels, outputs, stride=step, expansion=expansion))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = Filtered(nn.Conv2d(128, 512, 1, bias=False), linear=False)
        self.linear7 = Filtered(nn.Conv2d(512, 512, (7, 6), groups=512, bias=False), linear=True)
        self.linear1 = Filtered(nn.Conv2d(512, 128, 1, bias=False), linear=True)

    def forward(self, faces: Tensor) -> Tensor:
        x = self.blocks(self.dw_conv1(self.conv1(faces)))
        x = self.linear1(self.linear7(self.conv2(x)))
        return x.flatten(1)


class Identity:
    """The face recogniser, loaded once."""

    def __init__(self, backbones: Path) -> None:
        """Load from the folder `backbones`; raise BenchError where the file is missing or does not fit."""
        path = backbones / WEIGHTS_FILE
        if not path.is_file():
            raise BenchError(f"Identity distance needs {path}, which is not there.")
        self._net = MobileFaceNet().eval().requires_grad_(False)
        try:
            self._net.load_state_dict(
                torch.load(path, map_location="cpu", weights_only=True)["net_state_dict"]
            )
        except (KeyError, RuntimeError) as error:
            raise BenchError(f"The weights in {path} do not fit MobileFaceNet: {error}") from error
        self._net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed(
        self, pictures: Sequence[npt.NDArray[np.uint8]], points: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.float32]:
        """Return unit vectors [N, LENGTH] of the faces in `pictures` (RGB) with OpenSeeFace's `points` [N, 66, 2 or 3].

        Of the face alone: the authors of the weights add its mirror image, at twice the time, which separated the
        people of every third clip of `val` no better.
        """
        if not pictures:
            return np.zeros((0, LENGTH), np.float32)
        faces = np.stack([align(picture, shape) for picture, shape in zip(pictures, points, strict=True)])
        batch = torch.from_numpy((faces.astype(np.float32) - 127.5) / 128).permute(0, 3, 1, 2)
        with torch.inference_mode():
            unit: npt.NDArray[np.float32] = nn.functional.normalize(self._net(batch), dim=1).numpy()
        return unit


def align(picture: npt.NDArray[np.uint8], points: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Return the face 112 x 96 x 3, its eyes, nose tip and mouth corners as near the template as a similarity gets."""
    shape = points[:, :2].astype(np.float32)
    five = np.stack(
        [
            shape[landmarks.RIGHT_EYE].mean(0),
            shape[landmarks.LEFT_EYE].mean(0),
            shape[landmarks.NOSE_TIP],
            shape[landmarks.MOUTH_CORNERS[0]],
            shape[landmarks.MOUTH_CORNERS[1]],
        ]
    )
    matrix = fit_similarity(five, TEMPLATE)
    warped = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, np.uint8)


def distance(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the cosine distances [N] (0 the same, about 1 unrelated) of unit vectors [N, D] or [1, D]."""
    return np.asarray(1 - (first.astype(np.float64) * second).sum(-1))


def pair_distances(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the distances [N (N - 1) / 2] of every two of the unit vectors [N, D]."""
    first, second = np.triu_indices(len(vectors), 1)
    return distance(vectors[first], vectors[second])
