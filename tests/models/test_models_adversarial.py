"""The GAN loss: who gains from which step, scales, spectral norm."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from models.training.adversarial import (  # noqa: E402
    Discriminator,
    Game,
    Judged,
    PatchDiscriminator,
    Rival,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    scales_for,
)
from models.training.feed import prefetch  # noqa: E402
from models.training.loop import train  # noqa: E402
from models.training.picture import picture_stage  # noqa: E402
from tests.models.models_fakes import (  # noqa: E402
    SIDE,
    backbone,
    clips,
    filmed,
    level_face,
    portraits,
    tiny_profile,
)

WIDTHS = (8, 16, 16)


def pictures(seed: int, spread: float) -> "torch.Tensor":
    return (0.5 + spread * torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed))).clamp(
        0, 1
    )


def test_the_hinge_is_two_for_an_undecided_discriminator_and_nothing_for_a_sure_one() -> None:
    def judged(value: float) -> list[Judged]:
        return [Judged(torch.full((1, 1, 2, 2), value), [])]

    assert discriminator_loss(judged(0), judged(0)).item() == 2
    assert discriminator_loss(judged(1.5), judged(-3)).item() == 0
    assert discriminator_loss(judged(-1), judged(2)).item() == 5
    assert generator_loss(judged(-3)).item() == 3


def test_each_side_of_the_game_lowers_its_own_loss() -> None:
    torch.manual_seed(0)
    judge = Discriminator(scales=1, widths=WIDTHS)
    real, drawn = pictures(1, 0.05), pictures(2, 0.3).requires_grad_()
    optimiser = torch.optim.Adam(judge.parameters(), lr=5e-3, betas=(0.5, 0.999))
    told = []
    for _ in range(12):
        loss = discriminator_loss(judge(real), judge(drawn.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        told.append(loss.item())
    assert told[-1] < told[0] - 0.2
    judge.eval()
    painter = torch.optim.Adam([drawn], lr=1e-2)
    fooled = []
    for _ in range(8):
        loss = generator_loss(judge(drawn))
        painter.zero_grad()
        loss.backward()
        painter.step()
        fooled.append(loss.item())
    assert fooled[-1] < fooled[0]


def test_feature_matching_is_nothing_for_the_same_picture_and_pulls_only_the_drawn_one() -> None:
    judge = Discriminator(scales=2, widths=WIDTHS).eval()
    real, drawn = pictures(1, 0.1).requires_grad_(), pictures(2, 0.1).requires_grad_()
    assert feature_matching_loss(judge(real), judge(real)).item() == 0
    feature_matching_loss(judge(real), judge(drawn)).backward()
    assert real.grad is None
    assert drawn.grad.abs().sum() > 0


def test_a_second_scale_judges_larger_pictures_at_half_their_size() -> None:
    assert [scales_for(size) for size in (128, 256, 512)] == [1, 1, 2]
    one, other = Discriminator(scales=2, widths=WIDTHS)(torch.rand(1, 3, 32, 32))
    assert other.score.shape[-1] < one.score.shape[-1]
    assert len(one.features) == len(WIDTHS)


def test_the_discriminator_cannot_shout() -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(WIDTHS)
    with torch.no_grad():
        for layer in (judge.layers[0][0], judge.score):
            layer.parametrizations.weight.original.mul_(100)
        for _ in range(20):
            judge(torch.rand(1, 3, 32, 32))
    assert torch.linalg.matrix_norm(judge.score.weight.flatten(1), 2) < 1.1


def test_each_term_of_the_game_reaches_one_side_only() -> None:
    rival, drawn = Rival([Discriminator(scales=2, widths=WIDTHS)]), pictures(2, 0.2).requires_grad_()
    terms = rival.terms([pictures(1, 0.1)], [drawn])
    (terms["gan"] + terms["matching"]).backward(retain_graph=True)
    assert drawn.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in rival.parameters())
    drawn.grad = None
    terms["discriminator"].backward()
    assert drawn.grad is None
    assert all(weight.grad is not None for weight in rival.parameters())


def test_the_generator_hears_the_discriminator_little_by_little() -> None:
    torch.manual_seed(0)
    rival = Rival([Discriminator(scales=1, widths=WIDTHS)]).eval()
    game = Game(rival, {"gan": 0.5, "matching": 2.0, "gan_from": 10, "gan_rise": 4})
    real, drawn = [pictures(1, 0.1)], [pictures(2, 0.2)]
    assert game.terms(real, drawn, 9) == {}
    first, full, later = (game.terms(real, drawn, step) for step in (10, 13, 1000))
    whole = rival.terms(real, drawn)
    for name, weight in (("gan", 0.5), ("matching", 2.0)):
        assert first[name].item() == pytest.approx(0.25 * weight * whole[name].item(), rel=1e-4)
        assert full[name].item() == later[name].item() == pytest.approx(weight * whole[name].item(), rel=1e-4)
    assert first["discriminator"].item() == pytest.approx(whole["discriminator"].item())


SETTINGS: dict[str, Any] = {
    "heads": "teacher", "size": SIDE, "batch": 2, "scales": 1, "peak": 5.0, "pixels": 4.0, "perceptual": 1.0,
    "close": 0.7, "warp": 2.0, "gan": 0.1, "matching": 1.0, "gan_from": 1, "gan_rise": 3, "dropout": 0.5,
    "portraits": 0.5,
}  # fmt: skip


def play(folder: Path, weights: Path, *, until: int | None = None) -> list[dict[str, float]]:
    """Train the talking head against a discriminator for five steps; `until` stops it early."""
    torch.manual_seed(0)
    stage = picture_stage(
        tiny_profile(), clips=filmed(clips()), portraits=filmed(portraits()), level=level_face(),
        settings=SETTINGS, perceptual=weights, device=torch.device("cpu"),
    )  # fmt: skip
    seen: list[dict[str, float]] = []

    def losses(batch: Any, step: int) -> dict[str, Any]:
        terms = stage.losses(batch, step)
        seen.append({name: value.item() for name, value in terms.items()})
        return terms

    def feed(first: int) -> Iterator[Any]:
        for number, batch in enumerate(prefetch(stage.batches, seed=1, start=first), start=first):
            if number == until:
                raise KeyboardInterrupt
            yield batch

    with contextlib.suppress(KeyboardInterrupt):
        train(
            stage.network, losses, feed, rival=stage.rival,
            folder=folder, steps=5, batch=2, peak=1e-3, warm_up=2, every=1,
        )  # fmt: skip
    return seen


def test_a_stopped_game_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    weights = backbone(tmp_path / "backbone.pth")
    whole = play(tmp_path / "whole", weights)
    parts = [*play(tmp_path / "parts", weights, until=3), *play(tmp_path / "parts", weights)]
    assert len(whole) == 5
    assert whole[0].keys() == {"pixels", "perceptual", "close", "warp"}
    for ours, theirs in zip(parts, whole, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5)
