"""Which columns make a row anomalous, and what a normal row near it is."""

import numpy as np

from skdiffusion.detection.anomaly_model import AnomalyModel
from skdiffusion.detection.anomaly_scores import KernelScore, PatternScore

# Methods that a model explains rows by
EXPLAINING = ("patterns", "kernel")

# Of patterns to kernels: patterns name two columns that are wrong together, kernels a single one
PATTERN_WEIGHT = 4.0


def explaining_model(model):
    """Return the model that explains rows: of normal rows, by patterns and kernels."""
    share, methods = model.options.contamination, model.options.methods
    if not share and set(EXPLAINING) <= set(methods):
        return model
    # some of the anomalies pass for normal
    kept = model.held_out <= np.quantile(model.held_out, max(1 - 2 * share, 0.5))
    options = model.options._replace(methods=EXPLAINING, contamination=0.0)
    return AnomalyModel(model.X[:, kept], model.observed[kept], options)


def contributions(model, X):
    """Return how much each column of rows adds to their anomaly, zero where it is missing."""
    found = np.zeros((X.shape[1], model.options.groups.max() + 1))
    for rows, seen, known in model.by_gaps(X):
        columns, first = np.unique(seen.options.groups, return_index=True)
        effects = [score.effects(known)[:, first] for score in seen.scores_of(PatternScore)]
        given = [
            s.kernels.given_others(known[s.coordinate], seen.options.groups)[:, columns]
            for s in seen.scores_of(KernelScore)
        ]
        kernels = np.log1p(np.maximum(given, 0))
        parts = PATTERN_WEIGHT * np.mean(effects, axis=0) + np.mean(kernels, axis=0)
        found[np.ix_(rows, columns)] = parts
    return found


def marginal_surprise(model, X):
    """Return how improbable each cell is by itself, in nats, zero where it is missing."""
    scores = model.scores_of(KernelScore)
    parts = [s.kernels.by_themselves(X[s.coordinate], model.options.groups) for s in scores]
    return np.mean(parts, axis=0)


def repair(model, X, is_anomalous):
    """Return rows whose cells are replaced until none is anomalous, and by which columns."""
    X, groups = X.copy(), model.options.groups
    donors = model.X[:, ~is_anomalous(model.X)]
    changed = np.zeros((X.shape[1], groups.max() + 1), dtype=bool)
    active = np.flatnonzero(is_anomalous(X))
    while len(active):
        left = np.where(changed[active], -np.inf, contributions(model, X[:, active]))
        changed[active, left.argmax(1)] = True
        for i in active:
            given = ~changed[i][groups]
            apart = np.nan_to_num(donors[0] - X[0, i]) ** 2 @ given
            X[:, i, ~given] = donors[:, apart.argmin()][:, ~given]
        active = active[is_anomalous(X[:, active]) & ~changed[active].all(1)]
    return X, changed
