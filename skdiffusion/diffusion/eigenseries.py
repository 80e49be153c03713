"""Score matching in the span of a diffusion's eigenfunctions, from means over the data alone.

The density of the diffusing rows relative to the stationary one is sought as the exponential of a
series, ``f = sum_a alpha_a phi_a``. With weights ``w_j`` of the columns, score matching minimises
``J = sum_j w_j E[(d_j f) ** 2 + 2 L_j f]`` over rows whose columns have diffused for times ``t_j``,
where ``L_j`` is the generator of column j: a quadratic form ``alpha' A alpha - 2 alpha' b`` with

``A[a, b] = sum_j w_j E[d_j phi_a d_j phi_b]`` and ``b[a] = -sum_j w_j lambda_{a_j} E[phi_a]``.

Products of eigenfunctions are sums of eigenfunctions, and those have expectations at any time from
their means over the data. The solution ``(A + ridge D)^{-1} b``, with ``D`` what ``A`` is under the
stationary distribution, is the projection of the noised data's own score on the span.

Columns are taken together in blocks, which do not mix: derivatives in different columns of a sum
over blocks have no product. One block of all columns is the joint basis; blocks of one column each
are the product basis, whose coefficients depend on one noise level and are tabulated over it.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.eigenfunctions import Eigenfunctions
from skdiffusion.diffusion.eigenproducts import (
    MAX_ELEMENTS,
    all_but_last,
    linearise,
    product_means,
    product_over_columns,
)
from skdiffusion.diffusion.patterns import noise_patterns

__all__ = ["EigenSeries"]

_MIN_RIDGE = 1e-12  # keeps the equations solvable where the data leave a direction open
_N_LEVELS = 160
_LEVEL_RANGE = (1e-3, 1e2)
_MAX_CACHED = 1024


def _solve(A: Tensor, b: Tensor, energies: Tensor, ridge: float) -> Tensor:
    """Return ``(A + ridge * diag(energies))^{-1} b``, scaled so that ridge bounds the condition."""
    scale = energies.rsqrt()
    scaled = scale.unsqueeze(-1) * A * scale.unsqueeze(-2)
    scaled = scaled + max(ridge, _MIN_RIDGE) * torch.eye(
        A.shape[-1], dtype=A.dtype, device=A.device
    )
    factor, failed = torch.linalg.cholesky_ex(scaled)
    if bool((failed > 0).any()):
        raise ValueError(
            f"The equations of degree this high cannot be solved with ridge={ridge!r}: rounding "
            "errors outweigh it. Raise the ridge or lower the degree."
        )
    return scale * torch.cholesky_solve((scale * b).unsqueeze(-1), factor).squeeze(-1)


class EigenSeries(nn.Module):
    """Series in products of functions, one for each block of columns."""

    indices: Tensor
    prefixes: Tensor
    prefix_of: Tensor
    products: Tensor
    means: Tensor
    first_means: Tensor
    levels: Tensor
    table: Tensor

    def __init__(self, functions: Eigenfunctions, indices: Tensor, rows: Tensor, ridge: float):
        super().__init__()
        self.functions, self.ridge = functions, ridge
        self._terms: tuple[Tensor, ...] | None
        self._terms, products = linearise(functions, indices)
        self._cache: dict[tuple[float, ...], Tensor] = {}
        self.register_buffer("indices", indices)
        self.register_buffer("products", products)
        for name, part in zip(("prefixes", "prefix_of"), all_but_last(indices), strict=True):
            self.register_buffer(name, part)
        means, first_means = self._means(rows)
        self.register_buffer("means", means)
        self.register_buffer("first_means", first_means)
        low, high = (math.log(level) for level in _LEVEL_RANGE)
        levels = torch.linspace(low, high, _N_LEVELS, dtype=torch.float64).to(rows.device)
        self.register_buffer("levels", levels)
        if self.tabulated:
            noise = levels.exp().unsqueeze(1).expand(-1, rows.shape[1])
            self.register_buffer("table", self._solved(noise))
        else:
            self._solved(rows.new_zeros(1, rows.shape[1]))  # the hardest to solve

    @property
    def tabulated(self) -> bool:
        """Whether a block is a single column, whose coefficients are kept in a table."""
        return self.indices.shape[1] == 1

    def coefficients(self, noise: Tensor) -> Tensor:
        """Return the coefficients (g, blocks, p) of the series at noise levels (g, d)."""
        if self.tabulated:
            return self._interpolated(noise)
        keys = [tuple(pattern) for pattern in noise.tolist()]
        known = {key: self._cache[key] for key in keys if key in self._cache}
        missing = [i for i, key in enumerate(keys) if key not in known]
        if missing:
            solved = self._solved(noise[missing])
            known.update(zip((keys[i] for i in missing), solved, strict=True))
            full = len(self._cache) + len(missing) > _MAX_CACHED
            self._cache = known if full else self._cache | known
        return torch.stack([known[key] for key in keys])

    def gradient(self, z: Tensor, noise: Tensor) -> Tensor:
        """Return the gradient of the series."""
        if self.tabulated:
            noise = noise.expand(1, z.shape[1]) if noise.dim() < 2 else noise.expand(-1, z.shape[1])
            slopes = self.functions.evaluate(z)[1]
            return (self._interpolated(noise) * slopes[..., 1:]).sum(-1)
        patterns, index = noise_patterns(z, noise)
        with torch.no_grad():
            alpha = self.coefficients(patterns)
            shape = (*alpha.shape[:2], len(self.prefixes), self.functions.degree + 1)
            table = alpha.new_zeros(shape)
            table[:, :, self.prefix_of, self.indices[:, -1]] = alpha
        size = max(1, MAX_ELEMENTS // table[0].numel())
        parts = zip(self._blocks(z).split(size), index.split(size), strict=True)
        return torch.cat([self._contract(part, table, of) for part, of in parts]).flatten(1)

    def objective(self, rows: Tensor, noise: Tensor) -> Tensor:
        """Return the score-matching loss of other rows, up to a constant."""
        pattern = noise.unsqueeze(0)
        A, b, _ = self._system(pattern, _column_weights(pattern), *self._means(rows))
        return _quadratic(A, 2 * b, self.coefficients(pattern))[0]

    def growth(self, rows: Tensor, noise: Tensor, rates: Tensor) -> Tensor:
        """Return how fast the series grows at other rows, on average over them."""
        clean = torch.zeros_like(noise[:1])
        A, b, _ = self._system(clean, rates.unsqueeze(0), *self._means(rows))
        return _quadratic(A, b, self.coefficients(noise))

    @property
    def linearised(self) -> tuple[Tensor, ...]:
        """Pairs (a, b) of functions with the terms of their products; made when first needed."""
        if self._terms is None or self._terms[0].device != self.means.device:
            self._terms = linearise(self.functions, self.indices)[0]
        return self._terms

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_terms": None, "_cache": {}}

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._terms, self._cache = None, {}
        return super()._apply(fn, recurse)

    def _blocks(self, values: Tensor) -> Tensor:
        """Take the columns, the last axis, apart into blocks."""
        return values.unflatten(-1, (-1, self.indices.shape[1]))

    def _means(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        doubled, blocks = self.functions.doubled(), self._blocks(rows)
        return (
            product_means(doubled, self.products, blocks),
            product_means(doubled, self.indices, blocks),
        )

    def _solved(self, noise: Tensor) -> Tensor:
        """Solve for the coefficients at noise levels (g, d)."""
        n_elements = len(self.means) * max(len(self.linearised[0]), len(self.indices) ** 2)
        solved = []
        for part in noise.split(max(1, MAX_ELEMENTS // n_elements)):
            system = self._system(part, _column_weights(part), self.means, self.first_means)
            solved.append(_solve(*system, self.ridge))
        return torch.cat(solved)

    def _interpolated(self, noise: Tensor) -> Tensor:
        position = (noise.clamp_min(_LEVEL_RANGE[0]).log() - self.levels[0]) / (
            self.levels[1] - self.levels[0]
        )
        position = position.clamp(0, _N_LEVELS - 1)
        below = position.floor().long().clamp_max(_N_LEVELS - 2)
        columns = torch.arange(noise.shape[1], device=noise.device)
        share = (position - below).unsqueeze(-1)
        alpha = torch.lerp(self.table[below, columns], self.table[below + 1, columns], share)
        # beyond the table only the means matter, which shrink at known rates
        beyond = self.functions.time(noise) - self.functions.time(self.levels[-1].exp())
        return alpha * self.functions.decay(beyond.clamp_min(0))[..., 1:]

    def _system(
        self, noise: Tensor, weights: Tensor, means: Tensor, first_means: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return A (g, blocks, p, p), and b and the stationary diagonal (g, blocks, p)."""
        family, n_functions = self.functions, len(self.indices)
        noise, weights = self._blocks(noise), self._blocks(weights)
        eigenvalues, norms = family.eigenvalues.to(noise), family.norms.to(noise)
        decay = family.doubled().decay(family.time(noise))
        noised = product_over_columns(decay, self.products) * means
        pair, term, coefficients, row, column = self.linearised
        values = (weights @ coefficients.T) * noised[..., term]
        packed = values.new_zeros(*values.shape[:2], len(row)).index_add_(2, pair, values)
        A = values.new_empty(*values.shape[:2], n_functions, n_functions)
        A[..., row, column] = packed
        A[..., column, row] = packed
        rates = -weights @ eigenvalues[self.indices].T
        b = rates * product_over_columns(decay, self.indices) * first_means
        return A, b, rates * norms[self.indices].prod(1)

    def _contract(self, z: Tensor, table: Tensor, index: Tensor) -> Tensor:
        """Return the gradient at blocks of rows, each with one of the coefficients of a table."""
        table = table if len(table) == 1 else table[index]
        values, slopes = self.functions.evaluate(z)
        last = torch.einsum("nbk,nbqk->nbq", values[:, :, -1], table)
        last_slope = torch.einsum("nbk,nbqk->nbq", slopes[:, :, -1], table)
        d = z.shape[2]
        first, first_slope = (
            [part[:, :, j, self.prefixes[:, j]] for j in range(d - 1)] for part in (values, slopes)
        )
        gradient = []
        for j in range(d):
            product = last_slope if j == d - 1 else last
            for k in range(d - 1):
                product = product * (first_slope[k] if k == j else first[k])
            gradient.append(product.sum(2))
        return torch.stack(gradient, dim=2)


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
