"""How many neighbours, which bandwidths and how much background, by held-out likelihood."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold

from skdiffusion._utils.mixture import refit
from skdiffusion.geometry.low_rank import LowRank
from skdiffusion.geometry.metric import Metric, metric_tensors
from skdiffusion.geometry.neighbors import neighbor_graph, restrict_graph
from skdiffusion.geometry.selection import Bandwidth, Fold, choose_bandwidth

__all__ = ["TensorOptions", "choose_kernels"]

Floats = NDArray[np.float64]
Graph = tuple[Floats, NDArray[np.intp]]


class TensorOptions(NamedTuple):
    """What the diffusion tensors are made of."""

    metric: Metric = "local"
    weights: str = "uniform"  # of the neighbours in a local covariance
    rank: int = 1  # directions kept of each tensor
    neighbors: Any = None  # KNeighborsTransformer-like, or None for the exact search

    @property
    def needs_neighbors(self) -> bool:
        """Whether the tensors depend on a number of neighbours."""
        return isinstance(self.metric, str) and self.metric in ("local", "knn")

    @property
    def isotropic(self) -> bool:
        """Whether the diffusion time has no effect."""
        return isinstance(self.metric, str) and self.metric == "euclidean"

    def graph(self, X: Floats, n_neighbors: int) -> Graph:
        """Return the neighbours of each row, none where they do not matter."""
        if not self.needs_neighbors:
            return np.empty((len(X), 0)), np.empty((len(X), 0), dtype=np.intp)
        return neighbor_graph(X, n_neighbors, transformer=self.neighbors)

    def tensors(self, X: Floats, graph: Graph) -> LowRank:
        """Return the tensor of each row."""
        return metric_tensors(self.metric, X, *graph, rank=self.rank, weights=self.weights)


def choose_kernels(
    groups: list[Floats],
    options: TensorOptions,
    candidates: Sequence[int],
    *,
    h_min: float,
    n_folds: int,
    mixtures: list[GaussianMixture | None],
    fixed: tuple[float, float] | None = None,
    share: float | None = None,
    random_state: int | None = None,
) -> tuple[int, Bandwidth]:
    """Choose neighbours, bandwidths and share of the background by held-out likelihood."""
    splits = [
        split
        for X, mixture in zip(groups, mixtures, strict=True)
        for split in _splits(X, mixture, options, max(candidates), n_folds, random_state)
    ]
    found = []
    for k in candidates if options.needs_neighbors else candidates[:1]:
        folds = [split.fold(options, k) for split in splits]
        bandwidth = choose_bandwidth(
            folds, h_min=h_min, isotropic=options.isotropic, fixed=fixed, share=share
        )
        found.append((k, bandwidth))
    return max(found, key=lambda choice: choice[1].log_likelihood)


class _Split(NamedTuple):
    """One fold of one class, before its tensors are known."""

    X: Floats
    graph: Graph  # of all rows
    kept: NDArray[np.intp]
    out: NDArray[np.intp]
    log_background: Floats | None

    def fold(self, options: TensorOptions, k: int) -> Fold:
        """Fit the tensors without the rows that are held out."""
        kept, near = self.X[self.kept], self.graph
        if options.needs_neighbors:
            near = restrict_graph(self.X, *self.graph, self.kept, min(k, len(kept) - 1))
        return Fold(kept, options.tensors(kept, near), self.X[self.out], self.log_background)


def _splits(
    X: Floats,
    mixture: GaussianMixture | None,
    options: TensorOptions,
    n_neighbors: int,
    n_folds: int,
    random_state: int | None,
) -> Iterator[_Split]:
    n_folds = min(n_folds, len(X))
    # of these about n_neighbors are left when a fold is taken out
    depth = int(np.ceil(1.25 * n_neighbors * n_folds / (n_folds - 1))) + 5
    graph = options.graph(X, min(depth, len(X) - 1))
    for kept, out in KFold(n_folds, shuffle=True, random_state=random_state).split(X):
        yield _Split(X, graph, kept, out, _log_background(mixture, X[kept], X[out]))


def _log_background(mixture: GaussianMixture | None, X: Floats, Y: Floats) -> Floats | None:
    if mixture is None:
        return None
    log_density: Floats = refit(mixture, X).score_samples(Y)
    return log_density
