"""How columns are distributed in two samples, and the rows of these on a plane."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from skdiffusion.metrics.alignment import histograms, robust_limits
from skdiffusion.metrics.fidelity import column_errors


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


def compare(aligned):
    """Compare the columns of two tables: numbers by Kolmogorov-Smirnov, categories by shares."""
    distances = column_errors(*aligned.codes, aligned.is_category).values()
    columns = zip(aligned.coders, distances, *(codes.T for codes in aligned.codes), strict=True)
    found = []
    for coder, distance, *cells in columns:
        real, synthetic, bins, labels = histograms(coder, *cells)
        if bins is not None:
            real, synthetic = real / np.diff(bins), synthetic / np.diff(bins)
            bins = coder.decode(bins)
        found.append(Marginal(str(coder.name), real, synthetic, distance, bins, labels))
    return found


def project(aligned):
    """Return both samples in the first two principal components of the real one, and labels."""
    real, _ = aligned.codes
    a, b = (_points(codes, real, aligned.is_category) for codes in aligned.codes)
    if min(a.shape) < 2:
        raise ValueError("A projection needs at least two rows and two columns.")
    pca = PCA(n_components=2, svd_solver="full").fit(a)
    first, second = 100 * np.nan_to_num(pca.explained_variance_ratio_)
    labels = (
        f"principal component 1 ({first:.0f} % of the variance)",
        f"principal component 2 ({second:.0f} %)",
    )
    return pca.transform(a), pca.transform(b), labels


def _points(table, real, is_category):
    """Numeric columns in units of their spread among real rows, and categories as indicators."""
    blocks = []
    for column, ours, told in zip(table.T, real.T, is_category, strict=True):
        if told:
            levels = np.unique(np.nan_to_num(ours, nan=-1.0))
            blocks.append(np.nan_to_num(column, nan=-1.0)[:, None] == levels)
            continue
        # one gross cell would be all there is to see
        low, high = robust_limits(ours)
        ours, column = (np.clip(c, 2 * low - high, 2 * high - low) for c in (ours, column))
        filled = np.nan_to_num(column, nan=np.nanmean(ours))
        blocks.append(filled[:, None] / (np.nanstd(ours) or 1.0))
    return np.concatenate(blocks, axis=1, dtype=np.float64)
