"""Embeddings with a way back."""

from skdiffusion.manifold.autoencoder_embedding import AutoencoderEmbedding
from skdiffusion.manifold.invertible_embedding import InvertibleEmbedding
from skdiffusion.manifold.surface import (
    distance_to_manifold,
    explore,
    interpolate,
    intrinsic_dimension,
    local_metric,
    tangent_space,
    trajectory,
    traverse,
)

__all__ = [
    "distance_to_manifold",
    "explore",
    "interpolate",
    "intrinsic_dimension",
    "local_metric",
    "tangent_space",
    "trajectory",
    "traverse",
    "AutoencoderEmbedding",
    "InvertibleEmbedding",
]
