"""Columns of arrays and frames, and how each is distributed in two samples."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp
from sklearn.decomposition import PCA


@dataclass
class Marginal:
    """One column in two samples: densities over ``bins``, or shares of ``categories``."""

    name: str
    real: np.ndarray
    synthetic: np.ndarray
    distance: float
    bins: np.ndarray | None = None
    categories: list[str] | None = None


def as_columns(X):
    """Return the columns of an array or frame by name."""
    if hasattr(X, "columns"):
        return {str(name): np.asarray(X[name]) for name in X.columns}
    X = np.asarray(X)
    if X.ndim != 2:
        raise ValueError(f"Expected a table of rows and columns, got an array of {X.ndim} axes.")
    return {f"x{i}": X[:, i] for i in range(X.shape[1])}


def same_columns(real, synthetic):
    """Return the columns of both tables, which must have the same names in the same order."""
    ours, theirs = as_columns(real), as_columns(synthetic)
    if list(ours) != list(theirs):
        raise ValueError(
            f"The two tables differ in their columns: {list(ours)} against {list(theirs)}."
        )
    if not (len(real) and len(synthetic)):
        raise ValueError("Both tables need at least one row.")
    return ours, theirs


def is_numeric(column):
    """Return whether a column holds numbers."""
    return column.dtype.kind in "iuf"


def compare(name, real, synthetic, numeric):
    """Compare a column in two samples: numbers by Kolmogorov-Smirnov, categories by shares."""
    real, synthetic = (column.astype(float if numeric else str) for column in (real, synthetic))
    if numeric:
        bins = _bins(real, synthetic)
        a, b = (np.histogram(column, bins, density=True)[0] for column in (real, synthetic))
        distance = ks_2samp(real, synthetic, method="asymp").statistic
        return Marginal(name, a, b, distance, bins=bins)
    categories = np.unique(np.concatenate([real, synthetic]))
    a, b = ((column[:, None] == categories).mean(axis=0) for column in (real, synthetic))
    return Marginal(name, a, b, np.abs(a - b).sum() / 2, categories=categories.tolist())


def _bins(real, synthetic):
    values = np.unique(np.concatenate([real, synthetic]))
    low, high = values[0], values[-1]
    if len(values) <= 24 and np.all(values == np.round(values)):
        return np.arange(low - 0.5, high + 1.0)
    count = np.clip(len(np.histogram_bin_edges(real, "auto")) - 1, 12, 36)
    return np.histogram_bin_edges(values, count)


def project(real, synthetic, categorical=()):
    """Return both samples in the first two principal components of the real one, and labels."""
    numeric = {name for name in real if is_numeric(real[name])} - set(categorical)
    a, b = (_points(table, real, numeric) for table in (real, synthetic))
    if min(a.shape) < 2:
        raise ValueError("A projection needs at least two rows and two columns.")
    pca = PCA(n_components=2, svd_solver="full").fit(a)
    first, second = 100 * pca.explained_variance_ratio_
    labels = (
        f"principal component 1 ({first:.0f} % of the variance)",
        f"principal component 2 ({second:.0f} %)",
    )
    return pca.transform(a), pca.transform(b), labels


def _points(table, real, numeric):
    """Numeric columns in units of their spread among real rows, and categories as indicators."""
    blocks = []
    for name, column in table.items():
        if name in numeric:
            blocks.append(column[:, None] / (np.std(real[name].astype(np.float64)) or 1.0))
        else:
            blocks.append(column.astype(str)[:, None] == np.unique(real[name].astype(str)))
    return np.concatenate(blocks, axis=1, dtype=np.float64)
