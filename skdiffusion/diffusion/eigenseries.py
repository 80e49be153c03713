"""Score matching in the span of a diffusion's eigenfunctions, from means over the data alone.

See ``docs/theory/operator.md`` for the equations ``alpha = (A + ridge D)^{-1} b`` of the
coefficients. With weights ``w_j`` of the columns, which have diffused for times of their own,

``A[a, b] = sum_j w_j E[d_j phi_a d_j phi_b]`` and ``b[a] = -sum_j w_j lambda_{a_j} E[phi_a]``.

Columns are taken together in blocks, which do not mix: derivatives in different columns of a sum
over blocks have no product. One block of all columns is the joint basis; blocks of one column each
are the product basis, whose coefficients depend on one noise level and are tabulated over it.
"""

import math
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from skdiffusion.diffusion.eigenfunctions import (
    all_but_last,
    cosines,
    decay,
    linearise,
    product_means,
    product_over_columns,
)
from skdiffusion.diffusion.patterns import noise_patterns

_N_LEVELS = 160
_LOW, _HIGH = math.log(1e-3), math.log(1e2)
_MAX_CACHED = 1024


class EigenSeries:
    """Series in products of functions, one for each block of columns."""

    def __init__(self, indices: Tensor, rows: Tensor, ridge: float):
        self.indices, self.ridge, self.degree = indices, ridge, int(indices.max())
        self.prefixes, self.prefix_of = all_but_last(indices)
        self._cache: dict[tuple[float, ...], Tensor] = {}
        # the functions themselves come last
        self.products = torch.cat([self._linearised[1], indices])
        self.means = self._means(rows)
        if self.tabulated:
            noise = torch.linspace(_LOW, _HIGH, _N_LEVELS, dtype=rows.dtype).exp().unsqueeze(1)
            self.table = self._solved(noise.expand(-1, rows.shape[1]))

    @property
    def tabulated(self) -> bool:
        """Whether a block is a single column, whose coefficients are kept in a table."""
        return self.indices.shape[1] == 1

    def coefficients(self, noise: Tensor) -> Tensor:
        """Return the coefficients (g, blocks, p) of the series at noise levels (g, d)."""
        if self.tabulated:
            return self._interpolated(noise)
        solved = []
        for pattern in noise.split(1):
            key = tuple(pattern[0].tolist())
            if key not in self._cache:
                if len(self._cache) >= _MAX_CACHED:
                    self._cache.clear()
                self._cache[key] = self._solved(pattern)
            solved.append(self._cache[key])
        return torch.cat(solved)

    def gradient(self, z: Tensor, noise: Tensor) -> Tensor:
        """Return the gradient of the series."""
        values, slopes = cosines(z, self.degree)
        if self.tabulated:
            noise = torch.atleast_2d(noise).expand(-1, z.shape[1])
            return (self._interpolated(noise) * slopes[..., 1:]).sum(-1)
        patterns, pattern_of = noise_patterns(z, noise)
        alpha = self.coefficients(patterns)[:, 0]
        table = alpha.new_zeros(len(alpha), len(self.prefixes), self.degree + 1)
        table[:, self.prefix_of, self.indices[:, -1]] = alpha
        table = table if len(table) == 1 else table[pattern_of]
        last, last_slope = (
            torch.einsum("nk,nqk->nq", part[:, -1], table) for part in (values, slopes)
        )
        first, first_slope = (
            [part[:, j, index] for j, index in enumerate(self.prefixes.T)]
            for part in (values, slopes)
        )
        gradient = [
            math.prod([*first[:j], slope, *first[j + 1 :]], start=last).sum(1)
            for j, slope in enumerate(first_slope)
        ]
        gradient.append(math.prod(first, start=last_slope).sum(1))
        return torch.stack(gradient, dim=1)

    def objective(self, rows: Tensor, noise: Tensor) -> Tensor:
        """Return the score-matching loss of other rows, up to a constant."""
        pattern = noise.unsqueeze(0)
        A, b, _ = self._system(pattern, _column_weights(pattern), self._means(rows))
        return _quadratic(A, 2 * b, self.coefficients(pattern))[0]

    def growth(self, rows: Tensor, noise: Tensor, rates: Tensor) -> Tensor:
        """Return how fast the series grows at other rows, on average over them."""
        clean = torch.zeros_like(noise[:1])
        A, b, _ = self._system(clean, rates.unsqueeze(0), self._means(rows))
        return _quadratic(A, b, self.coefficients(noise))

    def __getstate__(self) -> dict[str, Any]:
        # far larger than the rest, and soon made again
        kept = {name: value for name, value in vars(self).items() if name != "_linearised"}
        return kept | {"_cache": {}}

    @cached_property
    def _linearised(self) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        return linearise(self.indices)

    def _blocks(self, values: Tensor) -> Tensor:
        """Take the columns, the last axis, apart into blocks."""
        return values.unflatten(-1, (-1, self.indices.shape[1]))

    def _means(self, rows: Tensor) -> Tensor:
        return product_means(self.products, self._blocks(rows))

    def _solved(self, noise: Tensor) -> Tensor:
        """Solve for the coefficients at noise levels (g, d)."""
        A, b, energies = self._system(noise, _column_weights(noise), self.means)
        # scaled so that the ridge bounds the condition
        scale = energies.rsqrt()
        scaled = scale.unsqueeze(-1) * A * scale.unsqueeze(-2)
        factor = torch.linalg.cholesky(scaled + self.ridge * torch.eye(len(self.indices)).to(A))
        return scale * torch.cholesky_solve((scale * b).unsqueeze(-1), factor).squeeze(-1)

    def _interpolated(self, noise: Tensor) -> Tensor:
        share = (noise.log() - _LOW) / (_HIGH - _LOW)
        position = share.clamp(0, 1) * (_N_LEVELS - 1)
        below = position.floor().long().clamp_max(_N_LEVELS - 2)
        columns = torch.arange(noise.shape[1], device=noise.device)
        share = (position - below).unsqueeze(-1)
        # at the end of the table all means have shrunk to zero
        return torch.lerp(self.table[below, columns], self.table[below + 1, columns], share)

    def _system(
        self, noise: Tensor, weights: Tensor, means: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return A (g, blocks, p, p), and b and A's stationary diagonal (g, blocks, p)."""
        p = len(self.indices)
        noise, weights = self._blocks(noise), self._blocks(weights)
        noised = product_over_columns(decay(noise, 2 * self.degree), self.products) * means
        entry, term, coefficients = self._linearised[0]
        values = (weights @ coefficients.T) * noised[..., term]
        upper = values.new_zeros(*values.shape[:2], p * p).index_add_(2, entry, values)
        upper = upper.unflatten(2, (p, p))
        rates = weights @ (self.indices**2).to(noise).T
        return upper + upper.triu(1).mT, rates * noised[..., -p:], rates


def _quadratic(A: Tensor, b: Tensor, alpha: Tensor) -> Tensor:
    """Return ``alpha' A alpha - alpha' b`` of one system for each row of `alpha`, over blocks."""
    return torch.einsum("gbp,bpq,gbq->g", alpha, A[0], alpha) - torch.einsum(
        "gbp,bp->g", alpha, b[0]
    )


def _column_weights(noise: Tensor) -> Tensor:
    """Weights of the columns, ``noise ** 2`` saturating at one, relative to the largest."""
    share = noise**2 / (1 + noise**2)
    largest = share.amax(-1, keepdim=True)
    return torch.where(largest > 0, share / largest.clamp_min(1e-300), 1.0).clamp_min(1e-6)
