"""The scores of a row, all in one form: several noise levels each, whose mean is the score.

Each has `names` of its levels, `held_out` of shape (n, n_levels), the scores of the training rows
found without themselves, and ``evaluate(Z, near)`` of shape (n_models, m, n_levels) for new rows.
"""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from skdiffusion.detection.row_density import fit_robust_gaussian
from skdiffusion.diffusion.functionals import denoising_error

# Noise levels of the kernels, in standard deviations. More of them between change little.
KERNEL_LEVELS = (0.01, 0.1)

# Distances per column below this many standard deviations count alike: copies of a training row
# are near, but not infinitely so
RESOLUTION = 0.01

# Of the distance from a training row to its nearest neighbour, within which rows pass for it
HAIR = 0.1

# Up to this share of rows with a copy; beyond, to be equal to a row is not to be that row
MAX_COPIES = 0.01

ROUNDING = 1e-9
TINY = 1e-12
CHUNK_ROWS = 2048


class Near(NamedTuple):
    """What training rows are near to new rows."""

    distances: np.ndarray  # to the nearest, in order
    nearest: np.ndarray  # their indices
    likeness: np.ndarray  # from 1 for a row equal to the nearest to 0 a hair away


class TrainingRows:
    """The training rows, and the distances of rows to the nearest of them."""

    def __init__(self, Z, n_neighbors):
        self.Z = Z
        self.n_neighbors = min(n_neighbors, len(Z) - 1)
        self.search = NearestNeighbors(n_neighbors=self.n_neighbors).fit(Z)
        self.held_out = self._measure(Z, self.search.kneighbors(return_distance=False))
        nearest = self.held_out[:, 0]
        self.hair = HAIR * nearest * (np.mean(nearest < ROUNDING) <= MAX_COPIES)

    def near(self, Z):
        """Find the nearest training rows of new rows."""
        indices = self.search.kneighbors(Z, return_distance=False)
        distances = self._measure(Z, indices)
        nearest = indices[:, 0]
        hair, likeness = self.hair[nearest], np.zeros(len(Z))
        np.divide(hair - distances[:, 0], hair, out=likeness, where=hair > distances[:, 0])
        return Near(distances, nearest, likeness)

    def _measure(self, Z, indices):
        # the search expands squares, whose rounding depends on the batch and hides equal rows
        distances = np.empty(indices.shape)
        for k, index in enumerate(indices.T):
            distances[:, k] = np.sqrt(((Z - self.Z[index]) ** 2).sum(1))
        return np.sort(distances, axis=1)


class NeighborScore:
    """Logarithm of the mean distance to the nearest rows, per column."""

    def __init__(self, rows):
        self.n_columns = rows.Z.shape[1]
        self.names = [f"neighbors_{rows.n_neighbors}"]
        self.held_out = self._log(rows.held_out)

    def evaluate(self, Z, near):
        return self._log(near.distances)[None]

    def _log(self, distances):
        squares = distances.mean(1) ** 2 / self.n_columns
        return 0.5 * np.log(squares + RESOLUTION**2)[:, None]


class KernelScore:
    """Negative log-density of kernels, noised by a little and by more."""

    names = tuple(f"kernel_{level:g}" for level in KERNEL_LEVELS)

    def __init__(self, kernels):
        self.kernels = kernels
        self.held_out = np.column_stack([-kernels.leave_one_out(level) for level in KERNEL_LEVELS])

    def evaluate(self, Z, near):
        levels = [-self.kernels.log_prob(Z, level) for level in KERNEL_LEVELS]
        return np.column_stack(levels)[None]


class RobustScore:
    """Mahalanobis distance under a Gaussian of the most compact half of the rows."""

    names = ("kernel_robust",)

    def __init__(self, Z):
        self.gaussian = fit_robust_gaussian(Z)
        self.held_out = self.evaluate(Z, None)[0]

    def evaluate(self, Z, near):
        peak = self._log_prob(self.gaussian.mean[None])
        squares = 2 * (peak - self._log_prob(torch.from_numpy(Z)))
        # its root and not its logarithm: from contaminated rows only the far ones can be told
        return (squares / Z.shape[1]).clamp_min(0).sqrt().numpy()[None, :, None]

    def _log_prob(self, x):
        return self.gaussian.log_prob(x, torch.tensor(RESOLUTION, dtype=torch.float64))


class DenoisingScore:
    """Error of one denoising step, at two noise levels; of each training row by a net new to it."""

    def __init__(self, nets, Z, fold):
        low = max(nets[0].sigma_min, 0.02)
        high = min(nets[0].sigma_max, 10 * low)
        self.levels = np.array([low**0.75 * high**0.25, low**0.25 * high**0.75])
        self.names = [f"denoise_{level:.2g}" for level in self.levels]
        self.models = [net.denoiser() for net in nets]
        self.held_out = np.empty((len(Z), len(self.levels)))
        for k, model in enumerate(self.models):
            self.held_out[fold == k] = self._judge(model, Z[fold == k])

    def evaluate(self, Z, near):
        return np.stack([self._judge(model, Z) for model in self.models])

    def _judge(self, model, Z):
        x = torch.from_numpy(Z)
        errors = [
            denoising_error(model, x[batch], self.levels).mean(2)
            for batch in gen_batches(len(Z), CHUNK_ROWS)
        ]
        return 0.5 * (torch.cat(errors) + TINY).log().numpy()
