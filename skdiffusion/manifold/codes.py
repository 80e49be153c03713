"""Embeddings between the codes of a table and what a denoiser sees.

Each class stands for a fitted :class:`~skdiffusion.tables.TableEncoder` and answers as it would,
but codes rows in another way: by the coordinates of an embedding alone, or besides their own codes,
or decodes them through it. What it does not know better it asks the encoder.
"""

import numpy as np

__all__ = ["HierarchicalCodes", "LatentCodes", "ProjectedCodes"]

# in units of the embedding's standard deviation: wide enough for differences that rounding does
# not reach, small enough for a straight line
STEP = 1e-3


class EmbeddedCodes:
    """What the three have in common."""

    def __init__(self, encoder, embedding, numbers):
        self.encoder = encoder
        self.embedding = embedding
        self.numbers = numbers
        self.others = np.setdiff1d(np.arange(encoder.n_codes_), numbers)
        W = embedding.embedding_
        self.centre, self.scale = W.mean(0), np.sqrt(W.var(0).mean()) or 1.0
        self.n_latent = W.shape[1]

    def __getattr__(self, name):
        # copying and pickling ask before there is an encoder
        if name.startswith("__") or name == "encoder":
            raise AttributeError(name)
        return getattr(self.encoder, name)

    def embed(self, Z):
        """Return the coordinates of codes (n, n_codes) in the embedding, of shape (n, n_latent)."""
        numbers = Z[:, self.numbers]
        if np.isnan(numbers).any():
            raise ValueError(
                "Rows with missing numbers have no place in an embedding: fill them first, for "
                "example with DiffusionImputer, or fit with manifold=None."
            )
        return (self.embedding.transform(numbers) - self.centre) / self.scale

    def unembed(self, W, rng=None):
        """Return the numbers at coordinates, with residual noise where there is a source of it."""
        W = W * self.scale + self.centre
        if rng is None:
            return self.embedding.inverse_transform(W)
        return self.embedding.sample_inverse(W, random_state=rng)

    def dequantize(self, Z, random_state=None):
        """Codes have been spread before they were embedded."""
        return Z


class LatentCodes(EmbeddedCodes):
    """The coordinates of the numbers in an embedding, then the other codes."""

    @property
    def n_codes_(self):
        return self.n_latent + len(self.others)

    @property
    def groups_(self):
        own = self.encoder.groups_[self.others]
        return np.concatenate([3 * self.encoder.n_features_in_ + np.arange(self.n_latent), own])

    @property
    def is_indicator_(self):
        own = self.encoder.is_indicator_[self.others]
        return np.concatenate([np.zeros(self.n_latent, dtype=bool), own])

    def level_blocks(self):
        """Return the categories, at their new positions."""
        blocks = self.encoder.level_blocks()
        return [(self.n_latent + np.searchsorted(self.others, c), v) for c, v in blocks]

    def void_codes(self, Z):
        """All coordinates say something."""
        whole = np.zeros((len(Z), self.encoder.n_codes_))
        whole[:, self.others] = Z[:, self.n_latent :]
        void = self.encoder.void_codes(whole)[:, self.others]
        return np.concatenate([np.zeros((len(Z), self.n_latent), dtype=bool), void], axis=1)

    def encode(self, Z):
        """Return the codes here of codes of the encoder."""
        return np.concatenate([self.embed(Z), Z[:, self.others]], axis=1)

    def decode(self, W, rng=None):
        """Return codes of the encoder."""
        Z = np.empty((len(W), self.encoder.n_codes_))
        Z[:, self.numbers] = self.unembed(W[:, : self.n_latent], rng)
        Z[:, self.others] = W[:, self.n_latent :]
        return Z

    def transform(self, X):
        return self.encode(self.encoder.transform(X))

    def inverse_transform(self, W, random_state=None):
        return self.encoder.inverse_transform(self.decode(W, random_state), random_state)

    def _decode(self, W, random_state=None, settled=None):
        return self.encoder._decode(self.decode(W, random_state), random_state, settled)

    def log_volume(self, X, sigma):
        """Add what the embedding does to volumes, and how likely the residuals are."""
        Z = self.encoder.transform(X)
        W = self.embed(Z)
        return (
            self.encoder.log_volume(X, sigma)
            - self._log_stretch(W)
            + self._log_residual(Z[:, self.numbers] - self.unembed(W))
        )

    def _log_stretch(self, W):
        columns = []
        for j in range(self.n_latent):
            step = np.zeros(self.n_latent)
            step[j] = STEP
            columns.append((self.unembed(W + step) - self.unembed(W - step)) / (2 * STEP))
        jacobian = np.stack(columns, axis=2)
        values = np.linalg.svd(jacobian, compute_uv=False)
        return np.log(np.maximum(values, np.finfo(float).tiny)).sum(1)

    def _log_residual(self, residuals):
        n_across = len(self.numbers) - self.n_latent
        if n_across <= 0:
            return 0.0
        variance = np.mean(np.sum(self.embedding.residuals_**2, axis=1)) / n_across
        variance = max(variance, np.finfo(float).tiny)
        squares = (residuals**2).sum(1) / variance
        return -(squares + n_across * np.log(2 * np.pi * variance)) / 2


class HierarchicalCodes(EmbeddedCodes):
    """The codes of a row, then the coordinates of its numbers in an embedding."""

    @property
    def n_codes_(self):
        return self.encoder.n_codes_ + self.n_latent

    @property
    def groups_(self):
        own = 3 * self.encoder.n_features_in_ + np.arange(self.n_latent)
        return np.concatenate([self.encoder.groups_, own])

    @property
    def is_indicator_(self):
        return np.concatenate([self.encoder.is_indicator_, np.zeros(self.n_latent, dtype=bool)])

    @property
    def coarse(self):
        """Which codes are drawn first."""
        return np.arange(self.n_codes_) >= self.encoder.n_codes_

    def void_codes(self, Z):
        """The coordinates follow from the codes, and have no density beside them."""
        void = self.encoder.void_codes(Z[:, : self.encoder.n_codes_])
        return np.concatenate([void, np.ones((len(Z), self.n_latent), dtype=bool)], axis=1)

    def encode(self, Z):
        """Return the codes here of codes of the encoder."""
        return np.concatenate([Z, self.embed(Z)], axis=1)

    def transform(self, X):
        return self.encode(self.encoder.transform(X))

    def inverse_transform(self, W, random_state=None):
        return self.encoder.inverse_transform(W[:, : self.encoder.n_codes_], random_state)

    def _decode(self, W, random_state=None, settled=None):
        return self.encoder._decode(W[:, : self.encoder.n_codes_], random_state, settled)


class ProjectedCodes(EmbeddedCodes):
    """The codes of the encoder, whose numbers pass through the embedding on the way back."""

    def encode(self, Z):
        """Codes stay as they are."""
        return Z

    def _decode(self, Z, random_state=None, settled=None):
        Z = Z.copy()
        Z[:, self.numbers] = self.unembed(self.embed(Z), random_state)
        return self.encoder._decode(Z, random_state, settled)
