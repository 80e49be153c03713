"""Geometry of data sets, as pure functions on NumPy arrays."""

from skdiffusion.geometry.bandwidth import bandwidth_scott, bandwidth_silverman
from skdiffusion.geometry.low_rank import LowRank, low_rank_factors
from skdiffusion.geometry.neighbors import neighbor_graph
from skdiffusion.geometry.tensor import (
    riemannian_metric,
    tensor_covariance,
    tensor_euclidean,
    tensor_knn,
    tensor_local,
)

__all__ = [
    "LowRank",
    "bandwidth_scott",
    "bandwidth_silverman",
    "low_rank_factors",
    "neighbor_graph",
    "riemannian_metric",
    "tensor_covariance",
    "tensor_euclidean",
    "tensor_knn",
    "tensor_local",
]
