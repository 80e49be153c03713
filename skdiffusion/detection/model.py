"""What is learned of normal rows: their law, networks, and the scale of each score."""

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone

from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.detection.calibration import HeldOutScale, combine_weights
from skdiffusion.detection.ensemble import assign_folds, fit_nets, train_on
from skdiffusion.detection.kernels import KernelLaw, fit_robust_gaussian
from skdiffusion.detection.methods import (
    BROAD,
    KERNEL_LEVELS,
    KernelMethod,
    NeighborMethod,
    NetworkMethod,
    RobustMethod,
    feature_levels,
    network_functional,
)
from skdiffusion.detection.neighbors import NeighborMemory
from skdiffusion.training.net import DenoiserNet
from skdiffusion.training.presets import judging_net
from skdiffusion.training.time import TimeNet

__all__ = ["AnomalyModel", "ModelOptions"]

N_FOLDS = 3
"""Networks. Two thirds of the rows are enough to learn from, and three are not too slow."""

MIN_ROBUST_NEIGHBORS, MAX_ROBUST_NEIGHBORS = 50, 500
ROBUST_SHARE = 0.1
"""Where anomalies are among the training rows, neighbours have to outnumber a group of them."""

MAX_IDENTICAL = 0.01
"""Up to this share of rows with a copy, a row equal to one in memory is taken to be that row."""

N_DIGITS = 9
"""After which codes count as equal; those of cells that were filled vary a little by batch."""

N_PROBES = 16
N_TIME_EPOCHS = 10


class ModelOptions(NamedTuple):
    """How to learn."""

    methods: tuple[str, ...]
    robust: float = 0.0  # the expected share of anomalies among the training rows
    denoiser: Any = None  # DenoiserNet or None
    n_neighbors: int | str = "auto"
    verbose: int = 0


class AnomalyModel:
    """The methods in use, each with its scale."""

    def __init__(self, Z, anomalies, options, rng, groups, earlier=None):
        self.Z, self.anomalies, self.options, self.groups = Z, anomalies, options, groups
        self.fold = assign_folds(Z, N_FOLDS, rng)
        self.nets = {}
        # an earlier model of very few rows had fewer networks
        if earlier is not None and earlier.fold.max() == self.fold.max():
            self.nets = earlier.nets
            self.fold = earlier.folds_of(Z, self.fold)
        self._learn(rng)

    def extended(self, Z, anomalies, rng):
        """Return a model of more rows: they join the memory, and the networks train on."""
        model = copy.deepcopy(self)
        fold = assign_folds(Z, self.fold.max() + 1, rng) if len(Z) else self.fold[:0]
        # rows that come one by one would otherwise all be held out by the first network
        smallest = np.argsort(np.bincount(self.fold), kind="stable")
        model.fold = np.concatenate([self.fold, self.folds_of(Z, smallest[fold])])
        model.Z = np.concatenate([self.Z, Z])
        model.anomalies = np.concatenate([self.anomalies, anomalies])
        model._learn(rng)
        return model

    def folds_of(self, Z, otherwise):
        """Return the folds of rows, so that no network judges a row of which it has seen a copy."""
        seen = {row.tobytes(): k for row, k in zip(_keys(self.Z), self.fold, strict=True)}
        rows = zip(_keys(Z), otherwise, strict=True)
        return np.array([seen.get(row.tobytes(), k) for row, k in rows], dtype=np.intp)

    def time_levels(self, default):
        """Return the noise levels of the learned diffusion time, or else the default."""
        times = self._time_models()
        return times[0].levels_ if times else default

    def time_log_posterior(self, Z):
        """Return the learned log-posterior over noise levels, None where none is learned."""
        times = self._time_models()
        if not times:
            return None
        return np.log(np.mean([np.exp(time.log_posterior(Z)) for time in times], axis=0))

    def profile(self, Z):
        """Return the scores of all methods at all their levels, each on the common scale."""
        return self._recognised(Z, self._evaluate, self.held_out_profile)

    def score(self, Z):
        """Return how anomalous rows are."""
        return self._recognised(Z, self._combine_new, self.anomaly)

    def neighbor_distances(self, Z):
        """Return the distances of rows to their neighbours in memory."""
        return self._recognised(Z, self.memory.distances, self.memory.held_out)

    def fold_scores(self, Z):
        """Return how anomalous rows are to the networks of each fold by themselves."""
        held_out = np.repeat(self.anomaly[:, None], self.fold.max() + 1, axis=1)
        return self._recognised(Z, self._evaluate_folds, held_out)

    @property
    def profile_names(self):
        """Names of the columns of the profile."""
        return [name for method in self.methods for name in method.names]

    def _learn(self, rng):
        law_rng = np.random.RandomState(rng.randint(2**31 - 1))
        self.trained = set()
        self.memory = NeighborMemory(self.Z, self._n_neighbors())
        self.law = KernelLaw(self.Z, law_rng, KERNEL_LEVELS)
        self.methods = [self._method(name, rng) for name in self.options.methods]
        held_out = [method.held_out for method in self.methods]
        self.scales = [HeldOutScale(profile.mean(1)) for profile in held_out]
        self.level_scales = [[HeldOutScale(c) for c in profile.T] for profile in held_out]
        self.held_out_profile = self._on_levels(held_out)
        normal = self._on_scale(held_out)
        labelled = normal[:0]
        if len(self.anomalies):
            labelled = self._on_scale([method.evaluate(self.anomalies) for method in self.methods])
        self.weights = combine_weights(normal, labelled)
        self.anomaly = normal @ self.weights
        self._remember()
        if self.options.robust:
            # what is drawn, and held up as normal, shall not be anomalous
            kept = self.anomaly <= np.quantile(self.anomaly, 1 - self.options.robust)
            self.law = KernelLaw(self.Z[kept], law_rng)

    def _time_models(self):
        names = self.options.methods
        return self.methods[names.index("time")].models if "time" in names else []

    def _n_neighbors(self):
        if self.options.n_neighbors != "auto":
            return self.options.n_neighbors
        if not self.options.robust:
            return 1
        wanted = round(ROBUST_SHARE * len(self.Z))
        return min(max(wanted, MIN_ROBUST_NEIGHBORS), MAX_ROBUST_NEIGHBORS)

    def _method(self, name, rng):
        if name == "time_np":
            return NeighborMethod(self.memory)
        if name == "kernel":
            if self.options.robust:
                return RobustMethod(fit_robust_gaussian(self.Z), self.Z)
            return KernelMethod(self.law)
        nets = self._fitted("broad" if name in BROAD else "judging", rng)
        models = self._times(nets, rng) if name == "time" else [net.denoiser() for net in nets]
        signs = 2.0 * rng.randint(2, size=(N_PROBES, self.Z.shape[1])) - 1.0
        functional, names = network_functional(
            name,
            sigma_min=nets[0].sigma_min,
            sigma_max=nets[0].sigma_max,
            feature_sigmas=feature_levels(self.Z),
            gaussian=fit_gaussian(self.Z),
            probes=torch.from_numpy(signs),
        )
        return NetworkMethod(names, functional, models, self.Z, self.fold)

    def _fitted(self, kind, rng):
        """Return the nets of a kind, trained once for each call of `_learn`."""
        robust = bool(self.options.robust)
        key = (kind, robust) if self.options.denoiser is None else ("given", False)
        if key not in self.nets:
            self.nets[key] = self._fit_nets(*key, rng)
        elif key not in self.trained:
            train_on(self.nets[key], self.Z, self.fold)
        self.trained.add(key)
        return self.nets[key]

    def _fit_nets(self, kind, robust, rng):
        if kind == "judging":
            net = judging_net(robust=robust)
        elif kind == "broad":
            net = DenoiserNet(criterion__trim=0.2 if robust else 0.0)
        else:
            net = clone(self.options.denoiser)
        net.set_params(verbose=max(net.verbose, self.options.verbose))
        groups = np.unique(self.groups, return_inverse=True)[1]
        return fit_nets(net, self.Z, self.fold, rng, gaussian=fit_gaussian(self.Z), groups=groups)

    def _times(self, nets, rng):
        times = []
        for k, net in enumerate(nets):
            rows = self.Z[self.fold != k] if len(nets) > 1 else self.Z
            seed = int(rng.randint(2**31 - 1))
            times.append(
                TimeNet(max_epochs=N_TIME_EPOCHS, random_state=seed).fit(
                    rows, denoiser=net.denoiser()
                )
            )
        return times

    def _evaluate(self, Z):
        return self._on_levels([method.evaluate(Z) for method in self.methods])

    def _combine_new(self, Z):
        return self._on_scale([method.evaluate(Z) for method in self.methods]) @ self.weights

    def _evaluate_folds(self, Z):
        n_folds = self.fold.max() + 1
        profiles = [
            method.evaluate_each(Z)
            if isinstance(method, NetworkMethod)
            else [method.evaluate(Z)] * n_folds
            for method in self.methods
        ]
        by_fold = zip(*profiles, strict=True)
        return np.column_stack([self._on_scale(profile) @ self.weights for profile in by_fold])

    def _on_scale(self, profiles):
        means = zip(self.scales, profiles, strict=True)
        return np.column_stack([scale(profile.mean(1)) for scale, profile in means])

    def _on_levels(self, profiles):
        return np.column_stack(
            [
                scale(column)
                for scales, profile in zip(self.level_scales, profiles, strict=True)
                for scale, column in zip(scales, profile.T, strict=True)
            ]
        )

    def _remember(self):
        """Note the training rows, unless many are equal: then equal is not the same."""
        keys = _keys(self.Z)
        distinct, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        # copies are judged alike, though one may have a kernel and another none
        same = first[index.ravel()]
        self.anomaly, self.held_out_profile = self.anomaly[same], self.held_out_profile[same]
        self.known = {}
        if len(distinct) >= (1 - MAX_IDENTICAL) * len(self.Z):
            known = zip(distinct, first.tolist(), strict=True)
            self.known = {row.tobytes(): i for row, i in known}

    def _recognised(self, Z, function, held_out):
        """Apply a function to new rows, and look up those that are in memory."""
        Z = np.ascontiguousarray(Z)
        index = np.array([self.known.get(row.tobytes(), -1) for row in _keys(Z)], dtype=np.intp)
        values = np.empty((len(Z), *held_out.shape[1:]))
        values[index >= 0] = held_out[index[index >= 0]]
        if (index < 0).any():
            values[index < 0] = function(Z[index < 0])
        return values


def _keys(Z):
    """Return codes that are equal in bytes where rows are equal: without rounding or minus zero."""
    return np.round(Z, N_DIGITS) + 0.0
