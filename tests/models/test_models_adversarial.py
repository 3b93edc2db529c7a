"""The GAN loss: who gains from which step, scales, spectral norm."""

import pytest

torch = pytest.importorskip("torch")

from models.training.adversarial import (  # noqa: E402
    Discriminator,
    Judged,
    PatchDiscriminator,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    scales_for,
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
