"""The law of rows together with their target, and what it says of cells that are not known."""

import math
from dataclasses import replace

import numpy as np
import torch
from sklearn.model_selection import KFold

from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.diffusion.solvers import run
from skdiffusion.geometry.row_kernels import fit_kernels

__all__ = ["JointLaw", "choose_known_noise"]

KNOWN_NOISE = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
# as good as the best, up to what the draw of the held-out rows explains
TOLERANCE = 1.002
MAX_ROWS, MIN_ROWS, N_FOLDS = 2000, 20, 5
# in more columns, in which every error takes longer, fewer folds are used
MAX_FOLDS_TIMES_COLUMNS = 20
# more columns share one level, chosen on a few of them
MAX_OWN_COLUMNS, N_COMMON_COLUMNS = 12, 4


class JointLaw:
    """Kernels of codes, and the classes that they belong to."""

    def __init__(self, kernels, known_noise):
        self.denoiser = _kernels(kernels)
        self.known_noise = known_noise
        self._of_class = [self.denoiser]
        if kernels.owner.any():
            self._of_class = [
                _kernels(kernels, kernels.owner == k) for k in range(kernels.owner.max() + 1)
            ]
        self._log_prior = torch.from_numpy(np.bincount(kernels.owner, kernels.weights)).log()

    def of_class(self, k):
        """Return the law of one class, or of all with None."""
        return self.denoiser if k is None else self._of_class[k]

    def complete(self, Z, label, generator=None):
        """Fill the cells that are NaN by conditional means, or by draws given a generator."""
        Z = Z.copy()
        for k, rows in _by_class(label, len(Z)):
            law = self.of_class(k)
            if generator is None:
                Z[rows] = self._means(law, Z[rows])
                continue
            x, missing = _split(Z[rows])
            if missing.all():
                Z[rows] = law.sample(len(x), generator).numpy()
            else:
                sigma = torch.where(missing, math.inf, 0.0).to(x)
                Z[rows] = law.sample_posterior(x, sigma, generator).numpy()
        return Z

    def class_probabilities(self, Z):
        """Return the probability of each class given the cells that are known, (n, n_classes)."""
        x, missing = _split(Z)
        sigma = torch.where(missing, math.inf, 0.0).to(x)
        log_prob = [law.log_prob(x, sigma) for law in self._of_class]
        return (torch.stack(log_prob, dim=1) + self._log_prior).softmax(1)

    def integrate(self, n, label, solver, sigmas, generator):
        """Draw codes by a solver, from the law at the largest noise level."""
        Z = np.empty((n, self.denoiser.n_features))
        for k, rows in _by_class(label, n):
            law = self.of_class(k)
            start = law.sample(int(rows.sum()), generator, float(sigmas[0]))
            Z[rows] = run(solver(law, start, sigmas, generator=generator)).numpy()
        return Z

    def _means(self, law, Z):
        x, missing = _split(Z)
        wanted = missing.any(0).numpy()
        for level in np.unique(self.known_noise[wanted]):
            columns = torch.from_numpy(wanted & (self.known_noise == level))
            # a tensor: two numbers would meet in single precision
            mean = law(x, torch.where(missing, math.inf, x.new_tensor(level))).mean
            Z = np.where(missing & columns, mean, Z)
        return Z


def choose_known_noise(Z, label, kernels, options, random_state):
    """Choose how much noise to give known cells, by the squared error of held-out cells."""
    n, d = Z.shape
    if n < MIN_ROWS or d == 1:
        return np.zeros(d)
    order = random_state.permutation(n)[:MAX_ROWS]
    rows, label = Z[order], None if label is None else label[order]
    columns = range(d)
    if d > MAX_OWN_COLUMNS:
        columns = random_state.permutation(d)[:N_COMMON_COLUMNS]
    n_folds = int(np.clip(MAX_FOLDS_TIMES_COLUMNS // len(columns), 1, N_FOLDS))
    errors = np.zeros((len(columns), len(KNOWN_NOISE)))
    for kept, out in list(KFold(N_FOLDS).split(rows))[:n_folds]:
        fixed = replace(
            options,
            bandwidth=(kernels.bandwidth.eps, kernels.bandwidth.h),
            n_neighbors=min(kernels.n_neighbors, len(kept) - 1),
            background=kernels.bandwidth.share,
        )
        fitted = fit_kernels(
            rows[kept],
            fixed,
            random_state,
            label=None if label is None else label[kept],
            mixtures=kernels.mixtures,
        )
        law = JointLaw(fitted, None).denoiser
        x = torch.from_numpy(rows[out])
        errors += [[_error(law, x, j, level) for level in KNOWN_NOISE] for j in columns]
    if d > MAX_OWN_COLUMNS:
        errors = errors.mean(0, keepdims=True).repeat(d, axis=0)
    good = errors <= TOLERANCE * errors.min(1, keepdims=True)
    return np.array(KNOWN_NOISE)[good.argmax(1)]


def _error(law, x, column, level):
    sigma = x.new_full((x.shape[1],), level)
    sigma[column] = math.inf
    return float(((law(x, sigma).mean - x)[:, column] ** 2).mean())


def _kernels(kernels, used=slice(None)):
    """Return some of the kernels as a denoiser."""
    parts = kernels.means, kernels.factors, kernels.floors, kernels.weights
    return KernelDenoiser(*(torch.from_numpy(part[used]) for part in parts))


def _by_class(label, n):
    """Yield each class and its rows, or None and all rows."""
    if label is None:
        yield None, np.full(n, True)
    else:
        yield from ((k, label == k) for k in np.unique(label))


def _split(Z):
    """Return codes with zero for NaN, and where that was."""
    return torch.from_numpy(np.nan_to_num(Z)), torch.from_numpy(np.isnan(Z))
