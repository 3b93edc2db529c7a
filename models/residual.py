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
SENT = 2.0  # logit of significance before training


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
        # Everything is sent at first; the count of bits takes it back.
        self.significance.bias = nn.Parameter(torch.tensor([SENT]))

    def values(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code before its signs are taken, and its significance."""
        features = self.body(residual)
        return self.code(features), torch.sigmoid(self.significance(features).float())

    def forward(self, residual: Tensor, *, explored: float = 0.0) -> Code:
        values, significance = self.values(residual)
        kept = keep(significance)
        return Code(Sign.apply(values), significance, explore(kept, explored) if explored else kept)


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

    def forward(self, picture: Tensor, redrawn: Tensor, *, explored: float = 0.0) -> tuple[Tensor, Code]:
        """Repair a redrawn picture [B, 3, S, S]; returns the repaired picture and its code.

        Training sends a share `explored` of the cells whatever their significance. The repaired picture may leave
        [0, 1] a little: clamped in training, a colour that overshoots never comes back.
        """
        code = self.encoder(picture - redrawn, explored=explored)
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


def keep(significance: Tensor) -> Tensor:
    """Return 1 where a code is sent and 0 elsewhere; the gradient is the significance's own (straight-through)."""
    hard = (significance > THRESHOLD).to(significance.dtype)
    return hard + significance - significance.detach()


def explore(kept: Tensor, share: float) -> Tensor:
    """Send a share of the other cells too: what is never sent can never be learned to be worth it.

    Only what is sent has a gradient, for only there it is known what the bits bring; counted everywhere, their cost
    would win long before the decoder can read them.
    """
    sent = (kept > THRESHOLD) | (torch.rand_like(kept) < share)
    return sent.to(kept.dtype) * (1 + kept - kept.detach())


def code_bits(kept: Tensor) -> Tensor:
    """Return the bits of each code before entropy coding [B], the map's own one bit a cell included; differentiable."""
    sent = kept.flatten(1)
    return sent.sum(1) * CODE_CHANNELS + sent.shape[1]
