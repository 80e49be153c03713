"""Gaussian kernels that follow a data set, with a few wide Gaussians beneath them.

Kernels ``eps C_i + h^2 I`` are poor where rows are few, as neighbours far away say little about the
distribution. The two are mixed with the share that makes held-out rows most likely.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state

from skdiffusion._utils.mixture import fit_bic_mixture, refit
from skdiffusion.geometry.bandwidth_choice import Bandwidth, Fold, choose_bandwidth
from skdiffusion.geometry.diffusion_tensors import LowRank, local_factors, low_rank_factors
from skdiffusion.geometry.nearest_rows import neighbor_graph

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# more rows are thinned for the choice of bandwidths, which takes time quadratic in their number
MAX_SELECTION_ROWS = 2000
MIN_SELECTION_ROWS = 10
# a few Gaussians are settled by that many
MAX_BACKGROUND_ROWS = 10_000
N_FOLDS = 5


@dataclass(frozen=True)
class KernelOptions:
    """How to make kernels; what is None is chosen by held-out likelihood."""

    metric: str = "local"  # or "euclidean": spheres, whatever the neighbours
    rank: int = 1  # directions kept of each tensor
    bandwidth: tuple[float, float] | None = None  # (eps, h)
    n_neighbors: int | None = None
    background: float | None = None  # its share
    h_min: float = 1e-3  # smallest blur

    def neighbors(self, X: Floats, n_neighbors: int) -> Index:
        """Return the neighbours of each row, none where they do not matter."""
        if self.metric == "euclidean":
            return np.empty((len(X), 0), dtype=np.intp)
        return neighbor_graph(X, min(n_neighbors, len(X) - 1))[1]

    def tensors(self, X: Floats, near: Index, n_neighbors: int | None = None) -> LowRank:
        """Return the tensor of each row, by the first of its neighbours."""
        n, d = X.shape
        if self.metric == "euclidean":
            return LowRank(np.zeros((n, d, 0)), np.zeros((n, 0)), np.zeros(n))
        return local_factors(X, near[:, :n_neighbors], np.arange(n), self.rank)


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


class Group(NamedTuple):
    """The rows of one class, and the background beneath them."""

    X: Floats
    weights: Floats
    mixture: GaussianMixture | None = None

    def take(self, rows: NDArray[np.intp]) -> "Group":
        """Return some of the rows."""
        return self._replace(X=self.X[rows], weights=self.weights[rows])

    def repeated(self) -> Floats:
        """Return rows repeated in proportion to their weights, as a mixture takes none."""
        total = self.weights.sum()
        n_effective = np.rint(total**2 / (self.weights**2).sum())
        ends = np.rint(np.cumsum(self.weights) * (n_effective / total)).astype(int)
        return np.repeat(self.X, np.diff(ends, prepend=0), axis=0)


def fit_kernels(
    X: Floats,
    options: KernelOptions,
    random_state: int | np.random.RandomState | None = None,
    *,
    label: NDArray[np.intp] | None = None,
    sample_weight: Floats | None = None,
    mixtures: list[GaussianMixture | None] | None = None,
) -> Kernels:
    """Place a kernel on every row, class by class; only the bandwidths are common to all classes.

    Mixtures that are given are fitted again with as many components.
    """
    rng = check_random_state(random_state)
    seeds = rng.randint(2**31 - 1, size=2)
    label = np.zeros(len(X), dtype=np.intp) if label is None else label
    weights = np.ones(len(X)) if sample_weight is None else sample_weight / sample_weight.mean()
    members = [np.flatnonzero(label == k) for k in range(label.max() + 1)]
    groups = [Group(X[rows], weights[rows]) for rows in members]
    if mixtures is None:
        mixtures = [_background(group, options, seeds[0]) for group in groups]
    else:
        mixtures = [_refitted(old, group) for old, group in zip(mixtures, groups, strict=False)]
    groups = [g._replace(mixture=mixture) for g, mixture in zip(groups, mixtures, strict=True)]
    n_neighbors, bandwidth = _choice(groups, options, rng, seeds[1])
    parts = [_place(group, options, n_neighbors, bandwidth) for group in groups]
    means, factors, floors, shares = zip(*parts, strict=True)
    return Kernels(
        np.concatenate(means),
        _stacked(factors),
        np.concatenate(floors),
        np.concatenate(shares) / len(X),
        np.repeat(np.arange(len(groups)), [len(part) for part in means]),
        n_neighbors,
        bandwidth,
        [group.mixture for group in groups],
    )


def _place(
    group: Group, options: KernelOptions, n_neighbors: int, bandwidth: Bandwidth
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return means, factors, floors and weights of the kernels and the background of one class."""
    X, weights, mixture = group
    if len(X) < 2:
        options = replace(options, metric="euclidean")
    tensors = options.tensors(X, options.neighbors(X, n_neighbors))
    factors, floors = tensors.kernel(bandwidth.eps, bandwidth.h)
    share = bandwidth.share
    if mixture is None or share == 0:
        return X, factors, floors, weights
    wide, wide_floors = low_rank_factors(mixture.covariances_, options.rank).kernel(1.0, 0.0)
    return (
        np.concatenate([X, mixture.means_]),
        _stacked([factors, wide]),
        np.concatenate([floors, wide_floors]),
        np.concatenate([(1 - share) * weights, share * weights.sum() * mixture.weights_]),
    )


def _stacked(factors: Sequence[Floats]) -> Floats:
    """Concatenate factors, those of lower rank with columns of zeros."""
    rank = max(part.shape[2] for part in factors)
    return np.concatenate(
        [np.pad(part, [(0, 0), (0, 0), (0, rank - part.shape[2])]) for part in factors]
    )


def _background(group: Group, options: KernelOptions, seed: int) -> GaussianMixture | None:
    if options.background == 0 or len(group.X) < max(group.X.shape[1] + 2, MIN_SELECTION_ROWS):
        return None
    rows = group.repeated()
    if len(rows) > MAX_BACKGROUND_ROWS:
        rows = rows[np.random.RandomState(seed).permutation(len(rows))[:MAX_BACKGROUND_ROWS]]
    return fit_bic_mixture(rows, reg_covar=options.h_min**2, random_state=int(seed))


def _refitted(mixture: GaussianMixture | None, group: Group) -> GaussianMixture | None:
    if mixture is None or len(group.X) < 2:
        return None
    return refit(mixture, group.repeated())


def _choice(
    groups: list[Group], options: KernelOptions, rng: np.random.RandomState, seed: int
) -> tuple[int, Bandwidth]:
    """Choose what is left to choose on not too many rows, and carry it over to all of them."""
    sizes, d = [len(group.X) for group in groups], groups[0].X.shape[1]
    n_largest, thinning = max(sizes), min(1.0, MAX_SELECTION_ROWS / sum(sizes))
    few = [
        g.take(rng.permutation(size)[: round(size * thinning)])
        for g, size in zip(groups, sizes, strict=True)
    ]
    usable = [group for group in few if len(group.X) >= MIN_SELECTION_ROWS]
    share = options.background if any(group.mixture for group in groups) else 0.0
    fixed = options.bandwidth
    candidates = _candidates(options, n_largest, round(n_largest * thinning), d)
    if not usable or (fixed and share is not None and len(candidates) == 1):
        eps, h = fixed or _scott(options, n_largest, d)
        return candidates[0], Bandwidth(eps, h, share or 0.0, np.nan)
    # for the same reach more rows need more neighbours, and kernels become narrower
    growth = thinning ** (-4 / (d + 4))
    given = options.n_neighbors is not None
    scaled = [max(1, round(k / growth)) for k in candidates] if given else candidates
    k, bandwidth = choose_kernels(usable, options, scaled, random_state=int(seed))
    if fixed is None:
        rate = thinning ** (1 / (d + 4))
        bandwidth = bandwidth._replace(h=max(bandwidth.h * rate, options.h_min))
    return candidates[0] if given else round(k * growth), bandwidth


def choose_kernels(
    groups: list[Group],
    options: KernelOptions,
    candidates: Sequence[int],
    *,
    random_state: int | None = None,
) -> tuple[int, Bandwidth]:
    """Choose neighbours, bandwidths and share of the background by held-out likelihood."""
    most = max(candidates)
    splits = [split for group in groups for split in _splits(group, options, most, random_state)]
    found = []
    for k in candidates[:1] if options.metric == "euclidean" else candidates:
        folds = [
            Fold(*kept[:2], *out[:2], log_background, options.tensors(kept.X, near, k))
            for kept, out, log_background, near in splits
        ]
        bandwidth = choose_bandwidth(
            folds,
            h_min=options.h_min,
            isotropic=options.metric == "euclidean",
            fixed=options.bandwidth,
            share=options.background,
        )
        found.append((k, bandwidth))
    return max(found, key=lambda choice: choice[1].log_likelihood)


def _splits(
    group: Group, options: KernelOptions, n_neighbors: int, random_state: int | None
) -> Iterator[tuple[Group, Group, Floats | None, Index]]:
    """Yield rows kept and held out, the latter's background density, the former's neighbours."""
    folds = KFold(min(N_FOLDS, len(group.X)), shuffle=True, random_state=random_state)
    for rows, others in folds.split(group.X):
        kept, out = group.take(rows), group.take(others)
        mixture = _refitted(group.mixture, kept)
        log_background = None if mixture is None else mixture.score_samples(out.X)
        yield kept, out, log_background, options.neighbors(kept.X, n_neighbors)


def _candidates(options: KernelOptions, n: int, n_few: int, d: int) -> list[int]:
    """Return the numbers of neighbours to try, among `n_few` rows unless one is given."""
    k = options.n_neighbors
    if k is None:
        wanted = (5, 8, 15, 30) if d <= 3 else (15, 40, 100)
        candidates = [k for k in wanted if 2 * k < n_few] or [max(1, (n_few - 1) // 2)]
        return candidates if options.bandwidth is None else [candidates[len(candidates) // 2]]
    if options.metric == "local" and k >= n:
        warnings.warn(
            f"n_neighbors={k} is not below the number of rows, {n}: using {n - 1}.",
            UserWarning,
            stacklevel=7,
        )
    return [min(k, n - 1)]


def _scott(options: KernelOptions, n: int, d: int) -> tuple[float, float]:
    """Return Scott's blur; with local tensors, time 1 and a quarter of it."""
    h = max(float(n ** (-1 / (d + 4))), options.h_min)
    if options.metric == "euclidean":
        return 0.0, h
    return 1.0, max(h / 4, options.h_min)
