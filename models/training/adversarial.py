"""The GAN loss of the paper: a patch discriminator at one or two sizes, hinge loss, and feature matching.

Supplement A.2; the discriminator is that of SPADE [8] and pix2pixHD [14], its weights under spectral norm (A.3). One
scale judges 256-pixel pictures, two judge those of 512. Knows nothing of how a picture was drawn.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.paper.norm import add_spectral_norm

GAN_WEIGHT = 1.0  # supplement, equation 3
FEATURE_MATCHING_WEIGHT = 10.0  # beside the hinge's 1 (pix2pixHD, section 3.2); the paper names none
WIDTHS = (64, 128, 256, 512)  # of the discriminator's layers (pix2pixHD, SPADE)
CLOSE_WIDTHS = (32, 64, 128, 256)  # of one that sees small pictures of one thing alone
SLOPE = 0.2  # of its leaky ReLUs


class Judged(NamedTuple):
    """What one discriminator makes of a picture."""

    score: Tensor  # [B, 1, h, w] for each patch: positive where it looks real
    features: list[Tensor]  # of its inner layers


class PatchDiscriminator(nn.Module):
    """Picture [B, 3, S, S] in [0, 1] -> Judged: three steps down, patches of 70 pixels overlapping."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        inputs = 3
        for level, outputs in enumerate(widths):
            stride = 2 if level < len(widths) - 1 else 1
            layer: list[nn.Module] = [nn.Conv2d(inputs, outputs, 4, stride=stride, padding=2)]
            if level:  # colours are part of what is judged: the first layer keeps them
                layer.append(nn.InstanceNorm2d(outputs))
            self.layers.append(nn.Sequential(*layer, nn.LeakyReLU(SLOPE)))
            inputs = outputs
        self.score = nn.Conv2d(inputs, 1, 4, padding=2)
        add_spectral_norm(self)

    def forward(self, picture: Tensor) -> Judged:
        value, features = picture * 2 - 1, []
        for layer in self.layers:
            value = layer(value)
            features.append(value)
        return Judged(self.score(value), features)


class Discriminator(nn.Module):
    """Picture [B, 3, S, S] in [0, 1] -> one Judged for each scale, each of half the size of the one before."""

    def __init__(self, *, scales: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.judges = nn.ModuleList(PatchDiscriminator(widths) for _ in range(scales))

    def forward(self, picture: Tensor) -> list[Judged]:
        found = []
        for scale, judge in enumerate(self.judges):
            if scale:
                picture = functional.avg_pool2d(picture, 3, stride=2, padding=1, count_include_pad=False)
            found.append(judge(picture))
        return found


def scales_for(picture_size: int) -> int:
    """Return how many scales judge a picture: one up to 256 pixels, two above (supplement A.2)."""
    return 1 if picture_size <= 256 else 2


def discriminator_loss(real: list[Judged], drawn: list[Judged]) -> Tensor:
    """Return the hinge loss that the discriminator minimises, the mean over scales: 2 before it knows anything.

    `max(0, 1 - D(real)) + max(0, 1 + D(drawn))`; `drawn` must come from a detached picture.
    """
    losses = [
        functional.relu(1 - ours.score.float()).mean() + functional.relu(1 + theirs.score.float()).mean()
        for ours, theirs in zip(real, drawn, strict=True)
    ]
    return torch.stack(losses).mean()


def generator_loss(drawn: list[Judged]) -> Tensor:
    """Return what the generator minimises, `-D(drawn)`, the mean over scales."""
    return torch.stack([-judged.score.float().mean() for judged in drawn]).mean()


def feature_matching_loss(real: list[Judged], drawn: list[Judged]) -> Tensor:
    """Return the L1 distance of the discriminator's features of a drawn picture from the true one's.

    The mean over layers and scales; no gradient goes to the true picture's.
    """
    away = [
        (theirs.float() - ours.detach().float()).abs().mean()
        for one, other in zip(real, drawn, strict=True)
        for ours, theirs in zip(one.features, other.features, strict=True)
    ]
    return torch.stack(away).mean()


class Rival(nn.Module):
    """What a generator plays against: a discriminator for each view of a picture (the whole of it, close-ups).

    A step's three terms are minimised together: each reaches one side's weights only.
    """

    def __init__(self, judges: Sequence[Discriminator]) -> None:
        super().__init__()
        self.judges = nn.ModuleList(judges)

    def terms(self, real: list[Tensor], drawn: list[Tensor]) -> dict[str, Tensor]:
        """Return `gan` and `matching` for the generator and `discriminator` for this network.

        real, drawn: a batch [.., 3, s, s] in [0, 1] for each judge; `drawn` with its gradient.
        """
        self.requires_grad_(False)
        judged = [verdict for judge, view in zip(self.judges, drawn, strict=True) for verdict in judge(view)]
        self.requires_grad_(True)
        ours: list[Judged] = []
        theirs: list[Judged] = []
        for judge, true, view in zip(self.judges, real, drawn, strict=True):
            for verdict in judge(torch.cat([true, view.detach()])):
                halves = [value.chunk(2) for value in (verdict.score, *verdict.features)]
                (score, *features), (drawn_score, *drawn_features) = zip(*halves, strict=True)
                ours.append(Judged(score, features))
                theirs.append(Judged(drawn_score, drawn_features))
        return {
            "gan": generator_loss(judged),
            "matching": feature_matching_loss(ours, judged),
            "discriminator": discriminator_loss(ours, theirs),
        }


class Game:
    """A run file's weights of the game: `gan` and `matching`, from step `gan_from` on, rising over `gan_rise` steps.

    The discriminator learns from `gan_from` on at full weight, so that it knows something when it is heard.
    """

    def __init__(self, rival: Rival, settings: dict[str, Any]) -> None:
        self.rival = rival
        self.gan, self.matching = float(settings.get("gan", 0)), float(settings.get("matching", 0))
        self.first, self.rise = int(settings.get("gan_from", 0)), int(settings.get("gan_rise", 500))

    def terms(self, real: list[Tensor], drawn: list[Tensor], step: int) -> dict[str, Tensor]:
        """Return the weighted terms of a step; none before the game begins."""
        if step < self.first:
            return {}
        share = min(1.0, (step - self.first + 1) / max(1, self.rise))
        terms = self.rival.terms(real, drawn)
        return terms | {
            "gan": terms["gan"] * (self.gan * share),
            "matching": terms["matching"] * (self.matching * share),
        }


def has_game(settings: dict[str, Any]) -> bool:
    """Say whether a run file's stage trains a discriminator."""
    return float(settings.get("gan", 0)) > 0 or float(settings.get("matching", 0)) > 0
