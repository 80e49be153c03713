"""Diffusion tensors of a data set: inverses of the Riemannian metrics that it suggests.

A diffusion with the tensor ``C(x)`` spreads from ``x`` over the ellipsoid of ``C(x)`` in a unit of
time; it is Brownian motion under the metric ``G = C^{-1}``. Directions along which the data extend
are short in this metric, and those off the data long. Each function below returns one tensor for
each row, ``C_i``; a kernel density with the covariances ``eps C_i + h^2 I`` lets each row diffuse
for the time ``eps`` and blurs it by ``h``.

The tensors are held fixed at the rows, which makes the kernels integrate to one and is exact to
first order in ``eps``.

References
----------
Vincent, P., Bengio, Y. (2002). Manifold Parzen windows. NeurIPS 15.

Berry, T., Sauer, T. (2016). Local kernels and the geometric structure of data. arXiv:1407.1426.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "riemannian_metric",
    "tensor_covariance",
    "tensor_euclidean",
    "tensor_knn",
    "tensor_local",
]

Floats = NDArray[np.float64]


def tensor_local(
    X: Floats,
    distances: Floats,
    indices: NDArray[np.intp],
    *,
    weights: str = "uniform",
    at: NDArray[np.intp] | slice = slice(None),
) -> Floats:
    """Local covariances about each row: ``C_i = sum_j w_ij (x_j - x_i)(x_j - x_i)'``."""
    if weights not in {"uniform", "kernel"}:
        raise ValueError(f"weights must be 'uniform' or 'kernel', got {weights!r}.")
    distances, indices = distances[at], indices[at]
    share = np.ones_like(distances)
    if weights == "kernel":
        # the k-th distance is zero where k rows are equal
        reach = np.maximum(distances[:, -1:], np.finfo(float).tiny)
        share = np.exp(-2 * (distances / reach) ** 2)
    share = np.sqrt(share / share.sum(1, keepdims=True))
    steps = share[:, :, None] * (X[indices] - X[at][:, None])
    return steps.transpose(0, 2, 1) @ steps


def tensor_euclidean(X: Floats) -> Floats:
    """Zero: no geometry beside the blur, ``C_i = 0``."""
    n, d = X.shape
    return np.zeros((n, d, d))


def tensor_covariance(X: Floats) -> Floats:
    """The covariance of the data everywhere: ``C_i = sum_j (x_j - m)(x_j - m)' / n``."""
    covariance = np.atleast_2d(np.cov(X, rowvar=False, bias=True))
    return np.broadcast_to(covariance, (len(X), *covariance.shape)).copy()


def tensor_knn(X: Floats, distances: Floats) -> Floats:
    """Spheres that reach the k-th neighbour: ``C_i = r_k(i)^2 I / d``."""
    d = X.shape[1]
    return (distances[:, -1] ** 2 / d)[:, None, None] * np.eye(d)


def riemannian_metric(tensors: Floats, eps: float, h: float) -> Floats:
    """The metric whose kernels are ``eps C_i + h^2 I``: ``G_i = (C_i + (h^2 / eps) I)^{-1}``."""
    blur = (h**2 / eps) * np.eye(tensors.shape[1])
    return np.linalg.inv(tensors + blur).astype(np.float64, copy=False)
