"""The ways back from an embedding to rows.

A decoder is fitted to pairs of embedded rows ``w`` and rows ``x``. It predicts the mean of ``x``
given ``w``, knows what that leaves out of rows it was not fitted to, and draws ``x`` given ``w``.
"""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold

from skdiffusion.manifold.local_maps import LocalLinearRegressor
from skdiffusion.manifold.residuals import ResidualNoise

__all__ = ["Decoder", "LocalDecoder", "OwnDecoder", "RegressorDecoder", "seeded"]


class Decoder:
    """A mean, and residuals of held-out rows that are added to it in draws."""

    def __init__(self, n_neighbors):
        self.n_neighbors = n_neighbors

    def fit(self, W, X, rng):
        """Fit to embedded rows (n, n_components) and rows (n, n_features)."""
        self.residuals = X - self.fit_held_out(W, X, rng)
        self.fit_noise(W, self.residuals, rng)
        return self

    def fit_held_out(self, W, X, rng):
        """Fit, and return predictions of the rows that each was left out of."""
        raise NotImplementedError(f"{type(self).__name__} must define fit_held_out.")

    def predict(self, W):
        """Return the mean rows of embedded ones."""
        raise NotImplementedError(f"{type(self).__name__} must define predict.")

    def fit_noise(self, W, residuals, rng):
        """Learn what to add to a mean."""
        self.noise = ResidualNoise(W, residuals, self.n_neighbors)

    def draw_noise(self, W, rng):
        """Draw what to add to the mean of each embedded row."""
        return self.noise.draw(W, rng)

    def draw(self, W, rng):
        """Draw a row for each embedded one."""
        return self.predict(W) + self.draw_noise(W, rng)


class LocalDecoder(Decoder):
    """Linear maps over the nearest rows: cheap, and good where the embedding is smooth."""

    def fit_held_out(self, W, X, rng):
        """Fit the maps; leaving rows out costs nothing."""
        self.maps = LocalLinearRegressor(n_neighbors=self.n_neighbors).fit(W, X)
        return self.maps.loo_

    def fit(self, W, X, rng):
        """Fit to embedded rows (n, n_components) and rows (n, n_features)."""
        self.residuals = X - self.fit_held_out(W, X, rng)
        self.fit_noise(W, self.residuals / np.sqrt(1 + self.maps.leverage_)[:, None], rng)
        return self

    def predict(self, W):
        """Return the mean rows of embedded ones."""
        return self.maps.predict(W)

    def draw(self, W, rng):
        """Draw a row for each embedded one."""
        shares = self.maps.shares(W)
        size = np.sqrt(np.maximum(0, 1 - (shares.weights**2).sum(1)))
        return self.maps.apply(shares) + size[:, None] * self.draw_noise(W, rng)


class RegressorDecoder(Decoder):
    """Any regressor of scikit-learn, its residuals from folds."""

    def __init__(self, n_neighbors, regressor, n_folds):
        super().__init__(n_neighbors)
        self.regressor = regressor
        self.n_folds = n_folds

    def fit_held_out(self, W, X, rng):
        """Fit the regressor to all rows, and once more for each fold."""
        self.regressor = seeded(self.regressor, rng)
        held_out = np.empty_like(X)
        folds = KFold(min(self.n_folds, len(X)), shuffle=True, random_state=rng)
        for kept, out in folds.split(W):
            fitted = clone(self.regressor).fit(W[kept], X[kept])
            held_out[out] = fitted.predict(W[out]).reshape(len(out), -1)
        self.regressor.fit(W, X)
        return held_out

    def predict(self, W):
        """Return the mean rows of embedded ones."""
        return np.asarray(self.regressor.predict(W), dtype=np.float64).reshape(len(W), -1)


class OwnDecoder(Decoder):
    """The learner's own ``inverse_transform``; nothing is held out."""

    def __init__(self, n_neighbors, learner):
        super().__init__(n_neighbors)
        self.learner = learner

    def fit_held_out(self, W, X, rng):
        """Invert the training rows themselves."""
        return self.predict(W)

    def predict(self, W):
        """Return the mean rows of embedded ones."""
        return np.asarray(self.learner.inverse_transform(W), dtype=np.float64)


def seeded(estimator, rng):
    """Copy an estimator, with a seed where it takes one and has none."""
    copy = clone(estimator)
    seeds = {}
    for name, value in sorted(copy.get_params().items()):
        if (name == "random_state" or name.endswith("__random_state")) and value is None:
            seeds[name] = rng.randint(2**31 - 1)
    return copy.set_params(**seeds) if seeds else copy
