"""Gaussian components with low-rank covariances, after noise.

A component is ``N(x_i, S_i)`` with ``S_i = F_i F_i' + diag(floor_i)``, its floors one for all
columns or one for each. With ``N = diag(sigma ** 2)`` and ``D_i = diag(floor_i) + N``, the Woodbury
identity gives all that a denoiser needs:

- ``A_i = (S_i + N)^{-1} = D_i^{-1} - W_i W_i'`` with ``W_i = D_i^{-1} F_i L_i^{-T}`` and
  ``L_i L_i' = I + F_i' D_i^{-1} F_i``;
- the clean row given the noisy one ``y`` has mean ``x_i + R_i (y - x_i)``, with
  ``R_i = S_i A_i = g_i + G_i W_i'``, and covariance ``floor_i (1 - g_i) + G_i G_i'``, with
  ``g_i = floor_i D_i^{-1}`` and ``G_i = (1 - g_i) F_i L_i^{-T}``.

All of it holds for noise levels of zero (entries that are known) and of infinity (entries that are
not); the posterior is then the exact conditional law.
"""

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = ["Components", "DenseForm", "Form", "LowRankForm", "Woodbury", "noised_form"]

_LOG_2PI = math.log(2 * math.pi)
# above, the d x d matrices of all components would take most of the memory
_MAX_DENSE_COLUMNS = 32


class Components(NamedTuple):
    """Weighted Gaussians ``N(means, factors factors' + floors)``."""

    log_weights: Tensor  # (n,)
    means: Tensor  # (n, d)
    factors: Tensor  # (n, d, r)
    floors: Tensor  # (n, 1) or (n, d)

    def take(self, index: Tensor) -> "Components":
        """Return the components at `index`."""
        return Components(*(part[index] for part in self))


class Woodbury(NamedTuple):
    """The matrices of the module's docstring, of each component at one noise pattern."""

    inverse: Tensor  # (n, d), the diagonal of D^{-1}
    g: Tensor  # (n, d)
    W: Tensor  # (n, d, r)
    G: Tensor  # (n, d, r)
    log_peak: Tensor  # (n,), log weight plus log-density at the mean
    floor_part: Tensor  # (n, d), floor (1 - g)

    @classmethod
    def of(cls, components: Components, levels: Tensor) -> "Woodbury":
        """Factorise for the noise levels (d,), or (n, d) for one pattern per component."""
        floors, F = components.floors, components.factors
        D = floors + levels**2
        inverse = 1 / D
        g = floors * inverse
        lost = torch.where(torch.isfinite(D), levels**2 * inverse, 1.0)  # 1 - g, exact at 0
        scaled = inverse.unsqueeze(2) * F
        inner = F.mT @ scaled
        inner.diagonal(dim1=1, dim2=2).add_(1)
        L = torch.linalg.cholesky(inner)
        W = torch.linalg.solve_triangular(L, scaled.mT, upper=False).mT
        G = lost.unsqueeze(2) * torch.linalg.solve_triangular(L, F.mT, upper=False).mT
        # what is noised beyond measure says nothing: only the other entries have a density
        log_D = torch.where(torch.isfinite(D), D.log() + _LOG_2PI, 0.0).sum(1)
        log_det = log_D + 2 * L.diagonal(dim1=1, dim2=2).log().sum(1)
        floor_part = floors * lost
        return cls(inverse, g, W, G, components.log_weights - 0.5 * log_det, floor_part)

    @property
    def variances(self) -> Tensor:
        """The diagonal of each posterior covariance, of shape (n, d)."""
        return self.floor_part + (self.G**2).sum(2)


class Form(Protocol):
    """Components at one noise pattern: their weights given noisy rows, and weighted sums."""

    woodbury: Woodbury
    width: int  # numbers held for each pair of row and component

    def log_weights(self, y: Tensor) -> Tensor:
        """Return log joint densities of component and noisy row, of shape (m, n)."""
        ...

    def mean(self, share: Tensor, y: Tensor) -> Tensor:
        """Return the posterior means, averaged over components with weights (m, n)."""
        ...

    def score(self, share: Tensor, y: Tensor) -> Tensor:
        """Return the scores of the components, averaged."""
        ...

    def each_mean(self, y: Tensor) -> Tensor:
        """Return the posterior mean of every component, of shape (m, n, d)."""
        ...

    def each_score(self, y: Tensor) -> Tensor:
        """Return the score of every component, of shape (m, n, d)."""
        ...


class DenseForm:
    """Few columns: matrices ``A_i`` and ``R_i``, so that all sums are matrix products."""

    width = 1

    def __init__(self, components: Components, levels: Tensor):
        self.woodbury = wood = Woodbury.of(components, levels)
        means = components.means
        n, d = means.shape
        A = torch.diag_embed(wood.inverse) - wood.W @ wood.W.mT
        R = torch.diag_embed(wood.g) + wood.G @ wood.W.mT
        linear = (A @ means.unsqueeze(2)).squeeze(2)
        self.A, self.R = A.reshape(n, d * d), R.reshape(n, d * d)
        self.linear = linear
        self.offset = means - (R @ means.unsqueeze(2)).squeeze(2)
        i, j = torch.triu_indices(d, d, device=means.device)
        twice = torch.where(i == j, 0.5, 1.0).to(means)
        peak = wood.log_peak - 0.5 * (linear * means).sum(1)
        self.coefficients = torch.cat(
            [-twice * A[:, i, j], linear, peak.unsqueeze(1)], dim=1
        ).mT.contiguous()

    def log_weights(self, y: Tensor) -> Tensor:
        # products of slices, several times faster than of indexed columns
        squares = [y[:, k : k + 1] * y[:, k:] for k in range(y.shape[1])]
        return torch.cat([*squares, y, y.new_ones(len(y), 1)], dim=1) @ self.coefficients

    def mean(self, share: Tensor, y: Tensor) -> Tensor:
        return share @ self.offset + _apply(share @ self.R, y)

    def score(self, share: Tensor, y: Tensor) -> Tensor:
        return share @ self.linear - _apply(share @ self.A, y)

    def each_mean(self, y: Tensor) -> Tensor:
        return self.offset + self._each(self.R, y)

    def each_score(self, y: Tensor) -> Tensor:
        return self.linear - self._each(self.A, y)

    @staticmethod
    def _each(matrices: Tensor, y: Tensor) -> Tensor:
        (n, _), d = matrices.shape, y.shape[1]
        return (y @ matrices.reshape(n * d, d).mT).reshape(len(y), n, d)


class LowRankForm:
    """Many columns: only the factors, at the cost of ``r`` numbers per row and component."""

    def __init__(self, components: Components, levels: Tensor):
        self.woodbury = wood = Woodbury.of(components, levels)
        means = components.means
        n, d, r = wood.W.shape
        self.width = max(r, 1)
        self.offset = (1 - wood.g) * means
        self.linear = wood.inverse * means
        self.peak = wood.log_peak - 0.5 * (self.linear * means).sum(1)
        self.W = wood.W.permute(1, 0, 2).reshape(d, n * r)
        self.z0 = torch.einsum("nd,ndr->nr", means, wood.W)

    def log_weights(self, y: Tensor) -> Tensor:
        wood = self.woodbury
        log_weights = self.peak + y @ self.linear.mT - 0.5 * (y**2 @ wood.inverse.mT)
        return log_weights + 0.5 * (self._z(y) ** 2).sum(2)

    def mean(self, share: Tensor, y: Tensor) -> Tensor:
        return share @ self.offset + share @ self.woodbury.g * y + self._sum(share, y, "G")

    def score(self, share: Tensor, y: Tensor) -> Tensor:
        ahead = share @ self.linear - share @ self.woodbury.inverse * y
        return ahead + self._sum(share, y, "W")

    def each_mean(self, y: Tensor) -> Tensor:
        wood = self.woodbury
        turned = torch.einsum("mnr,ndr->mnd", self._z(y), wood.G)
        return self.offset + wood.g * y.unsqueeze(1) + turned

    def each_score(self, y: Tensor) -> Tensor:
        wood = self.woodbury
        turned = torch.einsum("mnr,ndr->mnd", self._z(y), wood.W)
        return self.linear - wood.inverse * y.unsqueeze(1) + turned

    def _z(self, y: Tensor) -> Tensor:
        """Return ``W_i' (y - x_i)``, of shape (m, n, r)."""
        return (y @ self.W).reshape(len(y), *self.z0.shape) - self.z0

    def _sum(self, share: Tensor, y: Tensor, name: str) -> Tensor:
        weighted = (share.unsqueeze(2) * self._z(y)).flatten(1)
        matrix: Tensor = getattr(self.woodbury, name)
        return weighted @ matrix.permute(0, 2, 1).reshape(-1, y.shape[1])


def noised_form(components: Components, levels: Tensor) -> Form:
    """Return the cheaper form of the components at the noise levels (d,)."""
    _, d, r = components.factors.shape
    dense = d <= _MAX_DENSE_COLUMNS and 2 * r >= d
    return DenseForm(components, levels) if dense else LowRankForm(components, levels)


def _apply(matrices: Tensor, y: Tensor) -> Tensor:
    """Multiply each row by its own matrix, given flattened."""
    m, d = y.shape
    return torch.bmm(matrices.reshape(m, d, d), y.unsqueeze(2)).squeeze(2)
