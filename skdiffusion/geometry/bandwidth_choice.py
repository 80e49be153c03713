"""Bandwidths of a kernel density by held-out likelihood, from coarse to fine.

The kernels ``eps C_i + h^2 I`` have the eigenvectors of ``C_i`` whatever the bandwidths: each pair
``(eps, h)`` costs one product of squared coordinates in them with the inverse variances.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skdiffusion.geometry.diffusion_tensors import LowRank

Floats = NDArray[np.float64]

_EPS = np.array([0.0, 0.03, 0.1, 0.3, 1.0, 3.0])
_EPS_RATIO = 3.2
_H_MAX, _N_H = 2.0, 12
_STEPS = np.array([-0.5, 0.0, 0.5])
# the coarse grid has most of the points, and its choice is made again with all rows
_MAX_COARSE_ROWS = 500
# finer steps gain nothing; the kernels keep some, else they would not be what is fitted
_SHARES = np.array([0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
_CHUNK_ELEMENTS = 2**18


class Fold(NamedTuple):
    """Rows held out, and what was fitted without them."""

    X: Floats  # (n, d)
    weights: Floats  # (n,), of the kernels
    held_out: Floats  # (m, d)
    held_out_weights: Floats  # (m,)
    log_background: Floats | None  # (m,), log-density of the background at the held-out rows
    tensors: LowRank

    def thinned(self, step: int) -> "Fold":
        """Hold out every so many rows only."""
        few = None if self.log_background is None else self.log_background[::step]
        return self._replace(
            held_out=self.held_out[::step],
            held_out_weights=self.held_out_weights[::step],
            log_background=few,
        )

    def total(self, log_kernels: Floats, share: float) -> Floats:
        """Return the log-likelihood with a share of the background, for each bandwidth."""
        if self.log_background is not None and share > 0:
            wide = self.log_background[:, None] + np.log(share)
            log_kernels = np.logaddexp(log_kernels + np.log1p(-share), wide)
        return self.held_out_weights @ log_kernels


class Bandwidth(NamedTuple):
    """A choice, and its held-out log-likelihood, the mean over the rows of all folds."""

    eps: float
    h: float
    share: float  # of the background
    log_likelihood: float


def held_out_log_density(
    X: Floats, weights: Floats, tensors: LowRank, Y: Floats, eps: Floats, h: Floats
) -> Floats:
    """Return log-densities of the rows `Y` under kernels of several bandwidths."""
    (n, d), r = X.shape, tensors.values.shape[1]
    V = tensors.vectors.transpose(1, 0, 2).reshape(d, n * r)
    centres = np.einsum("nd,ndr->nr", X, tensors.vectors)
    blur = h**2
    floor = tensors.residuals[:, None] * eps + blur
    precision = np.concatenate(
        [1 / (tensors.values[:, :, None] * eps + blur), 1 / floor[:, None]], axis=1
    )
    log_det = -np.log(precision[:, :-1]).sum(1) + (d - r) * np.log(floor)
    log_weights = np.log(weights / weights.sum())[:, None]
    constant = log_weights - 0.5 * (log_det + d * np.log(2 * np.pi))
    parts = []
    for rows in np.array_split(Y, max(1, len(Y) * n * (r + 1 + len(eps)) // _CHUNK_ELEMENTS)):
        z = ((rows @ V).reshape(len(rows), n, r) - centres) ** 2
        rest = ((rows[:, None] - X) ** 2).sum(2) - z.sum(2) if r < d else np.zeros(z.shape[:2])
        squares = np.concatenate([z, np.maximum(rest, 0)[:, :, None]], axis=2)
        exponent = squares.transpose(1, 0, 2) @ precision  # (n, m, g)
        exponent *= -0.5
        exponent += constant[:, None]
        # in place, which scipy's logsumexp is not: this is where most of the time goes
        top = exponent.max(axis=0)
        exponent -= top
        np.exp(exponent, out=exponent)
        parts.append(np.log(exponent.sum(axis=0)) + top)
    return np.concatenate(parts)


def choose_bandwidth(
    folds: list[Fold],
    *,
    h_min: float,
    isotropic: bool = False,
    fixed: tuple[float, float] | None = None,
    share: float | None = None,
) -> Bandwidth:
    """Maximise the held-out likelihood over diffusion time, blur and share of the background."""
    if all(fold.log_background is None for fold in folds):
        share = 0.0
    shares = _SHARES if share is None else np.array([share])
    if fixed is not None:
        return _best_of_grid(folds, np.array(fixed[:1]), np.array(fixed[1:]), shares)
    # a coarse grid with some of the held-out rows, and two finer ones with all
    n_out = sum(len(fold.held_out) for fold in folds)
    few = [fold.thinned(max(1, round(n_out / _MAX_COARSE_ROWS))) for fold in folds]
    ratio = (_H_MAX / h_min) ** (1 / (_N_H - 1))
    eps = _EPS[:1] if isotropic else _EPS
    best = _best_of_grid(few, eps, h_min * ratio ** np.arange(_N_H), shares)
    best = best._replace(log_likelihood=-np.inf)
    for fineness in (1, 2):
        near_eps = best.eps * _EPS_RATIO ** (_STEPS / fineness) if best.eps else np.zeros(1)
        near_h = np.maximum(best.h * ratio ** (_STEPS / fineness), h_min)
        finer = _best_of_grid(folds, near_eps, near_h, shares)
        best = max(best, finer, key=lambda found: found.log_likelihood)
    return best


def _best_of_grid(folds: list[Fold], eps: Floats, h: Floats, shares: Floats) -> Bandwidth:
    eps, h = (axis.ravel() for axis in np.meshgrid(eps, h))
    total = np.zeros((len(eps), len(shares)))
    for fold in folds:
        parts = fold.X, fold.weights, fold.tensors, fold.held_out
        log_kernels = held_out_log_density(*parts, eps, h)
        total += np.column_stack([fold.total(log_kernels, share) for share in shares])
    total /= sum(fold.held_out_weights.sum() for fold in folds)
    i, j = np.unravel_index(total.argmax(), total.shape)
    return Bandwidth(float(eps[i]), float(h[i]), float(shares[j]), float(total[i, j]))
