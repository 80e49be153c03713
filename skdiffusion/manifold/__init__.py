"""Embeddings with a way back."""

from skdiffusion.manifold.autoencoder import AutoencoderEmbedding
from skdiffusion.manifold.embedding import InvertibleEmbedding
from skdiffusion.manifold.local_maps import LocalLinearRegressor

__all__ = ["AutoencoderEmbedding", "InvertibleEmbedding", "LocalLinearRegressor"]
