"""Eigenfunctions of two diffusions on the line, and the sets of their products on a table.

The generator ``L`` of a diffusion has eigenfunctions with ``E[phi_n(X_t) | X_0] = exp(lambda_n t)
phi_n(X_0)``: their expectation at any time is known from the data alone, without simulating
anything. :class:`HermiteFunctions` belong to the Ornstein-Uhlenbeck process
``dX = -X dt + sqrt(2) dW``, :class:`CosineFunctions` to Brownian motion ``dX = sqrt(2) dW`` on
``[0, pi]`` with reflecting walls. Columns diffuse independently, so that the eigenfunctions of a
whole row are products of these, told apart by one index for each column: :func:`index_set`.

In variance-exploding currency a column with noise level `noise`, in units of its own scale, has
reached the time ``time(noise)``, and ``shrink(t)`` is the factor between the two.
"""

import math
from itertools import product
from typing import Self

import torch
from torch import Tensor

BASES = ("product", "total_degree")
MAX_FUNCTIONS = 1500


class Eigenfunctions:
    """Orthonormal eigenfunctions ``1, phi_1, ..., phi_degree`` of a diffusion on the line."""

    power: int
    """The total degree of an index is the sum of this power of its entries."""
    pull: float
    """Rate at which the process pulls its rows to the centre."""

    def __init__(self, degree: int):
        if degree < 1:
            raise ValueError(f"degree must be at least 1, got {degree!r}.")
        self.degree = int(degree)
        self.numbers = torch.arange(self.degree + 1, dtype=torch.float64)
        self.eigenvalues = -(self.numbers**self.power)

    def decay(self, t: Tensor) -> Tensor:
        """Return the factors ``exp(lambda_n t)`` by which expectations shrink."""
        return torch.exp(t.unsqueeze(-1) * self.eigenvalues.to(t))

    def shrink(self, t: Tensor) -> Tensor:
        """Return the factor by which the process has pulled its rows to the centre."""
        return torch.exp(-self.pull * t)

    def stationary_score(self, z: Tensor) -> Tensor:
        """Return the derivative of the stationary log-density."""
        return -self.pull * z

    def doubled(self) -> Self:
        """Return the family up to twice the degree, which the products need."""
        return type(self)(2 * self.degree)


class HermiteFunctions(Eigenfunctions):
    """Normalised Hermite polynomials, eigenfunctions of the Ornstein-Uhlenbeck process."""

    power, pull = 1, 1.0

    def evaluate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the functions and their derivatives."""
        values = [torch.ones_like(z), z]
        for n in range(1, self.degree):
            values.append((z * values[n] - math.sqrt(n) * values[n - 1]) / math.sqrt(n + 1))
        stacked = torch.stack(values, dim=-1)
        return stacked, self.numbers.sqrt().to(z) * stacked.roll(1, dims=-1)

    def linearisation(self) -> tuple[Tensor, Tensor]:
        """Return the products of two functions, and of two derivatives, as sums of functions."""
        size = self.degree + 1
        values = torch.zeros(size, size, 2 * self.degree + 1, dtype=torch.float64)
        for a, b in product(range(size), repeat=2):
            for r in range(min(a, b) + 1):
                top = math.factorial(a) * math.factorial(b) * math.factorial(a + b - 2 * r)
                bottom = math.factorial(r) * math.factorial(a - r) * math.factorial(b - r)
                values[a, b, a + b - 2 * r] = math.sqrt(top) / bottom
        derivatives = torch.zeros_like(values)
        n = self.numbers[1:]
        derivatives[1:, 1:] = torch.outer(n, n).sqrt().unsqueeze(-1) * values[:-1, :-1]
        return values, derivatives

    def time(self, noise: Tensor) -> Tensor:
        """Return the time that corresponds to a noise level."""
        return 0.5 * torch.log1p(noise**2)


class CosineFunctions(Eigenfunctions):
    """Cosines, eigenfunctions of Brownian motion on ``[0, pi]`` with reflecting walls."""

    power, pull = 2, 0.0

    @property
    def scales(self) -> Tensor:
        """Factors of the cosines, whose mean squares are one half but for the constant."""
        return torch.where(self.numbers > 0, 2.0, 1.0).double().sqrt()

    def evaluate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        n, scales = self.numbers.to(z), self.scales.to(z)
        angles = z.unsqueeze(-1) * n
        return scales * angles.cos(), -n * scales * angles.sin()

    def linearisation(self) -> tuple[Tensor, Tensor]:
        n = torch.arange(self.degree + 1)
        below, above = torch.diag(0.5 / self.doubled().scales)[
            torch.stack([(n[:, None] - n).abs(), n[:, None] + n])
        ]
        products = torch.outer(self.scales, self.scales).unsqueeze(-1)
        slopes = torch.outer(n, n).unsqueeze(-1) * products
        return products * (below + above), slopes * (below - above)

    def time(self, noise: Tensor) -> Tensor:
        return 0.5 * noise**2


Family = HermiteFunctions | CosineFunctions

# The eigenfunctions of each process
FAMILIES: dict[str, type[Family]] = {"ou": HermiteFunctions, "reflected_bm": CosineFunctions}


def index_set(degree: int, n_features: int, *, power: int = 1) -> Tensor:
    """Return the indices of products of functions up to a total degree, without the constant."""
    numbers = torch.arange(degree + 1)
    indices = torch.zeros(1, 0, dtype=torch.long)
    for _ in range(n_features):
        grown = indices.repeat_interleave(degree + 1, dim=0)
        indices = torch.cat([grown, numbers.repeat(len(indices)).unsqueeze(1)], dim=1)
        indices = indices[(indices**power).sum(1) <= degree**power]
        if len(indices) - 1 > MAX_FUNCTIONS:
            raise ValueError(
                f"Degree {degree} in {n_features} columns has more than {MAX_FUNCTIONS} functions: "
                "lower the degree."
            )
    return indices[1:]
