"""Eigenfunctions of a diffusion on the line, and the sets of their products on a table.

The generator ``L`` of a diffusion has eigenfunctions with ``E[phi_n(X_t) | X_0] = exp(lambda_n t)
phi_n(X_0)``: their expectation at any time is known from the data alone, without simulating
anything. :class:`CosineFunctions` belong to Brownian motion ``dX = sqrt(2) dW`` on ``[0, pi]`` with
reflecting walls. Columns diffuse independently, so that the eigenfunctions of a whole row are
products of these, told apart by one index for each column: :func:`index_set`.

A column with noise level `noise`, in units of its own scale, has reached the time ``time(noise)``.
"""

from typing import Self

import torch
from torch import Tensor

BASES = ("product", "total_degree")
MAX_FUNCTIONS = 1500


class CosineFunctions:
    """Cosines, eigenfunctions of Brownian motion on ``[0, pi]`` with reflecting walls.

    Orthonormal under the uniform distribution, from the constant up to a degree.
    """

    def __init__(self, degree: int):
        if degree < 1:
            raise ValueError(f"degree must be at least 1, got {degree!r}.")
        self.degree = int(degree)
        self.numbers = torch.arange(self.degree + 1, dtype=torch.float64)
        self.eigenvalues = -(self.numbers**2)

    @property
    def scales(self) -> Tensor:
        """Factors of the cosines, whose mean squares are one half but for the constant."""
        return torch.where(self.numbers > 0, 2.0, 1.0).double().sqrt()

    def decay(self, t: Tensor) -> Tensor:
        """Return the factors ``exp(lambda_n t)`` by which expectations shrink."""
        return torch.exp(t.unsqueeze(-1) * self.eigenvalues.to(t))

    def doubled(self) -> Self:
        """Return the functions up to twice the degree, which the products need."""
        return type(self)(2 * self.degree)

    def evaluate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the functions and their derivatives."""
        n, scales = self.numbers.to(z), self.scales.to(z)
        angles = z.unsqueeze(-1) * n
        return scales * angles.cos(), -n * scales * angles.sin()

    def linearisation(self) -> tuple[Tensor, Tensor]:
        """Return the products of two functions, and of two derivatives, as sums of functions."""
        n = torch.arange(self.degree + 1)
        below, above = torch.diag(0.5 / self.doubled().scales)[
            torch.stack([(n[:, None] - n).abs(), n[:, None] + n])
        ]
        products = torch.outer(self.scales, self.scales).unsqueeze(-1)
        slopes = torch.outer(n, n).unsqueeze(-1) * products
        return products * (below + above), slopes * (below - above)

    def time(self, noise: Tensor) -> Tensor:
        """Return the time that corresponds to a noise level."""
        return 0.5 * noise**2


def index_set(degree: int, n_features: int) -> Tensor:
    """Return the indices of products that decay no faster than a degree, without the constant.

    Rates of decay add up over the columns, and are the squares of the indices.
    """
    numbers = torch.arange(degree + 1)
    indices = torch.zeros(1, 0, dtype=torch.long)
    for _ in range(n_features):
        grown = indices.repeat_interleave(degree + 1, dim=0)
        indices = torch.cat([grown, numbers.repeat(len(indices)).unsqueeze(1)], dim=1)
        indices = indices[(indices**2).sum(1) <= degree**2]
        if len(indices) - 1 > MAX_FUNCTIONS:
            raise ValueError(
                f"Degree {degree} in {n_features} columns has more than {MAX_FUNCTIONS} functions: "
                "lower the degree."
            )
    return indices[1:]
