"""Gaussian kernels that follow a data set, with a few wide Gaussians beneath them.

Kernels ``eps C_i + h^2 I`` are good where rows are dense and poor where they are few: far from the
others a row's neighbours say little about the law. There a mixture of a few Gaussians is better.
The two are mixed, with the share that makes held-out rows most likely, so that the result is hardly
ever worse than the better of them.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state

from skdiffusion._utils.mixture import fit_bic_mixture, refit
from skdiffusion.geometry.bandwidth import bandwidth_scott
from skdiffusion.geometry.cross_validation import TensorOptions, choose_kernels
from skdiffusion.geometry.low_rank import low_rank_factors
from skdiffusion.geometry.selection import Bandwidth

__all__ = ["KernelOptions", "Kernels", "fit_kernels", "neighbor_candidates"]

Floats = NDArray[np.float64]

# more rows are thinned for the choice of bandwidths, which takes time quadratic in their number
MAX_SELECTION_ROWS = 2000
MIN_SELECTION_ROWS = 10
# a few Gaussians are settled by that many
MAX_BACKGROUND_ROWS = 10_000


class KernelOptions(NamedTuple):
    """How to choose kernels."""

    tensors: TensorOptions
    bandwidth: str | tuple[float, float] = "cv"  # or "scott", or (eps, h)
    n_neighbors: str | int = "auto"
    background: str | float = "cv"  # or its share
    h_min: float = 1e-3  # smallest blur
    n_folds: int = 5


class Kernels(NamedTuple):
    """Weighted Gaussians ``N(means, factors factors' + floors I)``, and how they were chosen."""

    means: Floats  # (m, d)
    factors: Floats  # (m, d, r)
    floors: Floats  # (m,)
    weights: Floats  # (m,)
    owner: NDArray[np.intp]  # (m,), the class that each belongs to
    n_neighbors: int
    bandwidth: Bandwidth
    mixtures: list[GaussianMixture | None]  # the background of each class


def neighbor_candidates(n: int, d: int) -> list[int]:
    """Return the numbers of neighbours to try: more in more columns, below half of the rows."""
    wanted = (5, 8, 15, 30) if d <= 3 else (15, 40, 100)
    return [k for k in wanted if 2 * k < n] or [max(1, (n - 1) // 2)]


def fit_kernels(
    X: Floats,
    options: KernelOptions,
    random_state: int | np.random.RandomState | None = None,
    *,
    label: NDArray[np.intp] | None = None,
    mixtures: list[GaussianMixture | None] | None = None,
) -> Kernels:
    """Place a kernel on every row."""
    rng = check_random_state(random_state)
    seeds = rng.randint(2**31 - 1, size=2)
    if label is None:
        label = np.zeros(len(X), dtype=np.intp)
    groups = [X[label == k] for k in range(label.max() + 1)]
    if mixtures is None:
        mixtures = [_background(rows, options, seeds[0]) for rows in groups]
    else:
        pairs = zip(mixtures, groups, strict=False)
        mixtures = [refit(old, rows) if old and len(rows) > 1 else None for old, rows in pairs]
    n_neighbors, bandwidth = _choice(groups, options, mixtures, rng, seeds[1])
    parts = [
        _place(rows, options.tensors, n_neighbors, bandwidth, mixture)
        for rows, mixture in zip(groups, mixtures, strict=True)
    ]
    rank = max(part[1].shape[2] for part in parts)
    factors = [np.pad(part[1], [(0, 0), (0, 0), (0, rank - part[1].shape[2])]) for part in parts]
    return Kernels(
        np.concatenate([part[0] for part in parts]),
        np.concatenate(factors),
        np.concatenate([part[2] for part in parts]),
        np.concatenate([part[3] for part in parts]) / len(X),
        np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts]),
        n_neighbors,
        bandwidth,
        mixtures,
    )


def _place(
    X: Floats,
    options: TensorOptions,
    n_neighbors: int,
    bandwidth: Bandwidth,
    mixture: GaussianMixture | None,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return means, factors, floors and weights of the kernels and the background of one class."""
    n, d = X.shape
    if options.needs_neighbors and n < 2:
        options = options._replace(metric="euclidean")
    tensors = options.tensors(X, options.graph(X, min(n_neighbors, n - 1)))
    factors, floors = tensors.kernel(bandwidth.eps, bandwidth.h)
    share = bandwidth.share
    if mixture is None or share == 0:
        return X, factors, floors, np.ones(n)
    wide, wide_floors = low_rank_factors(mixture.covariances_, options.rank).kernel(1.0, 0.0)
    if factors.shape[2] < wide.shape[2]:
        missing = wide.shape[2] - factors.shape[2]
        factors = np.concatenate([factors, np.zeros((n, d, missing))], axis=2)
    return (
        np.concatenate([X, mixture.means_]),
        np.concatenate([factors, wide]),
        np.concatenate([floors, wide_floors]),
        np.concatenate([np.full(n, 1 - share), n * share * mixture.weights_]),
    )


def _background(X: Floats, options: KernelOptions, seed: int) -> GaussianMixture | None:
    n, d = X.shape
    if options.background == 0 or n < max(d + 2, MIN_SELECTION_ROWS):
        return None
    if n > MAX_BACKGROUND_ROWS:
        X = X[np.random.RandomState(seed).permutation(n)[:MAX_BACKGROUND_ROWS]]
    return fit_bic_mixture(X, reg_covar=options.h_min**2, random_state=int(seed))


def _choice(
    groups: list[Floats],
    options: KernelOptions,
    mixtures: list[GaussianMixture | None],
    rng: np.random.RandomState,
    seed: int,
) -> tuple[int, Bandwidth]:
    """Choose what is left to choose, on not too many rows."""
    n, d = sum(map(len, groups)), groups[0].shape[1]
    fewer = min(1.0, MAX_SELECTION_ROWS / n)
    few = [rows[rng.permutation(len(rows))[: round(len(rows) * fewer)]] for rows in groups]
    usable = [k for k, rows in enumerate(few) if len(rows) >= MIN_SELECTION_ROWS]
    n_largest = max(map(len, groups))
    fixed, share, candidates = _given(options, n_largest, round(n_largest * fewer), d)
    settled = fixed is not None and len(candidates) == 1
    if not usable or (settled and (share is not None or not any(mixtures))):
        eps, h = fixed or _scott(options, n_largest, d)
        return candidates[0], Bandwidth(eps, h, (share or 0.0) if any(mixtures) else 0.0, np.nan)
    growth = fewer ** (-4 / (d + 4))
    scaled = [max(1, round(k / growth)) for k in candidates] if _is_given(options) else candidates
    k, bandwidth = choose_kernels(
        [few[j] for j in usable],
        options.tensors,
        scaled,
        h_min=options.h_min,
        n_folds=options.n_folds,
        mixtures=[mixtures[j] for j in usable],
        fixed=fixed,
        share=share,
        random_state=int(seed),
    )
    if fixed is None:
        rate = fewer ** (1 / (d + 4))
        bandwidth = bandwidth._replace(h=max(bandwidth.h * rate, options.h_min))
        if options.tensors.metric == "covariance":
            # tensors that stay as they are where local ones become smaller
            bandwidth = bandwidth._replace(eps=bandwidth.eps * rate**2)
    return candidates[0] if _is_given(options) else round(k * growth), bandwidth


def _given(
    options: KernelOptions, n: int, n_few: int, d: int
) -> tuple[tuple[float, float] | None, float | None, list[int]]:
    """Return bandwidths and share where they are given, and the numbers of neighbours to try."""
    candidates = neighbor_candidates(n_few, d)
    if _is_given(options):
        k = int(options.n_neighbors)
        if options.tensors.needs_neighbors and k >= n:
            warnings.warn(
                f"n_neighbors={k} is not below the number of rows, {n}: using {n - 1}.",
                UserWarning,
                stacklevel=6,
            )
        candidates = [min(k, n - 1)]
    elif options.bandwidth != "cv":
        candidates = candidates[len(candidates) // 2 :][:1]
    fixed = None
    if options.bandwidth == "scott":
        fixed = _scott(options, n, d)
    elif not isinstance(options.bandwidth, str):
        fixed = options.bandwidth
    share = None if isinstance(options.background, str) else float(options.background)
    return fixed, share, candidates


def _is_given(options: KernelOptions) -> bool:
    return not isinstance(options.n_neighbors, str)


def _scott(options: KernelOptions, n: int, d: int) -> tuple[float, float]:
    """Scott's blur; with a metric, its tensors for a unit of time and a quarter of that blur."""
    h = max(bandwidth_scott(n, d), options.h_min)
    if options.tensors.isotropic:
        return 0.0, h
    if options.tensors.metric == "covariance":
        return h**2, options.h_min
    return 1.0, max(h / 4, options.h_min)
