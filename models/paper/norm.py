"""Normalisation of the paper's networks: batch norm that spans all processes, spectral norm that training puts on.

torch's own `SyncBatchNorm` runs on GPUs only; this one runs wherever the processes can exchange sums, so that a
training on many machines can be checked on one CPU. In one process it is torch's batch norm, and its weights' names
are the same.
"""

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce  # the differentiable one
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

SETTLING_STEPS = 30  # of the power iteration, from where training left it


class BatchNorm(_BatchNorm):
    """Batch norm over [B, C, ...] of any number of dimensions, over the batches of all processes in training."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 3:
            raise ValueError(f"batch norm wants [B, C, ...] features, not {tuple(input.shape)}")

    def forward(self, features: Tensor) -> Tensor:
        """Normalise; each process may hold a batch of its own size."""
        together = self.training and distributed.is_available() and distributed.is_initialized()
        if not together or distributed.get_world_size() == 1:
            return super().forward(features)
        self._check_input_dim(features)
        values = features.float()
        over = [0, *range(2, values.dim())]
        shape = [1, -1, *[1] * (values.dim() - 2)]
        count = values.new_tensor([values.numel() / values.shape[1]])
        sums = all_reduce(torch.cat([values.sum(over), count]))
        total, mean = sums[-1].detach(), sums[:-1] / sums[-1].detach()
        # Two passes: the mean of squares minus the square of the mean loses its digits in single precision.
        centred = values - mean.view(shape)
        variance = all_reduce(centred.square().sum(over)) / total
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum or 0.1)
            self.running_var.lerp_(variance * total / (total - 1), self.momentum or 0.1)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale.view(shape) + self.bias.view(shape)).to(features.dtype)


class SpectralNorm(_SpectralNorm):
    """torch's, in full precision: a training's half precision would mix two types in one product."""

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            return super().forward(weight)


def add_spectral_norm(network: nn.Module) -> nn.Module:
    """Divide every convolution's weight by its largest singular value (Miyato et al., 2018); returns the network."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and not parametrize.is_parametrized(layer):
            parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))
    return network


def settle_spectral_norm(network: nn.Module) -> nn.Module:
    """Find the singular values anew, of weights that are an average and not a training's last; returns the network."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and parametrize.is_parametrized(layer):
            layer.train()
            for _ in range(SETTLING_STEPS):
                layer.weight  # noqa: B018  reading it takes a step of the power iteration
    return network


def fold_spectral_norm(network: nn.Module) -> nn.Module:
    """Leave the divided weights in their plain places, as they are shipped and exported; returns the network."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and parametrize.is_parametrized(layer):
            parametrize.remove_parametrizations(layer, "weight")
    return network
