"""Detectors to compare, behind one interface, with larger scores for stranger rows.

A detector has ``fit(X)``, ``score(X)`` for new rows and ``training_score()`` for the rows of the
training, which leaves out the row that is scored where the method can. Some have
``contributions(X)``, the share of each cell in the anomaly of its row.
"""

from functools import cache, partial
from importlib.util import find_spec

import numpy as np
from scipy.special import logsumexp
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from skdiffusion import DiffusionAnomalyDetector

# One value for all sets where the training rows hold anomalies; their true share is not used.
CONTAMINATION = 0.1

OUR_METHODS = ("neighbors", "patterns", "kernel")


class Ours:
    """DiffusionAnomalyDetector with its defaults.

    Parameters
    ----------
    seed : int
        Its random state.
    contaminated : bool
        Whether it is told that training rows may be anomalies, by ``contamination=0.1``.
    **params
        Parameters other than the defaults.
    """

    def __init__(self, seed, contaminated, **params):
        contamination = CONTAMINATION if contaminated else "auto"
        self.model = DiffusionAnomalyDetector(
            contamination=contamination, random_state=seed, **params
        )

    def fit(self, X):
        self.model.fit(X)
        return self

    def score(self, X):
        return -self.model.score_samples(X)

    def training_score(self):
        return -self.model.training_scores_

    def contributions(self, X):
        return np.asarray(self.model.explain(X).contributions)


class Neighbours:
    """Mean distance to the k nearest training rows, of which a training row is none of its own."""

    def __init__(self, seed, contaminated, k=1):
        self.k = k

    def fit(self, X):
        self.X = X
        self.neighbours = NearestNeighbors(n_neighbors=min(self.k, len(X) - 1)).fit(X)
        return self

    def score(self, X):
        return self.neighbours.kneighbors(X)[0].mean(axis=1)

    def training_score(self):
        return self.neighbours.kneighbors()[0].mean(axis=1)

    def contributions(self, X):
        nearest = self.neighbours.kneighbors(X, n_neighbors=1, return_distance=False)[:, 0]
        return (X - self.X[nearest]) ** 2


class Plain:
    """A detector that scores its training rows as it does any."""

    def __init__(self, seed, contaminated):
        self.seed = seed

    def fit(self, X):
        self.X = X
        self.model = self.build(X).fit(X)
        return self

    def score(self, X):
        return -self.model.score_samples(X)

    def training_score(self):
        return self.score(self.X)

    def build(self, X):
        """Return the unfitted model for such rows."""
        raise NotImplementedError


class LocalFactor(Plain):
    """Local outlier factor of 20 neighbours."""

    def build(self, X):
        return LocalOutlierFactor(n_neighbors=min(20, len(X) - 1), novelty=True)

    def training_score(self):
        return -self.model.negative_outlier_factor_


class Forest(Plain):
    """Isolation forest of 100 trees, explained by permutation."""

    n_draws = 20

    def build(self, X):
        return IsolationForest(random_state=self.seed)

    def contributions(self, X):
        """Mean drop of the score where a cell is replaced by draws from its training column."""
        rng = np.random.RandomState(self.seed)
        n, d = X.shape
        drops = np.empty((n, d))
        before = self.score(X)
        for j in range(d):
            rows = np.repeat(X, self.n_draws, axis=0)
            rows[:, j] = rng.choice(self.X[:, j], len(rows))
            drops[:, j] = before - self.score(rows).reshape(n, self.n_draws).mean(axis=1)
        return drops


class Mixture(Plain):
    """Gaussian mixture of 10 full components."""

    def build(self, X):
        # with less regularisation, components collapse on a few rows
        n_components = min(10, len(X) // 2)
        return GaussianMixture(n_components, reg_covar=1e-3, random_state=self.seed)


class TailProbability(Plain):
    """ECOD (Li et al., TKDE 2022): the sum over columns of the rarer tail's surprise.

    New rows are ranked among training rows alone; in PyOD, a score depends on the batch.
    """

    def fit(self, X):
        self.X = X
        self.sorted = np.sort(X, axis=0)
        return self

    def score(self, X):
        n = len(self.sorted)
        total = np.zeros(len(X))
        for values, column in zip(self.sorted.T, X.T, strict=True):
            left = np.searchsorted(values, column, side="right")
            right = n - np.searchsorted(values, column, side="left")
            total -= np.log((np.minimum(left, right) + 1) / (n + 1))
        return total


class Histogram(Plain):
    """HBOS (Goldstein and Dengel, 2012): the sum over columns of minus a histogram's log-height."""

    n_bins = 10
    floor = 0.1  # what PyOD adds to each height

    def fit(self, X):
        self.X = X
        self.histograms = [np.histogram(column, self.n_bins, density=True) for column in X.T]
        return self

    def score(self, X):
        total = np.zeros(len(X))
        for (heights, edges), column in zip(self.histograms, X.T, strict=True):
            width = edges[1] - edges[0]
            slot = np.clip(np.floor((column - edges[0]) / width), 0, self.n_bins - 1).astype(int)
            near = (column >= edges[0] - width / 2) & (column <= edges[-1] + width / 2)
            height = np.where(near, heights[slot], heights.min())
            total -= np.log(height + self.floor)
        return total


class Lunar(Plain):
    """LUNAR (Goodge et al., AAAI 2022), PyOD's with its defaults."""

    def build(self, X):
        from pyod.models.lunar import LUNAR

        return LUNAR(random_state=self.seed, verbose=0)

    def score(self, X):
        return self.model.decision_function(X)

    def training_score(self):
        return self.model.decision_scores_


DETECTORS = {
    "ours": Ours,
    **{f"ours_{method}": partial(Ours, method=method) for method in OUR_METHODS},
    "knn1": Neighbours,
    "knn5mean": partial(Neighbours, k=5),
    "knn50mean": partial(Neighbours, k=50),
    "lof20": LocalFactor,
    "iforest": Forest,
    "ecod": TailProbability,
    "hbos": Histogram,
    "gmm10": Mixture,
}
if find_spec("pyod") and find_spec("numba"):
    DETECTORS["lunar"] = Lunar


@cache
def warm_up(make):
    """Have a detector import and compile what it needs, before a clock runs."""
    rows = np.random.RandomState(0).normal(size=(50, 3))
    make(0, False).fit(rows).score(rows)


# --- cells by themselves -------------------------------------------------------------------------


def marginal_kernels(train, X):
    """Minus the log-density of each cell under Gaussian kernels of Scott's bandwidth."""
    width = len(train) ** -0.2
    surprise = np.empty(X.shape)
    for j in range(X.shape[1]):
        apart = (X[:, j, None] - train[:, j]) / width
        surprise[:, j] = -logsumexp(-0.5 * apart**2, axis=1)
    return surprise
