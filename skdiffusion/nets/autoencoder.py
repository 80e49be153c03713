"""A small autoencoder for rows, which starts as principal components."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["Autoencoder"]


class Autoencoder(nn.Module):
    """An encoder and a decoder, each a linear map plus a perceptron with smooth activations."""

    def __init__(self, n_inputs: int, n_components: int, *, width: int = 128, depth: int = 2):
        super().__init__()
        self.net = nn.ModuleList(
            [
                _Bent(n_inputs, n_components, width, depth),
                _Bent(n_components, n_inputs, width, depth),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstructions of rows (n, n_inputs)."""
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """Return the latent rows (n, n_components) of rows (n, n_inputs)."""
        latent: Tensor = self.net[0](x)
        return latent

    def decode(self, z: Tensor) -> Tensor:
        """Return the rows (n, n_inputs) of latent ones (n, n_components)."""
        rows: Tensor = self.net[1](z)
        return rows

    @torch.no_grad()
    def start_at_principal_components(self, x: Tensor) -> None:
        """Make the linear maps the leading principal components of centred rows."""
        maps = [cast(_Bent, bent) for bent in self.net]
        for bent in maps:
            for weights in (bent.skip.weight, bent.skip.bias, bent.last.bias):
                weights.zero_()
            bent.last.weight.mul_(0.1)
        to_latent, to_rows = (bent.skip.weight for bent in maps)
        _, singular, directions = torch.linalg.svd(x, full_matrices=False)
        deviation = singular / len(x) ** 0.5
        # directions in which rows do not differ have no component
        kept = int((deviation[: len(to_latent)] > 1e-6 * deviation[0]).sum())
        to_latent[:kept] = directions[:kept] / deviation[:kept, None]
        to_rows[:, :kept] = directions[:kept].T * deviation[:kept]


class _Bent(nn.Module):
    """A linear map plus a perceptron."""

    def __init__(self, n_inputs: int, n_outputs: int, width: int, depth: int):
        super().__init__()
        sizes = [n_inputs, *[width] * depth]
        layers: list[nn.Module] = []
        for size, next_size in pairwise(sizes):
            layers += [nn.Linear(size, next_size), nn.SiLU()]
        self.hidden = nn.Sequential(*layers)
        self.last = nn.Linear(sizes[-1], n_outputs)
        self.skip = nn.Linear(n_inputs, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        bent: Tensor = self.skip(x) + self.last(self.hidden(x))
        return bent
