"""Encoders of tables whose numbers pass through an embedding.

Each has the interface of the fitted :class:`~skdiffusion.TableEncoder` that it stands for, and
hands on to it what it does not do itself.
"""

import numpy as np

from skdiffusion.manifold.embedding import refuse_gaps

# in units of the embedding's standard deviation: wide enough for differences that rounding does
# not reach, small enough for a straight line
STEP = 1e-3


class ProjectedEncoder:
    """The encoder's features, whose numbers pass through the embedding where rows are drawn."""

    def __init__(self, encoder, embedding, numbers):
        self.encoder = encoder
        self.embedding = embedding
        self.numbers = numbers
        W = embedding.embedding_
        self.centre, self.scale = W.mean(0), np.sqrt(W.var(0).mean()) or 1.0
        self.n_latent = W.shape[1]

    def __getattr__(self, name):
        # copying and pickling ask before there is an encoder
        if name.startswith("__") or name == "encoder":
            raise AttributeError(name)
        return getattr(self.encoder, name)

    def embed(self, Z):
        """Return the coordinates (n, n_latent) of encoded rows in the embedding."""
        numbers = Z[:, self.numbers]
        refuse_gaps(numbers)
        return (self.embedding.transform(numbers) - self.centre) / self.scale

    def unembed(self, W, rng=None):
        """Return the numbers at coordinates, with residual noise where there is a source of it."""
        W = W * self.scale + self.centre
        if rng is None:
            return self.embedding.inverse_transform(W)
        return self.embedding.sample_inverse(W, random_state=rng)

    def reencode(self, Z):
        """Return the features here of rows of the encoder."""
        return Z

    def restore(self, W, rng=None):
        """Return the encoder's rows, their numbers on the embedded manifold."""
        Z = W.copy()
        Z[:, self.numbers] = self.unembed(self.embed(Z), rng)
        return Z

    def decode_table(self, W, rng=None, cells=None):
        """Decode to a table, with some cells as given."""
        return self.encoder.decode_table(self.restore(W, rng), rng, cells)

    def decode_codes(self, W):
        """Return rows as numbers by column, and which are of categories."""
        return self.encoder.decode_codes(self.restore(W))

    def decode_cells(self, W, settled=None):
        """Return the cells of rows by column."""
        return self.encoder.decode_cells(self.restore(W), settled)

    def decode_coded(self, W):
        """Return the cells of rows by column, of relations as they are coded."""
        return self.encoder.decode_coded(self.restore(W))


class LatentEncoder(ProjectedEncoder):
    """The coordinates of the numbers in an embedding, then the `kept` other features of the row."""

    def __init__(self, encoder, embedding, numbers):
        super().__init__(encoder, embedding, numbers)
        self.kept = np.setdiff1d(np.arange(encoder.n_encoded_), numbers)
        self.n_encoded_ = self.n_latent + len(self.kept)
        coordinates = 3 * encoder.n_features_in_ + np.arange(self.n_latent)
        self.groups_ = np.concatenate([coordinates, encoder.groups_[self.kept]])
        self.is_indicator_ = np.pad(encoder.is_indicator_[self.kept], (self.n_latent, 0))

    def category_blocks(self):
        """Return the categories, at their new positions."""
        blocks = self.encoder.category_blocks()
        return [(self.n_latent + np.searchsorted(self.kept, c), v) for c, v in blocks]

    def features_of_column(self, j):
        """Return the positions of a column's features; raise if the embedding took it in."""
        own = self.encoder.features_of_column(j)
        if not np.isin(own, self.kept).all():
            raise ValueError(
                "An embedding took the column in, so that it has no features to be conditioned "
                "on: use coupling='project'."
            )
        return self.n_latent + np.searchsorted(self.kept, own)

    def void_features(self, Z):
        """Flag features that say nothing."""
        whole = np.zeros((len(Z), self.encoder.n_encoded_))
        whole[:, self.kept] = Z[:, self.n_latent :]
        void = self.encoder.void_features(whole)[:, self.kept]
        return np.pad(void, ((0, 0), (self.n_latent, 0)))

    def encode_columns(self, columns):
        """Encode columns that have been read."""
        return self.reencode(self.encoder.encode_columns(columns))

    def encode_known(self, columns, places):
        """Encode the columns that the embedding did not take in; raise for others."""
        for j in places:
            self.features_of_column(j)
        own = self.encoder.encode_columns(columns)[:, self.kept]
        return np.pad(own, ((0, 0), (self.n_latent, 0)), constant_values=np.nan)

    def transform(self, X):
        """Encode rows."""
        return self.reencode(self.encoder.transform(X))

    def encoded_noise(self, columns, noise):
        """Raise: coordinates bend along the embedding, and noise in them is no number."""
        raise ValueError("Rows with coordinates of an embedding cannot be denoised.")

    def inverse_transform(self, X, random_state=None):
        """Decode to a table."""
        return self.decode_table(X, random_state)

    def reencode(self, Z):
        return np.concatenate([self.embed(Z), Z[:, self.kept]], axis=1)

    def restore(self, W, rng=None):
        Z = np.empty((len(W), self.encoder.n_encoded_))
        Z[:, self.numbers] = self.unembed(W[:, : self.n_latent], rng)
        Z[:, self.kept] = W[:, self.n_latent :]
        return Z

    def log_volume_of(self, columns, sigma):
        """Add what the embedding does to volumes, and how likely the residuals are."""
        Z = self.encoder.encode_columns(columns)
        W = self.embed(Z)
        residual = self._log_residual(Z[:, self.numbers] - self.unembed(W))
        return self.encoder.log_volume_of(columns, sigma) - self._log_stretch(W) + residual

    def _log_stretch(self, W):
        steps = STEP * np.eye(self.n_latent)
        sides = [(self.unembed(W + step) - self.unembed(W - step)) / (2 * STEP) for step in steps]
        values = np.linalg.svd(np.stack(sides, axis=2), compute_uv=False)
        return np.log(np.maximum(values, np.finfo(float).tiny)).sum(1)

    def _log_residual(self, residuals):
        n_across = len(self.numbers) - self.n_latent
        if n_across <= 0:
            return 0.0
        variance = np.mean(np.sum(self.embedding.residuals_**2, axis=1)) / n_across
        variance = max(variance, np.finfo(float).tiny)
        squares = (residuals**2).sum(1) / variance
        return -(squares + n_across * np.log(2 * np.pi * variance)) / 2
