"""The residual network: binary codes that train, corrections only where a code was sent."""

import pytest

torch = pytest.importorskip("torch")

from models.residual import CODE_CHANNELS, Residual, Sign, code_bits, keep  # noqa: E402


def test_a_code_is_binary_and_an_eighth_of_the_size() -> None:
    code = Residual().encoder(torch.rand(2, 3, 64, 64) * 2 - 1)
    assert code.signs.shape == (2, 32, 8, 8)
    assert code.significance.shape == (2, 1, 8, 8)
    assert set(code.signs.unique().tolist()) == {-1.0, 1.0}


def test_the_gradient_goes_straight_through_the_sign_where_it_is_not_saturated() -> None:
    value = torch.tensor([-2.0, -0.5, 0.0, 0.7, 3.0], requires_grad=True)
    sign = Sign.apply(value)
    assert sign.tolist() == [-1, -1, 1, 1, 1]
    (sign * torch.tensor([1.0, 2, 3, 4, 5])).sum().backward()
    assert value.grad.tolist() == [0, 2, 3, 4, 0]


def test_nothing_is_corrected_where_nothing_was_sent() -> None:
    residual = Residual()
    kept = torch.zeros(1, 1, 8, 8)
    kept[..., 2:4, 5] = 1
    with torch.no_grad():
        correction = residual.decoder(torch.ones(1, 32, 8, 8), kept)[0]
    assert correction[:, 16:32, 40:48].abs().max() > 0
    correction[:, 16:32, 40:48] = 0
    assert not correction.any()


def test_bits_are_counted_for_what_is_sent_and_can_be_saved_by_training() -> None:
    significance = torch.tensor([0.9, 0.2, 0.6, 0.1]).view(1, 1, 2, 2).requires_grad_()
    bits = code_bits(significance)
    assert bits.tolist() == [2 * CODE_CHANNELS + 4]
    bits.sum().backward()
    assert (significance.grad == CODE_CHANNELS).all()
    assert keep(significance).flatten().tolist() == [1, 0, 1, 0]


def test_a_hand_is_drawn_back_after_a_few_steps() -> None:
    torch.manual_seed(0)
    residual = Residual()
    redrawn = torch.full((1, 3, 32, 32), 0.4)
    picture = redrawn.clone()
    picture[:, 0, 8:24, 8:24], picture[:, 1:, 8:24, 8:24] = 0.9, 0.6
    optimiser = torch.optim.Adam(residual.parameters(), lr=1e-3)
    losses = []
    for _ in range(40):
        repaired, _ = residual(picture, redrawn)
        loss = (repaired - picture).abs()[..., 8:24, 8:24].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert all(p.grad is not None for p in residual.parameters())
