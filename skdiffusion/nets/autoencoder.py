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
        self.net = nn.ModuleDict(
            {
                "encoder": _Bent(n_inputs, n_components, width, depth),
                "decoder": _Bent(n_components, n_inputs, width, depth),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstructions of rows (n, n_inputs)."""
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """Return the latent rows (n, n_components) of rows (n, n_inputs)."""
        latent: Tensor = self.net["encoder"](x)
        return latent

    def decode(self, z: Tensor) -> Tensor:
        """Return the rows (n, n_inputs) of latent ones (n, n_components)."""
        rows: Tensor = self.net["decoder"](z)
        return rows

    @torch.no_grad()
    def start_at_principal_components(self, x: Tensor) -> None:
        """Make the linear maps the leading principal components of centred rows."""
        encoder, decoder = (cast(_Bent, self.net[name]) for name in ("encoder", "decoder"))
        _, singular, directions = torch.linalg.svd(x, full_matrices=False)
        encoder.skip.weight.zero_()
        decoder.skip.weight.zero_()
        deviation = singular / max(1, len(x)) ** 0.5
        # directions in which rows do not differ have no component
        kept = int((deviation[: encoder.skip.out_features] > 1e-6 * deviation[0]).sum())
        encoder.skip.weight[:kept] = directions[:kept] / deviation[:kept, None]
        decoder.skip.weight[:, :kept] = directions[:kept].T * deviation[:kept]
        for bent in (encoder, decoder):
            bent.skip.bias.zero_()
            bent.last.weight.mul_(0.1)
            bent.last.bias.zero_()


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
