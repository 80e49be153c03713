"""A kernel density of encoded rows: kernels on their numbers, points at their categories.

The classes of a target get neighbours and a background of their own; beneath rows with other
categories there is no background.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.geometry.row_kernels import KernelOptions, Kernels, fit_kernels

Rows = NDArray[np.float64]

# variance of a point, far below the squared distance between two
POINT = 1e-6
KNOWN_NOISE = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
# as good as the best, up to what the draw of the held-out rows explains
TOLERANCE = 1.002
MAX_ROWS, MIN_ROWS, N_FOLDS = 2000, 20, 5
# in more columns, in which every error takes longer, fewer folds are used
MAX_FOLDS_TIMES_COLUMNS = 20
# more columns share one noise level, chosen on a few of them
MAX_OWN_COLUMNS, N_COMMON_COLUMNS = 12, 4


@dataclass(frozen=True)
class Smoothing:
    """How kernels are placed on encoded rows."""

    options: KernelOptions
    is_number: NDArray[np.bool_]  # (d,)
    is_class: NDArray[np.bool_]  # (d,)
    vertices: Rows  # (n_classes, m), of the classes
    unit: Rows  # (n_numbers,), what numbers are multiplied with before kernels are placed
    mixtures: list | None = None  # backgrounds to fit again

    def fit(
        self,
        Z: Rows,
        random_state: int | np.random.RandomState | None,
        weights: Rows | None = None,
    ) -> tuple[Kernels, KernelDenoiser]:
        """Return the kernels of the numbers, and those of whole rows as a denoiser."""
        apart = ((Z[:, None, self.is_class] - self.vertices) ** 2).sum(2)
        label = apart.argmin(1)
        kernels = fit_kernels(
            Z[:, self.is_number] * self.unit,
            self.options,
            random_state,
            label=label,
            sample_weight=weights,
            mixtures=self.mixtures,
        )
        n, d = len(kernels.means), Z.shape[1]
        means, factors = np.empty((n, d)), np.zeros((n, d, kernels.factors.shape[2]))
        floors = np.full((n, d), POINT)
        means[:, self.is_number] = kernels.means / self.unit
        factors[:, self.is_number] = kernels.factors / self.unit[:, None]
        floors[:, self.is_number] = kernels.floors[:, None] / self.unit**2
        means[:, self.is_class] = self.vertices[kernels.owner]
        others = ~(self.is_number | self.is_class)
        if others.any():
            means[:, others] = Z[np.argsort(label, kind="stable")][:, others]
        if self.is_number.all() and (self.unit == 1).all():
            floors = kernels.floors
        parts = map(torch.from_numpy, (means, factors, floors, kernels.weights))
        return kernels, KernelDenoiser(*parts)


def choose_known_noise(
    Z: Rows, smoothing: Smoothing, kernels: Kernels, rng: np.random.RandomState
) -> Rows:
    """Choose how much noise to give known features for the mean of another, by held-out error."""
    n, numbers = len(Z), np.flatnonzero(smoothing.is_number)
    known_noise = np.zeros(Z.shape[1])
    if n < MIN_ROWS or Z.shape[1] == 1 or not len(numbers):
        return known_noise
    rows = Z[rng.permutation(n)[:MAX_ROWS]]
    columns, many = numbers.tolist(), len(numbers) > MAX_OWN_COLUMNS
    if many:
        columns = rng.permutation(numbers)[:N_COMMON_COLUMNS].tolist()
    n_folds = int(np.clip(MAX_FOLDS_TIMES_COLUMNS // len(columns), 1, N_FOLDS))
    errors = np.zeros((len(columns), len(KNOWN_NOISE)))
    for kept, out in list(KFold(N_FOLDS).split(rows))[:n_folds]:
        fixed = replace(
            smoothing.options,
            bandwidth=(kernels.bandwidth.eps, kernels.bandwidth.h),
            n_neighbors=min(kernels.n_neighbors, len(kept) - 1),
            background=kernels.bandwidth.share,
        )
        again = replace(smoothing, options=fixed, mixtures=kernels.mixtures)
        denoiser = again.fit(rows[kept], rng)[1]
        x = torch.from_numpy(rows[out])
        errors += [[_error(denoiser, x, j, sigma) for sigma in KNOWN_NOISE] for j in columns]
    if many:
        errors = errors.mean(0, keepdims=True)
    good = errors <= TOLERANCE * errors.min(1, keepdims=True)
    known_noise[numbers] = np.array(KNOWN_NOISE)[good.argmax(1)]
    return known_noise


def _error(denoiser: KernelDenoiser, x: torch.Tensor, column: int, level: float) -> float:
    """Return the squared error of one column, given the others with a noise level."""
    sigma = x.new_full((x.shape[1],), level)
    sigma[column] = torch.inf
    return float(((denoiser(x, sigma).mean - x)[:, column] ** 2).mean())
