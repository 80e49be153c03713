"""Geometry of data sets, as pure functions on NumPy arrays."""

from skdiffusion.geometry.bandwidth import bandwidth_scott, bandwidth_silverman
from skdiffusion.geometry.dimension import (
    dimension_mle,
    dimension_pca,
    dimension_two_nn,
    intrinsic_dimension,
    noise_level,
)
from skdiffusion.geometry.geodesics import (
    farthest_points,
    geodesic_graph,
    geodesic_path,
    path_length,
    resample_path,
)
from skdiffusion.geometry.low_rank import LowRank, low_rank_factors
from skdiffusion.geometry.neighbors import neighbor_graph
from skdiffusion.geometry.planes import LocalPlanes, local_planes
from skdiffusion.geometry.tangents import tangent_basis
from skdiffusion.geometry.tensor import (
    riemannian_metric,
    tensor_covariance,
    tensor_euclidean,
    tensor_knn,
    tensor_local,
)

__all__ = [
    "local_planes",
    "LocalPlanes",
    "resample_path",
    "path_length",
    "geodesic_path",
    "geodesic_graph",
    "farthest_points",
    "LowRank",
    "bandwidth_scott",
    "bandwidth_silverman",
    "dimension_mle",
    "dimension_pca",
    "dimension_two_nn",
    "intrinsic_dimension",
    "low_rank_factors",
    "neighbor_graph",
    "noise_level",
    "riemannian_metric",
    "tangent_basis",
    "tensor_covariance",
    "tensor_euclidean",
    "tensor_knn",
    "tensor_local",
]
