"""The residual network: picture minus redrawn picture -> binary code -> correction (supplement C.3; Tsai et al., 2018).

For what the source picture never showed: a hand, a cup, the other side of the head. A significance map keeps the code
to where the picture is wrong. Knows nothing of how the code is packed into bytes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

CODE_CHANNELS, DECODER_CHANNELS = 32, 128  # supplement C.3
CELL = 8  # pixels of a code's cell: three steps down
THRESHOLD = 0.5  # of significance
GAIN = 8.0  # of the residual, so that the code's values are about one, where the sign's gradient passes


class Code(NamedTuple):
    """A residual's code."""

    signs: Tensor  # [B, 32, S/8, S/8] each -1 or 1
    significance: Tensor  # [B, 1, S/8, S/8] in [0, 1]; what is above a half is sent
    kept: Tensor  # [B, 1, S/8, S/8] 1 where the signs are sent and 0 elsewhere


class Sign(torch.autograd.Function):
    """-1 or 1; its gradient is the identity's within [-1, 1] and zero outside (straight-through, saturating)."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, value: Tensor) -> Tensor:
        ctx.save_for_backward(value)
        return torch.where(value >= 0, 1.0, -1.0).to(value.dtype)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> Tensor:
        (value,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0] * (value.abs() <= 1)


class ResidualEncoder(nn.Module):
    """Residual [B, 3, S, S] in [-1, 1] -> Code: three 3x3 convolutions of stride 2, 32 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, CODE_CHANNELS, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(CODE_CHANNELS, CODE_CHANNELS, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.code = nn.Conv2d(CODE_CHANNELS, CODE_CHANNELS, 3, stride=2, padding=1)
        self.significance = nn.Conv2d(CODE_CHANNELS, 1, 3, stride=2, padding=1)
        # With biases of chance a small residual would have the same signs wherever it is, and never learn others.
        for layer in (self.body[0], self.body[2], self.code):
            assert isinstance(layer, nn.Conv2d)
            layer.bias = nn.Parameter(torch.zeros(CODE_CHANNELS))

    def values(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code before its signs are taken, and its significance."""
        features = self.body(residual * GAIN)
        return self.code(features), torch.sigmoid(self.significance(features).float())

    def forward(self, residual: Tensor, *, whole: float = 0.0) -> Code:
        values, significance = self.values(residual)
        return Code(Sign.apply(values), significance, sent_cells(significance, whole=whole))


class ResidualDecoder(nn.Module):
    """Code -> correction [B, 3, S, S]: three convolutions of 128 filters, each shuffled to twice the size."""

    def __init__(self) -> None:
        super().__init__()
        shuffled = DECODER_CHANNELS // 4
        blocks: list[nn.Module] = []
        for inputs in (CODE_CHANNELS, shuffled, shuffled):
            blocks += [
                nn.Conv2d(inputs, DECODER_CHANNELS, 3, padding=1),
                nn.LeakyReLU(0.2, inplace=True),
                nn.PixelShuffle(2),
            ]
        self.body = nn.Sequential(*blocks)
        self.leave = nn.Conv2d(shuffled, 3, 3, padding=1)
        with torch.no_grad():  # starts by correcting little
            for number in self.leave.parameters():
                number.mul_(0.1)

    def forward(self, signs: Tensor, kept: Tensor) -> Tensor:
        """Return the correction; where nothing was kept (`kept` [B, 1, S/8, S/8] of 0 and 1) it is zero."""
        gate = functional.interpolate(kept, scale_factor=float(CELL), mode="nearest")
        return self.leave(self.body(signs * kept)) * gate


class Residual(nn.Module):
    """Encoder and decoder together, as they are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ResidualEncoder()
        self.decoder = ResidualDecoder()

    def forward(self, picture: Tensor, redrawn: Tensor, *, whole: float = 0.0) -> tuple[Tensor, Code]:
        """Repair a redrawn picture [B, 3, S, S]; returns the repaired picture and its code.

        Training sends a share `whole` of the pictures whatever their cells' significance. The repaired picture may
        leave [0, 1] a little: clamped in training, a colour that overshoots never comes back.
        """
        code = self.encoder(picture - redrawn, whole=whole)
        return redrawn + self.decoder(code.signs, code.kept), code


class ResidualEncodeGraph(nn.Module):
    """Picture minus redrawn picture [1, 3, S, S] -> signs [1, 32, S/8, S/8] and significance [1, 1, S/8, S/8]."""

    inputs, outputs = ("difference",), ("signs", "significance")

    def __init__(self, residual: Residual) -> None:
        super().__init__()
        self.encoder = residual.encoder

    def forward(self, difference: Tensor) -> tuple[Tensor, Tensor]:
        # The sign with a gradient is a function of torch's own that no exported graph can hold.
        values, significance = self.encoder.values(difference)
        return torch.where(values >= 0, 1.0, -1.0), significance


class ResidualDecodeGraph(nn.Module):
    """Signs and what of them was sent, `kept` [1, 1, S/8, S/8] of 0 and 1 -> correction [1, 3, S, S]."""

    inputs, outputs = ("signs", "kept"), ("correction",)

    def __init__(self, residual: Residual) -> None:
        super().__init__()
        self.decoder = residual.decoder

    def forward(self, signs: Tensor, kept: Tensor) -> Tensor:
        return self.decoder(signs, kept)


def sent_cells(significance: Tensor, *, whole: float = 0.0) -> Tensor:
    """Return 1 where a code is sent and 0 elsewhere: what is significant, and all of a share `whole` of the pictures.

    There is no gradient: whether a cell is worth its bits is seen when it is sent (`models.training.residual`).
    """
    sent = significance > THRESHOLD
    if whole:
        sent = sent | (torch.rand_like(significance[:, :1, :1, :1]) < whole)
    return sent.to(significance.dtype)
