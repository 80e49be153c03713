"""The ways to judge a row, all in one form: a profile over noise levels, whose mean is the score.

Each method has ``evaluate(Z) -> (m, n_levels)`` for new rows and `held_out`, the same for the
training rows, each found without itself.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from skdiffusion.detection.ensemble import held_out
from skdiffusion.diffusion.functionals import (
    contraction,
    denoising_error,
    reconstruction,
    score_norm,
)
from skdiffusion.diffusion.grid import karras
from skdiffusion.diffusion.likelihood import log_density
from skdiffusion.diffusion.time import diffusion_time_np

__all__ = [
    "BROAD",
    "KERNEL_LEVELS",
    "METHODS",
    "KernelMethod",
    "NeighborMethod",
    "NetworkMethod",
    "RobustMethod",
    "feature_levels",
    "network_functional",
]

BROAD = ("score", "contract", "reconstruct", "likelihood")
"""Methods of a network that is trained at noise levels from small to large."""

METHODS = ("denoise", "time", "time_np", "kernel", *BROAD)

KERNEL_LEVELS = (0.01, 0.1)
"""Noise levels of the kernel law, in standard deviations. More of them between change little."""

RESOLUTION = 0.01
"""Distances per column below this many standard deviations count alike: copies of a training row
are near, but not infinitely so."""

TINY = 1e-12
CHUNK_ROWS = 2048


def _in_chunks(function, Z):
    """Apply a function of rows to pieces of a bounded size."""
    pieces = [Z[start : start + CHUNK_ROWS] for start in range(0, len(Z), CHUNK_ROWS)]
    return np.concatenate([function(piece) for piece in pieces])


class NeighborMethod:
    """Non-parametric diffusion time: the noise level that the nearest rows suggest."""

    def __init__(self, memory):
        self.memory = memory
        self.names = [f"time_np_{memory.n_neighbors}"]

    def evaluate(self, Z):
        return self._log_time(_in_chunks(self.memory.distances, Z))

    @property
    def held_out(self):
        return self._log_time(self.memory.held_out)

    def _log_time(self, distances):
        time = diffusion_time_np(torch.from_numpy(distances**2), self.memory.Z.shape[1]).numpy()
        return 0.5 * np.log(time**2 + RESOLUTION**2)[:, None]


class KernelMethod:
    """Negative log-density of the kernel law, noised by a little and by more."""

    def __init__(self, law):
        self.law = law
        self.names = [f"kernel_{level:g}" for level in KERNEL_LEVELS]

    def evaluate(self, Z):
        return np.column_stack([-self.law.log_prob(Z, level) for level in KERNEL_LEVELS])

    @property
    def held_out(self):
        levels = [-self.law.leave_one_out(level) for level in KERNEL_LEVELS]
        return np.column_stack(levels)


class RobustMethod:
    """Mahalanobis distance under a Gaussian of the most likely half of the rows."""

    names = ("kernel_robust",)

    def __init__(self, gaussian, Z):
        self.gaussian, self.Z = gaussian, Z

    def evaluate(self, Z):
        peak = self._log_prob(self.gaussian.mean[None])
        squares = 2 * (peak - self._log_prob(torch.from_numpy(Z)))
        # its root and not its logarithm: from contaminated rows only the far ones can be told
        return (squares / Z.shape[1]).clamp_min(0).sqrt().numpy()[:, None]

    @property
    def held_out(self):
        return self.evaluate(self.Z)

    def _log_prob(self, x):
        return self.gaussian.log_prob(x, torch.tensor(RESOLUTION, dtype=torch.float64))


class NetworkMethod:
    """A functional of networks, of which each training row has one that has not seen it."""

    def __init__(self, names, functional, models, Z, fold):
        self.names, self.functional, self.models = names, functional, models
        self.Z, self.fold = Z, fold

    def evaluate(self, Z):
        return self.evaluate_each(Z).mean(0)

    def evaluate_each(self, Z):
        """Return what each network says of new rows, as (n_folds, m, n_levels)."""
        return np.stack([self._judge(model, Z) for model in self.models])

    @property
    def held_out(self):
        return held_out(self.models, self._judge, self.Z, self.fold)

    def _judge(self, model, Z):
        return _in_chunks(lambda rows: self.functional(model, rows), Z)


class Setting(NamedTuple):
    """What functionals of networks need to know besides the network."""

    levels: torch.Tensor
    sigma_min: float
    sigma_max: float
    feature_sigmas: torch.Tensor
    gaussian: Any
    probes: torch.Tensor


def network_functional(name, *, sigma_min, sigma_max, feature_sigmas, gaussian, probes):
    """Return a functional of networks by name, and the names of its levels."""
    low = max(sigma_min, 0.02)
    high = min(sigma_max, 10 * low)
    function, several = {
        "denoise": (_denoise, (low**0.75 * high**0.25, low**0.25 * high**0.75)),
        "score": (_score, ()),
        "contract": (_contract, (0.1, 0.3)),
        "reconstruct": (_reconstruct, (0.3, 1.0)),
        "likelihood": (_likelihood, ()),
        "time": (_time, ()),
    }[name]
    setting = Setting(
        torch.tensor(several, dtype=torch.float64),
        sigma_min,
        sigma_max,
        torch.from_numpy(feature_sigmas),
        gaussian,
        probes,
    )
    # functions of a module, unlike those made here, can be pickled
    functional = partial(function, setting)
    return functional, [f"{name}_{level:.2g}" for level in several] or [name]


def _denoise(setting, model, Z):
    x = torch.from_numpy(Z)
    return 0.5 * _log(denoising_error(model, x, setting.levels).rows / x.shape[1])


def _score(setting, model, Z):
    x = torch.from_numpy(Z)
    return 0.5 * _log(score_norm(model, x, setting.feature_sigmas).rows[:, None] / x.shape[1])


def _contract(setting, model, Z):
    x, levels = torch.from_numpy(Z), setting.levels.tolist()
    rates = [contraction(model, x, level, probes=setting.probes).rows for level in levels]
    return torch.stack(rates, dim=1).numpy()


def _reconstruct(setting, model, Z):
    x = torch.from_numpy(Z)
    found = [reconstruction(model, x, level).rows for level in setting.levels.tolist()]
    return 0.5 * _log(torch.stack(found, dim=1) / x.shape[1])


def _likelihood(setting, model, Z):
    grid = karras(setting.sigma_min, setting.sigma_max, 24, final_zero=False)
    x = torch.from_numpy(Z)
    log_prob = log_density(model, x, grid, setting.gaussian, probes=setting.probes)
    return -log_prob[:, None].numpy()


def _time(setting, model, Z):
    return np.exp(model.log_posterior(Z)) @ np.log(model.levels_)[:, None]


def feature_levels(Z):
    """Noise levels for each column that grow with the weight of its tails."""
    low, high = np.quantile(Z, [0.02, 0.98], axis=0)
    inside = (low <= Z) & (high >= Z)
    weights = inside / np.maximum(inside.sum(0), 1)
    centred = Z - (weights * Z).sum(0)
    second, fourth = ((weights * centred**power).sum(0) for power in (2, 4))
    # a column of one value has no kurtosis, and no tails
    kappa = np.full(Z.shape[1], 1.8)
    np.divide(fourth, second**2, out=kappa, where=second > TINY)
    return np.clip(0.5 * (1 + (kappa - 3) / 3), 0.1, 3.0)


def _log(squares):
    return torch.log(squares + TINY).numpy()
