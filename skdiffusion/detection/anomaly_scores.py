"""The scores of a row, all in one form.

Each has a `name`, a `weight`, `held_out` (n,), scores of the training rows without themselves, and
`evaluate(X, near)` (m,) for new rows (2, m, n_features), in both coordinates, and what is nearest.
"""

import numpy as np
from sklearn.covariance import OAS
from sklearn.ensemble import IsolationForest

from skdiffusion.detection.calibration import HeldOutScale, on_scales
from skdiffusion.detection.column_patterns import balanced_patterns
from skdiffusion.detection.nearest import Nearest, log_distance
from skdiffusion.detection.row_density import RowKernels

COORDINATES = ("linear", "ranked")

# Training rows that new ones are compared to in each pattern of columns
MAX_PATTERN_ROWS = 1_000

# Of means over many patterns beside single scores. From 1 to 3 ranks anomalies alike.
PATTERN_WEIGHT = 2.0

# Steps towards the most compact half. More of them end in halves that are too compact.
N_CONCENTRATIONS = 3


class NeighborScore:
    """Logarithm of the distance to the nearest rows, in all columns."""

    name = "neighbors"
    weight = 1.0

    def __init__(self, X, nearest):
        self.nearest = nearest
        self.held_out = log_distance(nearest.held_out(X[0]))[:, 0]

    def evaluate(self, X, near):
        """Return the scores of new rows; `near` is what `Nearest.find` says of their distances."""
        found = near if self.nearest.n_neighbors == 1 else self.nearest.find(X[0])
        return log_distance(found[0])[:, 0]


class PatternScore:
    """Nats of the distances to the nearest rows in halves of the columns, on average."""

    weight = PATTERN_WEIGHT

    def __init__(self, X, coordinate, places, own):
        self.name, self.coordinate = f"patterns_{COORDINATES[coordinate]}", coordinate
        Z, (_, places) = X[coordinate], np.unique(places, return_inverse=True)
        masks = balanced_patterns(places.max() + 1)[:, places]
        self.nearest = Nearest(Z, masks, MAX_PATTERN_ROWS, dtype=np.float32)
        held_out = log_distance(self.nearest.held_out(own))
        self.scales = [HeldOutScale(column) for column in held_out.T]
        self.held_out = on_scales(self.scales, held_out.T).mean(1)

    def evaluate(self, X, near=None):
        return self._by_pattern(X).mean(1)

    def effects(self, X):
        """Return by how much patterns with a feature exceed those without it."""
        nats, masks = self._by_pattern(X), self.nearest.masks.astype(float)
        with_it, without = masks.sum(0), (1 - masks).sum(0)
        return nats @ (masks / with_it) - nats @ ((1 - masks) / np.maximum(without, 1))

    def _by_pattern(self, X):
        distances = self.nearest.find(X[self.coordinate])[0]
        return on_scales(self.scales, log_distance(distances).T)


class KernelScore:
    """Negative log-density of narrow kernels."""

    weight = 1.0

    def __init__(self, X, coordinate):
        self.name, self.coordinate = f"kernel_{COORDINATES[coordinate]}", coordinate
        self.kernels = RowKernels(X[coordinate])
        self.held_out = -self.kernels.leave_one_out()

    def evaluate(self, X, near=None):
        return -self.kernels.log_prob(X[self.coordinate])


class CompactScore:
    """Mahalanobis distance of ranks from the most compact half of the rows."""

    name = "kernel_ranked"
    weight = 1.0

    def __init__(self, X):
        Z, distances = X[1], (X[1] ** 2).sum(1)
        half = min(max(len(Z) // 2, 2), len(Z))
        for _ in range(N_CONCENTRATIONS):
            self.fitted = OAS().fit(Z[np.argsort(distances, kind="stable")[:half]])
            distances = self.fitted.mahalanobis(Z)
        self.held_out = self.evaluate(X)

    def evaluate(self, X, near=None):
        # its root and not its logarithm: from contaminated rows only the far ones can be told
        return np.sqrt(np.maximum(self.fitted.mahalanobis(X[1]), 0))


class ForestScore:
    """How few random splits isolate a row."""

    name = "patterns_forest"
    weight = PATTERN_WEIGHT

    def __init__(self, X):
        self.forest = IsolationForest(random_state=0).fit(X[0])
        self.held_out = self.evaluate(X)

    def evaluate(self, X, near=None):
        return -self.forest.score_samples(X[0])
