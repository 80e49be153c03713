"""A list of scores, each with leave-one-out scores of the training rows, calibrated and summed."""

import copy
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.detection.anomaly_scores import (
    DenoisingScore,
    KernelScore,
    NeighborScore,
    RobustScore,
    TrainingRows,
)
from skdiffusion.detection.row_density import RowKernels
from skdiffusion.training.presets import judging_net

METHODS = ("neighbors", "kernel", "denoise")

# Networks. Two thirds of the rows are enough to learn from, and three are not too slow.
N_FOLDS = 3

MIN_NEIGHBORS, MAX_NEIGHBORS = 50, 500
# Where anomalies are among the training rows, neighbours have to outnumber a group of them
ROBUST_SHARE = 0.1


# Where held-out scores are all alike; a smaller one would blow up rounding errors
MIN_SPREAD = 1e-3

# Of the z-score. From 0.03 to 1 it ranks anomalies about alike.
TAIL_SHARE = 0.2

N_DIGITS = 9

# Labelled anomalies that the equal weights count for
N_BORROWED = 5.0


class AnomalyOptions(NamedTuple):
    """How to learn."""

    methods: tuple[str, ...]
    contamination: float
    denoiser: Any  # DenoiserNet or None
    verbose: int
    groups: np.ndarray  # the column of each encoded feature


class AnomalyModel:
    """The scores in use, each with its scale, and their sum."""

    def __init__(self, Z, anomalies, options, rng):
        self.Z, self.anomalies, self.options = Z, anomalies, options
        self.fold = assign_folds(Z, N_FOLDS, rng)
        self.nets = []
        self._learn(rng)

    def extended(self, Z, anomalies, rng):
        """Return a model of more rows, whose networks train on."""
        model = copy.deepcopy(self)
        model.Z = np.concatenate([self.Z, Z])
        model.anomalies = np.concatenate([self.anomalies, anomalies])
        model.fold = assign_folds(model.Z, self.fold.max() + 1, rng, self.fold)
        model._learn(rng)
        return model

    def score(self, Z):
        """Return how anomalous rows are."""
        near = self.rows.near(Z)
        scores = self._on_scale(self._means(Z, near)) @ self.weights
        return _blend(scores, self.held_out, near)

    def fold_scores(self, Z):
        """Return how anomalous rows are to the networks of each fold by themselves."""
        near = self.rows.near(Z)
        n_folds, parts = self.fold.max() + 1, [score.evaluate(Z, near) for score in self.scores]
        parts = [np.broadcast_to(part, (n_folds, *part.shape[1:])) for part in parts]
        by_fold = [self._on_scale(part) @ self.weights for part in zip(*parts, strict=True)]
        return _blend(np.column_stack(by_fold), self.held_out[:, None], near)

    def profile(self, Z):
        """Return all scores at all their levels, each on the common scale."""
        near = self.rows.near(Z)
        return _blend(self._on_levels(self._means(Z, near)), self.held_out_profile, near)

    def _learn(self, rng):
        kernel_rng = np.random.RandomState(rng.randint(2**31 - 1))
        share = self.options.contamination
        wanted = np.clip(round(ROBUST_SHARE * len(self.Z)), MIN_NEIGHBORS, MAX_NEIGHBORS)
        self.rows = TrainingRows(self.Z, int(wanted) if share else 1)
        self.kernels = None if share else RowKernels(self.Z, kernel_rng)
        self.scores = [self._score(method, rng) for method in self.options.methods]
        held_out = [score.held_out for score in self.scores]
        self.scales = [HeldOutScale(levels.mean(1)) for levels in held_out]
        self.level_scales = [HeldOutScale(c) for c in np.concatenate(held_out, axis=1).T]
        self.held_out_profile = self._on_levels(held_out)
        normal = self._on_scale(held_out)
        self.weights = np.ones(len(held_out))
        if len(self.anomalies):
            labelled = self._on_scale(self._means(self.anomalies, self.rows.near(self.anomalies)))
            self.weights = combine_weights(normal, labelled)
        self.held_out = normal @ self.weights
        if share:
            # what is drawn, and held up as normal, shall not be anomalous
            kept = self.held_out <= np.quantile(self.held_out, 1 - share)
            self.kernels = RowKernels(self.Z[kept], kernel_rng)

    def _score(self, method, rng):
        if method == "neighbors":
            return NeighborScore(self.rows)
        if method == "kernel":
            return RobustScore(self.Z) if self.options.contamination else KernelScore(self.kernels)
        self._train(rng)
        return DenoisingScore(self.nets, self.Z, self.fold)

    def _train(self, rng):
        """Train a net for each fold on the rows of the others, or train it on."""
        n_nets = self.fold.max() + 1
        seen = [self.Z[(self.fold != k) | (n_nets == 1)] for k in range(n_nets)]
        if self.nets:
            for net, rows in zip(self.nets, seen, strict=True):
                net.continue_fit(rows)
            return
        gaussian = fit_gaussian(self.Z)
        for rows, seed in zip(seen, rng.randint(2**31 - 1, size=n_nets), strict=True):
            net = self._unfitted()
            if net.random_state is None:
                net.set_params(random_state=int(seed))
            self.nets.append(net.fit(rows, gaussian=gaussian, groups=self.options.groups))

    def _unfitted(self):
        net = self.options.denoiser
        net = judging_net(robust=self.options.contamination > 0) if net is None else clone(net)
        return net.set_params(verbose=max(net.verbose, self.options.verbose))

    def _means(self, Z, near):
        """Return each score of new rows, by all its networks together."""
        return [score.evaluate(Z, near).mean(0) for score in self.scores]

    def _on_scale(self, parts):
        means = zip(self.scales, parts, strict=True)
        return np.column_stack([scale(part.mean(1)) for scale, part in means])

    def _on_levels(self, parts):
        columns = np.concatenate(parts, axis=1).T
        return np.column_stack([s(c) for s, c in zip(self.level_scales, columns, strict=True)])


def _blend(values, held_out, near):
    """Pass over to what a training row gets without itself, as a row comes to be equal to it."""
    likeness = near.likeness.reshape(-1, *[1] * (values.ndim - 1))
    return (1 - likeness) * values + likeness * held_out[near.nearest]


def assign_folds(Z, n_folds, rng, earlier=()):
    """Assign rows to folds of about one size, equal rows to one; the first rows have theirs."""
    distinct, index = np.unique(Z, axis=0, return_inverse=True)
    earlier = np.asarray(earlier, dtype=np.intp)
    fold = np.full(len(distinct), -1)
    fold[index.ravel()[: len(earlier)]] = earlier
    new = np.flatnonzero(fold < 0)
    # rows that come one by one shall not all be held out by the first network
    smallest = np.argsort(np.bincount(earlier, minlength=n_folds), kind="stable")
    parts = np.array_split(new[rng.permutation(len(new))], min(n_folds, len(distinct)))
    for k, part in zip(smallest, parts, strict=False):
        fold[part] = k
    return fold[index.ravel()]


class HeldOutScale:
    """Bring scores to nats: minus the logarithm of how often held-out rows score as high."""

    def __init__(self, held_out):
        self.centre, upper = np.quantile(held_out, [0.5, 0.9])
        spread = upper - self.centre
        # most rows may be copies of others, all with the same score
        self.spread = spread if spread > 1e-9 else max(held_out.std(), MIN_SPREAD)
        # a rounding error shall not tell equal scores apart
        scores = np.round((held_out - self.centre) / self.spread, N_DIGITS)
        self.steps, counts = np.unique(scores, return_counts=True)
        as_high = counts[::-1].cumsum()[::-1]
        self.nats = -np.log((1 + as_high) / (1 + len(held_out)))

    def __call__(self, scores):
        """Return scores on the common scale."""
        distances = (scores - self.centre) / self.spread
        # lines between the steps make it continuous
        return np.interp(distances, self.steps, self.nats) + TAIL_SHARE * distances


def combine_weights(normal, anomalous):
    """Weigh scores by how well they tell labelled anomalies from normal rows."""
    n_scores = normal.shape[1]
    below = (normal[None] < anomalous[:, None]).mean((0, 1))
    above = (normal[None] > anomalous[:, None]).mean((0, 1))
    skill = np.maximum(below - above, 0.0) ** 2
    if skill.sum() == 0:
        return np.ones(n_scores)
    trust = len(anomalous) / (len(anomalous) + N_BORROWED)
    return (1 - trust) + trust * n_scores * skill / skill.sum()
