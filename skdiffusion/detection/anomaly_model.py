"""A list of scores, each calibrated by leave-one-out scores of the training rows, and their sum."""

from typing import NamedTuple

import numpy as np

from skdiffusion.detection.anomaly_scores import (
    CompactScore,
    ForestScore,
    KernelScore,
    NeighborScore,
    PatternScore,
)
from skdiffusion.detection.calibration import HeldOutScale, on_scales
from skdiffusion.detection.coordinates import without_own_rank
from skdiffusion.detection.nearest import Nearest

METHODS = ("neighbors", "patterns", "kernel")

# Training rows that new ones are compared to in all columns: a tenth of a millisecond a row in all
MAX_ROWS = 8_000

MIN_NEIGHBORS, MAX_NEIGHBORS = 50, 500
# Where anomalies are among the training rows, neighbours have to outnumber a group of them
ROBUST_SHARE = 0.1

# Of the distance from a training row to its nearest neighbour, within which rows pass for it
HAIR = 0.1
# Up to this share of rows with a copy; beyond, to be equal to a row is not to be that row
MAX_COPIES = 0.01
ROUNDING = 1e-9

# Training rows that rows with gaps are compared to, as each pattern of gaps is calibrated anew
MAX_GAP_ROWS = 512
# Training rows without gaps that are enough to calibrate by them alone
MIN_OBSERVED = 50


class AnomalyOptions(NamedTuple):
    """What to score by."""

    methods: tuple[str, ...]
    contamination: float
    groups: np.ndarray  # the column of each feature
    places: np.ndarray  # features of the same place are in the same patterns


class AnomalyModel:
    """The scores in use, each on its scale, and their sum on a scale of its own."""

    def __init__(self, X, observed, options, own=None):
        self.X, self.observed, self.options = X, observed, options
        # of a part of the rows, too, ranks are those among all
        self.own = (X[0], without_own_rank(*X)) if own is None else own
        everything = np.ones((1, X.shape[2]), dtype=bool)
        self.nearest = Nearest(X[0], everything, MAX_ROWS)
        distances = self.nearest.held_out(X[0])[:, 0]
        self.hair = HAIR * distances * (np.mean(distances < ROUNDING) <= MAX_COPIES)
        self.scores = [score for method in options.methods for score in self._learn(method)]
        self.scales = [HeldOutScale(score.held_out) for score in self.scores]
        self.held_out_profile = on_scales(self.scales, [score.held_out for score in self.scores])
        self.weights = np.array([score.weight for score in self.scores])
        total = self.held_out_profile @ self.weights
        # filled cells are a little more alike than others
        whole = observed.all(1)
        self.calibrating = whole | (whole.sum() < MIN_OBSERVED)
        self.scale = HeldOutScale(total[self.calibrating], verdict=True)
        self.held_out = self.scale(total)

    def score(self, X):
        """Return how anomalous rows are, in nats; zero where all cells are missing."""
        values = np.zeros(X.shape[1])
        for rows, model, known in self.by_gaps(X):
            parts, near = model._evaluate(known)
            # filled rows are more alike than new ones are to them, by about the share of cells
            found = model.scale(parts @ model.weights) - np.log1p(1 - model.observed.mean())
            values[rows] = model._blend(found, model.held_out, near)
        return values

    def profile(self, X):
        """Return the scores one by one, in nats."""
        values = np.zeros((X.shape[1], len(self.scores)))
        for rows, model, known in self.by_gaps(X):
            parts, near = model._evaluate(known)
            values[rows] = model._blend(parts, model.held_out_profile, near)
        return values

    def scores_of(self, kind):
        return [score for score in self.scores if isinstance(score, kind)]

    def by_gaps(self, X):
        """Yield rows with the same gaps, the model of the other features, and these of the rows."""
        missing = np.isnan(X[0])
        if not missing.any():
            yield np.arange(X.shape[1]), self, X
            return
        patterns, index = np.unique(missing, axis=0, return_inverse=True)
        for k, gaps in enumerate(patterns):
            rows = np.flatnonzero(index.ravel() == k)
            if not gaps.all():
                model = self._seen_through(~gaps) if gaps.any() else self
                yield rows, model, X[:, rows][:, :, ~gaps]

    def _seen_through(self, present):
        """Return the model of some of the features, from a part of the rows."""
        options = self.options._replace(
            groups=self.options.groups[present], places=self.options.places[present]
        )
        rows = np.random.RandomState(0).permutation(self.X.shape[1])
        whole = self.observed[rows][:, present].all(1)
        rows = rows[whole if whole.sum() >= MIN_OBSERVED else slice(None)][:MAX_GAP_ROWS]
        X, observed = self.X[:, rows][:, :, present], self.observed[rows][:, present]
        own = [part[rows][:, present] for part in self.own]
        return AnomalyModel(X, observed, options, own)

    def _learn(self, method):
        """Return the scores of a method; those of contaminated rows withstand groups of them."""
        X, is_clean = self.X, not self.options.contamination
        if method == "neighbors":
            if is_clean:
                return [NeighborScore(X, self.nearest)]
            wanted = np.clip(round(ROBUST_SHARE * X.shape[1]), MIN_NEIGHBORS, MAX_NEIGHBORS)
            return [NeighborScore(X, Nearest(X[0], self.nearest.masks, MAX_ROWS, wanted))]
        if method == "patterns":
            places = self.options.places
            if is_clean:
                return [PatternScore(X, c, places, self.own[c]) for c in (0, 1)]
            return [ForestScore(X)]
        return [KernelScore(X, c) for c in (0, 1)] if is_clean else [CompactScore(X)]

    def _evaluate(self, X):
        """Return the scores of complete rows, in nats, and what is nearest to them."""
        near = self.nearest.find(X[0])
        return on_scales(self.scales, [score.evaluate(X, near) for score in self.scores]), near

    def _blend(self, values, held_out, near):
        """Pass over to what a training row gets without itself, as a row comes to equal it."""
        distances, rows = near[0][:, 0], near[1][:, 0]
        hair, likeness = self.hair[rows], np.zeros(len(rows))
        np.divide(hair - distances, hair, out=likeness, where=hair > distances)
        likeness = likeness.reshape(-1, *[1] * (values.ndim - 1))
        return (1 - likeness) * values + likeness * held_out[rows]
