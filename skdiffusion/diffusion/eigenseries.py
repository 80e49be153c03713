"""Score matching in the span of a diffusion's eigenfunctions, from means over the data alone.

The law of the diffusing rows relative to the stationary one is sought as the exponential of a
series, ``f = sum_a alpha_a phi_a``. With weights ``w_j`` of the columns, score matching minimises
``J = sum_j w_j E[(d_j f) ** 2 + 2 L_j f]`` over rows whose columns have diffused for times ``t_j``,
where ``L_j`` is the generator of column j: a quadratic form ``alpha' A alpha - 2 alpha' b`` with

``A[a, b] = sum_j w_j E[d_j phi_a d_j phi_b]`` and ``b[a] = -sum_j w_j lambda_{a_j} E[phi_a]``.

Products of eigenfunctions are sums of eigenfunctions, and those have expectations at any time from
their means over the data. The solution ``(A + ridge D)^{-1} b``, with ``D`` what ``A`` is under the
stationary law, is the projection of the noised data's own score on the span.

:class:`ProductSeries` has a series for each column by itself, :class:`JointSeries` one series in
functions of whole rows.
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

__all__ = ["JointSeries", "ProductSeries"]

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


class ProductSeries(nn.Module):
    """One series for each column, as if the columns were independent."""

    levels: Tensor
    table: Tensor

    def __init__(self, functions: Eigenfunctions, rows: Tensor, ridge: float):
        super().__init__()
        self.functions, self.ridge = functions, ridge
        low, high = (math.log(level) for level in _LEVEL_RANGE)
        levels = torch.linspace(low, high, _N_LEVELS, dtype=torch.float64)
        self.register_buffer("levels", levels.to(rows.device))
        times = functions.time(self.levels.exp())
        table = [self._coefficients(functions.summarise(u), times) for u in rows.T]
        self.register_buffer("table", torch.stack(table))

    def gradient(self, z: Tensor, noise: Tensor) -> Tensor:
        """Return the gradient of the series."""
        noise = noise.expand(1, z.shape[1]) if noise.dim() < 2 else noise.expand(-1, z.shape[1])
        return (self._interpolate(noise) * self.functions.evaluate(z)[1][..., 1:]).sum(-1)

    def objective(self, rows: Tensor, noise: Tensor) -> Tensor:
        """Return the score-matching loss of other rows, up to a constant."""
        alpha, total = self._interpolate(noise.unsqueeze(0))[0], rows.new_zeros(())
        weights, times = _column_weights(noise), self.functions.time(noise)
        for j, u in enumerate(rows.T):
            A, b = self.functions.system(self.functions.summarise(u), times[j : j + 1])
            total = total + weights[j] * _quadratic(A[0], 2 * b[0], alpha[j : j + 1])[0]
        return total

    def growth(self, rows: Tensor, noise: Tensor, rates: Tensor) -> Tensor:
        """Return how fast the series grows at other rows, on average over them."""
        total = rows.new_zeros(len(noise))
        for alpha, u, rate in zip(self._interpolate(noise).unbind(1), rows.T, rates, strict=True):
            A, b = self.functions.system(self.functions.summarise(u), rows.new_zeros(1))
            total = total + rate * _quadratic(A[0], b[0], alpha)
        return total

    def _coefficients(self, summary: tuple[Tensor, ...], times: Tensor) -> Tensor:
        A, b = self.functions.system(summary, times)
        return _solve(A, b, self.functions.energies[1:].to(A), self.ridge)

    def _interpolate(self, noise: Tensor) -> Tensor:
        """Coefficients at these noise levels, of shape (n, d, degree)."""
        position = (noise.clamp_min(_LEVEL_RANGE[0]).log() - self.levels[0]) / (
            self.levels[1] - self.levels[0]
        )
        position = position.clamp(0, _N_LEVELS - 1)
        below = position.floor().long().clamp_max(_N_LEVELS - 2)
        columns = torch.arange(noise.shape[1], device=noise.device)
        share = (position - below).unsqueeze(-1)
        alpha = torch.lerp(self.table[columns, below], self.table[columns, below + 1], share)
        # beyond the table only the means matter, which shrink at known rates
        beyond = self.functions.time(noise) - self.functions.time(self.levels[-1].exp())
        return alpha * self.functions.decay(beyond.clamp_min(0))[..., 1:]


class JointSeries(nn.Module):
    """One series in products of functions of several columns."""

    indices: Tensor
    prefixes: Tensor
    prefix_of: Tensor
    products: Tensor
    first_means: Tensor
    means: Tensor

    def __init__(self, functions: Eigenfunctions, indices: Tensor, rows: Tensor, ridge: float):
        super().__init__()
        self.functions, self.ridge = functions, ridge
        self.register_buffer("indices", indices)
        prefixes, prefix_of = all_but_last(indices)
        self.register_buffer("prefixes", prefixes)
        self.register_buffer("prefix_of", prefix_of)
        self._cache: dict[tuple[float, ...], Tensor] = {}
        self._terms: tuple[Tensor, ...] | None
        self._terms, products = linearise(functions, indices)
        self.register_buffer("products", products)
        means, first_means = self._means(rows)
        self.register_buffer("means", means)
        self.register_buffer("first_means", first_means)
        self.coefficients(rows.new_zeros(1, rows.shape[1]))  # the hardest to solve

    def coefficients(self, noise: Tensor) -> Tensor:
        """Return the coefficients of the series."""
        keys = [tuple(pattern) for pattern in noise.tolist()]
        known = {key: self._cache[key] for key in keys if key in self._cache}
        missing = [i for i, key in enumerate(keys) if key not in known]
        if missing:
            size = max(1, MAX_ELEMENTS // max(len(self.linearised[0]), len(self.indices) ** 2))
            solved = torch.cat([self._solved(part) for part in noise[missing].split(size)])
            known.update(zip((keys[i] for i in missing), solved, strict=True))
            full = len(self._cache) + len(missing) > _MAX_CACHED
            self._cache = known if full else self._cache | known
        return torch.stack([known[key] for key in keys])

    def gradient(self, z: Tensor, patterns: Tensor, index: Tensor) -> Tensor:
        """Return the gradient of the series."""
        with torch.no_grad():
            alpha = self.coefficients(patterns)
            table = alpha.new_zeros(len(alpha), len(self.prefixes), self.functions.degree + 1)
            table[:, self.prefix_of, self.indices[:, -1]] = alpha
        size = max(1, MAX_ELEMENTS // table[0].numel())
        rows = zip(z.split(size), index.split(size), strict=True)
        return torch.cat([self._contract(part, table, of) for part, of in rows])

    def objective(self, rows: Tensor, noise: Tensor) -> Tensor:
        """Return the score-matching loss of other rows, up to a constant."""
        pattern = noise.unsqueeze(0)
        A, b, _ = self._system(pattern, _column_weights(pattern), *self._means(rows))
        return _quadratic(A[0], 2 * b[0], self.coefficients(pattern))[0]

    def growth(self, rows: Tensor, noise: Tensor, rates: Tensor) -> Tensor:
        """Return how fast the series grows at other rows, on average over them."""
        clean = torch.zeros_like(noise[:1])
        A, b, _ = self._system(clean, rates.unsqueeze(0), *self._means(rows))
        return _quadratic(A[0], b[0], self.coefficients(noise))

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

    def _means(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        doubled = self.functions.doubled()
        return product_means(doubled, self.products, rows), product_means(
            doubled, self.indices, rows
        )

    def _solved(self, noise: Tensor) -> Tensor:
        weights = _column_weights(noise)
        A, b, energies = self._system(noise, weights, self.means, self.first_means)
        return _solve(A, b, energies, self.ridge)

    def _system(
        self, noise: Tensor, weights: Tensor, means: Tensor, first_means: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return A of shape (g, p, p), and b and the stationary diagonal of shape (g, p)."""
        family, n_functions = self.functions, len(self.indices)
        eigenvalues, norms = family.eigenvalues.to(noise), family.norms.to(noise)
        decay = family.doubled().decay(family.time(noise))
        noised = product_over_columns(decay, self.products) * means
        pair, term, coefficients, row, column = self.linearised
        values = (weights @ coefficients.T) * noised[:, term]
        packed = values.new_zeros(len(noise), len(row)).index_add_(1, pair, values)
        A = values.new_empty(len(noise), n_functions, n_functions)
        A[:, row, column] = packed
        A[:, column, row] = packed
        rates = -weights @ eigenvalues[self.indices].T
        b = rates * product_over_columns(decay, self.indices) * first_means
        return A, b, rates * norms[self.indices].prod(1)

    def _contract(self, z: Tensor, table: Tensor, index: Tensor) -> Tensor:
        values, slopes = self.functions.evaluate(z)
        if len(table) == 1:
            last, last_slope = values[:, -1] @ table[0].T, slopes[:, -1] @ table[0].T
        else:
            last = torch.einsum("nk,nqk->nq", values[:, -1], table[index])
            last_slope = torch.einsum("nk,nqk->nq", slopes[:, -1], table[index])
        d = z.shape[1]
        first, first_slope = (
            [part[:, j, self.prefixes[:, j]] for j in range(d - 1)] for part in (values, slopes)
        )
        gradient = []
        for j in range(d):
            product = last_slope if j == d - 1 else last
            for k in range(d - 1):
                product = product * (first_slope[k] if k == j else first[k])
            gradient.append(product.sum(1))
        return torch.stack(gradient, dim=1)


def _quadratic(A: Tensor, b: Tensor, alpha: Tensor) -> Tensor:
    """Return ``alpha' A alpha - alpha' b`` for each row of `alpha`."""
    return (alpha @ A * alpha).sum(-1) - alpha @ b


def _column_weights(noise: Tensor) -> Tensor:
    """Weights of the columns, ``noise ** 2`` saturating at one, relative to the largest."""
    share = noise**2 / (1 + noise**2)
    largest = share.amax(-1, keepdim=True)
    return torch.where(largest > 0, share / largest.clamp_min(1e-300), 1.0).clamp_min(1e-6)
