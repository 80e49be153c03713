"""Embeddings with a way back."""

from skdiffusion.manifold.autoencoder_embedding import AutoencoderEmbedding
from skdiffusion.manifold.invertible_embedding import InvertibleEmbedding
from skdiffusion.manifold.local_maps import LocalLinearRegressor

__all__ = ["AutoencoderEmbedding", "InvertibleEmbedding", "LocalLinearRegressor"]
