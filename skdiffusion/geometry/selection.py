"""Bandwidths of a kernel density by held-out likelihood, from coarse to fine.

The kernels ``eps C_i + h^2 I`` have the eigenvectors of ``C_i`` whatever the bandwidths. The
squared coordinates of held-out rows in those frames are computed once, and each pair ``(eps, h)``
costs one product with the inverse variances.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from skdiffusion.geometry.low_rank import LowRank

__all__ = ["Bandwidth", "Fold", "choose_bandwidth", "held_out_log_density"]

Floats = NDArray[np.float64]

_EPS = np.array([0.0, 0.03, 0.1, 0.3, 1.0, 3.0])
_EPS_RATIO = 3.2
_H_MAX, _N_H = 2.0, 12
_N_REFINEMENTS = 2
# the coarse grid has most of the points, and its choice is made again with all rows
_MAX_COARSE_ROWS = 500
_SHARES = np.array([0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
# the kernels keep at least this share, else they would not be what is fitted
_MAX_SHARE = 0.95
_CHUNK_ELEMENTS = 2**18


class Fold(NamedTuple):
    """Rows held out, and what was fitted without them."""

    X: Floats  # (n, d)
    tensors: LowRank
    held_out: Floats  # (m, d)
    log_background: Floats | None  # (m,), log-density of the background at the held-out rows


class Bandwidth(NamedTuple):
    """A choice, and its held-out log-likelihood, the mean over the rows of all folds."""

    eps: float
    h: float
    share: float  # of the background
    log_likelihood: float


def held_out_log_density(X: Floats, tensors: LowRank, Y: Floats, eps: Floats, h: Floats) -> Floats:
    """Log-density of rows under kernels of several bandwidths."""
    (n, d), r = X.shape, tensors.values.shape[1]
    V = tensors.vectors.transpose(1, 0, 2).reshape(d, n * r)
    centres = np.einsum("nd,ndr->nr", X, tensors.vectors)
    blur = h**2
    floor = tensors.residuals[:, None] * eps + blur
    precision = np.concatenate(
        [1 / (tensors.values[:, :, None] * eps + blur), 1 / floor[:, None]], axis=1
    )
    log_det = -np.log(precision[:, :-1]).sum(1) + (d - r) * np.log(floor)
    constant = -0.5 * (log_det + d * np.log(2 * np.pi)) - np.log(n)
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
    shares = np.array([share]) if share is not None else _SHARES
    if all(fold.log_background is None for fold in folds):
        shares = np.zeros(1)
    if fixed is not None:
        best = _best(folds, np.array(fixed[:1]), np.array(fixed[1:]), shares)
        return best if len(shares) == 1 else _with_best_share(folds, best)
    ratio = (_H_MAX / h_min) ** (1 / (_N_H - 1))
    eps, h = np.meshgrid(_EPS[:1] if isotropic else _EPS, h_min * ratio ** np.arange(_N_H))
    best = _best(_thinned(folds), eps.ravel(), h.ravel(), shares)._replace(log_likelihood=-np.inf)
    for level in range(1, _N_REFINEMENTS + 1):
        steps = np.array([-0.5, 0.0, 0.5])
        near_eps = best.eps * _EPS_RATIO ** (steps / level) if best.eps else np.zeros(1)
        near_h = np.maximum(best.h * ratio ** (steps / level), h_min)
        eps, h = np.meshgrid(near_eps, near_h)
        best = max(best, _best(folds, eps.ravel(), h.ravel(), shares), key=_log_likelihood)
    return best if len(shares) == 1 else _with_best_share(folds, best)


def _thinned(folds: list[Fold]) -> list[Fold]:
    """Hold out fewer rows, evenly spread over those of each fold."""
    n_out = sum(len(fold.held_out) for fold in folds)
    step = max(1, round(n_out / _MAX_COARSE_ROWS))
    return [
        fold._replace(
            held_out=fold.held_out[::step],
            log_background=None if fold.log_background is None else fold.log_background[::step],
        )
        for fold in folds
    ]


def _log_likelihood(bandwidth: Bandwidth) -> float:
    return bandwidth.log_likelihood


def _best(folds: list[Fold], eps: Floats, h: Floats, shares: Floats) -> Bandwidth:
    total = np.zeros((len(eps), len(shares)))
    for fold in folds:
        log_kernel = held_out_log_density(fold.X, fold.tensors, fold.held_out, eps, h)
        for j, share in enumerate(shares):
            total[:, j] += _mixed(log_kernel.T, fold.log_background, share).sum(1)
    total /= sum(len(fold.held_out) for fold in folds)
    i, j = (int(k) for k in np.unravel_index(total.argmax(), total.shape))
    return Bandwidth(float(eps[i]), float(h[i]), float(shares[j]), float(total[i, j]))


def _mixed(log_kernel: Floats, log_background: Floats | None, share: float) -> Floats:
    if log_background is None or share == 0:
        return log_kernel
    return np.logaddexp(log_kernel + np.log1p(-share), log_background + np.log(share))


def _with_best_share(folds: list[Fold], best: Bandwidth) -> Bandwidth:
    """Refine the share, in which the log-likelihood is concave."""
    eps, h = np.array([best.eps]), np.array([best.h])
    kernels = [held_out_log_density(f.X, f.tensors, f.held_out, eps, h)[:, 0] for f in folds]

    def loss(share: float) -> float:
        parts = zip(kernels, folds, strict=True)
        logs = [_mixed(k, f.log_background, share) for k, f in parts]
        return -float(np.mean(np.concatenate(logs)))

    found = minimize_scalar(loss, bounds=(0.0, _MAX_SHARE), method="bounded")
    if -found.fun <= best.log_likelihood:
        return best
    return best._replace(share=float(found.x), log_likelihood=-float(found.fun))
