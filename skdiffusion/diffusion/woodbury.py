"""Gaussian kernels with low-rank covariances and a floor, at one pattern of noise levels.

A kernel is ``N(x_i, S_i)`` with ``S_i = F_i F_i' + diag(floor_i)``, its floors one for all columns
or one for each. With ``N = diag(sigma ** 2)`` and ``D_i = diag(floor_i) + N``, the Woodbury
identity gives all that a denoiser needs:

- ``A_i = (S_i + N)^{-1} = D_i^{-1} - W_i W_i'`` with ``W_i = D_i^{-1} F_i L_i^{-T}`` and
  ``L_i L_i' = I + F_i' D_i^{-1} F_i``;
- the clean row given the noisy one ``y`` has mean ``x_i + R_i (y - x_i)``, with
  ``R_i = S_i A_i = g_i + G_i W_i'``, and covariance ``floor_i (1 - g_i) + G_i G_i'``, with
  ``g_i = floor_i D_i^{-1}`` and ``G_i = (1 - g_i) F_i L_i^{-T}``.

All of it holds for noise levels of zero (entries that are known) and of infinity (entries that are
not); the posterior is then the exact conditional distribution.
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from skdiffusion.diffusion.cholesky import stable_cholesky

# what can be averaged over the kernels: their posterior means, or their scores
Average = Literal["mean", "score"]

_LOG_2PI = math.log(2 * math.pi)
# above, the d x d matrices of all kernels would take most of the memory
_MAX_DENSE_COLUMNS = 32


class Kernels(NamedTuple):
    """Weighted Gaussians ``N(means, factors factors' + diag(floors))``."""

    log_weights: Tensor  # (n,)
    means: Tensor  # (n, d)
    factors: Tensor  # (n, d, r)
    floors: Tensor  # (n, 1) or (n, d)

    def take(self, index: Tensor) -> "Kernels":
        """Return the kernels at `index`."""
        return Kernels(*(part[index] for part in self))


class Woodbury(NamedTuple):
    """The matrices of the module's docstring, of each kernel at one noise pattern."""

    inverse: Tensor  # (n, d), the diagonal of D^{-1}
    g: Tensor  # (n, d)
    W: Tensor  # (n, d, r)
    G: Tensor  # (n, d, r)
    log_peak: Tensor  # (n,), log weight plus log-density at the mean
    floor_part: Tensor  # (n, d), floor (1 - g)

    @classmethod
    def of(cls, kernels: Kernels, levels: Tensor) -> "Woodbury":
        """Factorise for the noise levels (d,)."""
        log_weights, _, F, floors = kernels
        D = floors + levels**2
        inverse = 1 / D
        lost = torch.where(torch.isfinite(D), levels**2 * inverse, 1.0)  # 1 - g, exact at 0
        scaled = inverse.unsqueeze(2) * F
        inner = F.mT @ scaled
        inner.diagonal(dim1=1, dim2=2).add_(1)
        L = stable_cholesky(inner)
        W = torch.linalg.solve_triangular(L, scaled.mT, upper=False).mT
        G = lost.unsqueeze(2) * torch.linalg.solve_triangular(L, F.mT, upper=False).mT
        # what is noised beyond measure says nothing: only the other entries have a density
        log_D = torch.where(torch.isfinite(D), D.log() + _LOG_2PI, 0.0).sum(1)
        log_det = log_D + 2 * L.diagonal(dim1=1, dim2=2).log().sum(1)
        return cls(inverse, floors * inverse, W, G, log_weights - 0.5 * log_det, floors * lost)


class DenseForm:
    """Few columns: matrices ``A_i`` and ``R_i``, so that all sums are matrix products."""

    width = 1  # numbers held for each pair of row and kernel

    def __init__(self, kernels: Kernels, levels: Tensor, average: Average = "mean"):
        wood, means = Woodbury.of(kernels, levels), kernels.means
        n, d = means.shape
        A = torch.diag_embed(wood.inverse) - wood.W @ wood.W.mT
        linear = (A @ means.unsqueeze(2)).squeeze(2)
        if average == "mean":
            R = torch.diag_embed(wood.g) + wood.G @ wood.W.mT
            self.offset, matrices = means - (R @ means.unsqueeze(2)).squeeze(2), R
        else:
            self.offset, matrices = linear, -A
        self.matrices = matrices.reshape(n, d * d)
        i, j = torch.triu_indices(d, d, device=means.device)
        twice = torch.where(i == j, 0.5, 1.0).to(means)
        peak = wood.log_peak - 0.5 * (linear * means).sum(1)
        parts = [-twice * A[:, i, j], linear, peak.unsqueeze(1)]
        self.coefficients = torch.cat(parts, dim=1).mT.contiguous()

    def log_weights(self, y: Tensor) -> Tensor:
        """Return log joint densities of kernel and noisy row, of shape (m, n)."""
        # products of slices, several times faster than of indexed columns
        squares = [y[:, k : k + 1] * y[:, k:] for k in range(y.shape[1])]
        return torch.cat([*squares, y, y.new_ones(len(y), 1)], dim=1) @ self.coefficients

    def average(self, share: Tensor, y: Tensor) -> Tensor:
        """Average over kernels with weights (m, n)."""
        m, d = y.shape
        matrices = (share @ self.matrices).reshape(m, d, d)
        return share @ self.offset + torch.bmm(matrices, y.unsqueeze(2)).squeeze(2)


class LowRankForm:
    """Many columns: only the factors, at the cost of ``r`` numbers per row and kernel."""

    def __init__(self, kernels: Kernels, levels: Tensor, average: Average = "mean"):
        wood, means = Woodbury.of(kernels, levels), kernels.means
        n, d, r = wood.W.shape
        self.width = max(r, 1)
        self.inverse, self.linear = wood.inverse, wood.inverse * means
        self.peak = wood.log_peak - 0.5 * (self.linear * means).sum(1)
        self.W = wood.W.permute(1, 0, 2).reshape(d, n * r)
        self.z0 = torch.einsum("nd,ndr->nr", means, wood.W)
        if average == "mean":
            self.offset, self.diagonal, spread = (1 - wood.g) * means, wood.g, wood.G
        else:
            self.offset, self.diagonal, spread = self.linear, -wood.inverse, wood.W
        self.spread = spread.permute(0, 2, 1).reshape(n * r, d)

    def log_weights(self, y: Tensor) -> Tensor:
        """Return log joint densities of kernel and noisy row, of shape (m, n)."""
        log_weights = self.peak + y @ self.linear.mT - 0.5 * (y**2 @ self.inverse.mT)
        return log_weights + 0.5 * (self._z(y) ** 2).sum(2)

    def average(self, share: Tensor, y: Tensor) -> Tensor:
        """Average over kernels with weights (m, n)."""
        weighted = (share.unsqueeze(2) * self._z(y)).flatten(1)
        return share @ self.offset + share @ self.diagonal * y + weighted @ self.spread

    def _z(self, y: Tensor) -> Tensor:
        """Return ``W_i' (y - x_i)``, of shape (m, n, r)."""
        return (y @ self.W).reshape(len(y), *self.z0.shape) - self.z0


Form = DenseForm | LowRankForm


def noised_form(kernels: Kernels, levels: Tensor, average: Average = "mean") -> Form:
    """Return the cheaper form of the kernels at the noise levels (d,)."""
    _, d, r = kernels.factors.shape
    dense = d <= _MAX_DENSE_COLUMNS and 2 * r >= d
    return (DenseForm if dense else LowRankForm)(kernels, levels, average)
