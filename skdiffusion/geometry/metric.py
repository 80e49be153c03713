"""The diffusion tensors of a metric given by name or as a function."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from skdiffusion.geometry.low_rank import LowRank, low_rank_factors
from skdiffusion.geometry.tensor import tensor_covariance, tensor_local

__all__ = ["METRICS", "Metric", "metric_tensors"]

Floats = NDArray[np.float64]
Metric = str | Callable[[Floats], Floats]

METRICS = ("local", "euclidean", "covariance", "knn")

_CHUNK_ELEMENTS = 2**22


def metric_tensors(
    metric: Metric,
    X: Floats,
    distances: Floats,
    indices: NDArray[np.intp],
    *,
    rank: int,
    weights: str = "uniform",
) -> LowRank:
    """Return the diffusion tensor of each row, as leading directions and a remainder."""
    n, d = X.shape
    if callable(metric):
        return low_rank_factors(_called(metric, X), rank)
    if metric == "euclidean":
        return LowRank(np.zeros((n, d, 0)), np.zeros((n, 0)), np.zeros(n))
    if metric == "knn":
        return LowRank(np.zeros((n, d, 0)), np.zeros((n, 0)), distances[:, -1] ** 2 / d)
    if metric == "covariance":
        one = low_rank_factors(tensor_covariance(X)[:1], rank)
        return LowRank(*(np.repeat(part, n, axis=0) for part in one))
    if metric != "local":
        raise ValueError(f"metric must be one of {METRICS} or a function, got {metric!r}.")
    size = max(1, _CHUNK_ELEMENTS // (d * max(d, distances.shape[1])))
    chunks = [
        low_rank_factors(
            tensor_local(X, distances, indices, weights=weights, at=slice(start, start + size)),
            rank,
        )
        for start in range(0, n, size)
    ]
    return LowRank(*(np.concatenate(parts) for parts in zip(*chunks, strict=True)))


def _called(metric: Callable[[Floats], Floats], X: Floats) -> Floats:
    n, d = X.shape
    tensors = np.asarray(metric(X), dtype=np.float64)
    if tensors.shape != (n, d, d) or not np.isfinite(tensors).all():
        raise ValueError(
            f"metric(X) must return finite tensors of shape {(n, d, d)}, got {tensors.shape}."
        )
    scale = max(float(np.abs(tensors).max(initial=0)), np.finfo(float).tiny)
    lowest = np.linalg.eigvalsh(tensors).min(initial=0)
    symmetric = np.allclose(tensors, tensors.transpose(0, 2, 1), atol=1e-8 * scale)
    if not symmetric or lowest < -1e-8 * scale:
        raise ValueError("metric(X) must return symmetric tensors without negative eigenvalues.")
    return tensors
