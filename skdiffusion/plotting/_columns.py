"""Columns of arrays and frames, and how each is distributed in two samples."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA


class Marginal(NamedTuple):
    """One column in two samples: densities over ``bins``, or shares of ``categories``."""

    name: str
    real: NDArray[np.float64]
    synthetic: NDArray[np.float64]
    bins: NDArray[np.float64] | None
    categories: list[str] | None
    distance: float


def as_columns(X: ArrayLike) -> dict[str, NDArray[Any]]:
    """Return the columns of an array or frame by name."""
    if hasattr(X, "columns"):
        return {str(name): np.asarray(X[name]) for name in X.columns}
    X = np.asarray(X)
    if X.ndim != 2:
        raise ValueError(f"Expected a table of rows and columns, got an array of {X.ndim} axes.")
    return {f"x{i}": X[:, i] for i in range(X.shape[1])}


def same_columns(real: ArrayLike, synthetic: ArrayLike) -> tuple[dict, dict]:
    """Return the columns of both tables, which must have the same names in the same order."""
    ours, theirs = as_columns(real), as_columns(synthetic)
    if list(ours) != list(theirs):
        raise ValueError(
            f"The two tables differ in their columns: {list(ours)} against {list(theirs)}."
        )
    if not (len(next(iter(ours.values()))) and len(next(iter(theirs.values())))):
        raise ValueError("Both tables need at least one row.")
    return ours, theirs


def is_numeric(column: NDArray[Any]) -> bool:
    return column.dtype.kind in "iuf"


def marginal(name: str, real: NDArray[Any], synthetic: NDArray[Any], numeric: bool) -> Marginal:
    """Compare one column of two samples."""
    if not numeric:
        real, synthetic = real.astype(str), synthetic.astype(str)
        categories = np.unique(np.concatenate([real, synthetic]))
        shares = [(column[:, None] == categories).mean(axis=0) for column in (real, synthetic)]
        distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
        return Marginal(name, *shares, None, categories.tolist(), distance)
    real, synthetic = real.astype(np.float64), synthetic.astype(np.float64)
    bins = _bins(real, synthetic)
    heights = [np.histogram(column, bins, density=True)[0] for column in (real, synthetic)]
    return Marginal(name, *heights, bins, None, kolmogorov_smirnov(real, synthetic))


def kolmogorov_smirnov(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the largest distance between two empirical distribution functions."""
    values = np.concatenate([a, b])
    shares = [np.searchsorted(np.sort(s), values, side="right") / len(s) for s in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


def _bins(real: NDArray[np.float64], synthetic: NDArray[np.float64]) -> NDArray[np.float64]:
    both = np.concatenate([real, synthetic])
    values = np.unique(both)
    if len(values) <= 24 and np.all(values == np.round(values)):
        return np.arange(values[0] - 0.5, values[-1] + 1.0)
    low, high = values[0], values[-1]
    if not high > low:
        return np.array([low - 0.5, low + 0.5])
    count = np.clip(len(np.histogram_bin_edges(real, "auto")) - 1, 12, 36)
    return np.linspace(low, high, int(count) + 1)


def project(
    real: dict[str, NDArray[Any]], synthetic: dict[str, NDArray[Any]], numeric: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return both samples in the first two principal components of the real one."""
    ours, theirs = [], []
    for name, column in real.items():
        other = synthetic[name]
        if name in numeric:
            scale = np.std(column.astype(np.float64)) or 1.0
            ours.append(column[:, None] / scale)
            theirs.append(other[:, None] / scale)
        else:
            categories = np.unique(column.astype(str))
            ours.append(column.astype(str)[:, None] == categories)
            theirs.append(other.astype(str)[:, None] == categories)
    a, b = (np.concatenate(blocks, axis=1, dtype=np.float64) for blocks in (ours, theirs))
    if min(a.shape) < 2:
        raise ValueError("A projection needs at least two rows and two columns.")
    pca = PCA(n_components=2, svd_solver="full").fit(a)
    return pca.transform(a), pca.transform(b), pca.explained_variance_ratio_
