"""The law of the normal rows in closed form: a kernel on each, shaped by its neighbours."""

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.covariance import OAS

from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.geometry.diffusion_tensors import low_rank_factors, tensor_local
from skdiffusion.geometry.nearest_rows import neighbor_graph

__all__ = ["KernelLaw", "fit_robust_gaussian"]

N_NEIGHBORS = 50
"""Rows that shape a kernel; more than for densities, as directions matter here and not detail."""

SHARE = 0.2
"""Of the local covariance that a kernel has. Kernels as wide as their neighbourhood blur its edge;
0.1 to 0.3 are alike."""

BLUR = 0.01
"""Standard deviation of a kernel in all directions; noise levels come on top."""

MAX_RANK = 32
LOW_RANK = 16
"""Up to 32 columns kernels are full; beyond, they keep 16 directions of their own."""

MIN_KERNELS, MAX_KERNELS = 2, 2000
MAX_ELEMENTS = 300_000
"""Numbers that describe all kernels, which bounds the time to score a row."""

MAX_TENSOR_ELEMENTS = 4_000_000
CHUNK_ROWS = 512

MIN_KEPT = 1e-3
"""Of a kernel's width in the direction of a neighbour that is taken out."""

MAX_CONCENTRATION_STEPS = 50


class KernelLaw:
    """Narrow kernels on the rows, or on some of them, that follow their neighbours."""

    def __init__(self, Z, rng, levels=()):
        n, d = Z.shape
        self.Z, self.levels = Z, levels
        rank = d if d <= MAX_RANK else LOW_RANK
        width = (d + 1) * (d + 2) // 2 if d <= MAX_RANK else d * (rank + 2)
        n_kernels = max(MIN_KERNELS, min(MAX_KERNELS, MAX_ELEMENTS // width))
        centres = np.sort(rng.permutation(n)[:n_kernels])
        self.n_neighbors = max(1, min(N_NEIGHBORS, n // 3))
        distances, indices = neighbor_graph(Z, self.n_neighbors)
        factors, floors = [], []
        size = max(1, MAX_TENSOR_ELEMENTS // (d * max(d, self.n_neighbors)))
        for part in np.split(centres, range(size, len(centres), size)):
            tensors = tensor_local(Z, distances, indices, at=part)
            factor, floor = low_rank_factors(tensors, rank).kernel(SHARE, BLUR)
            factors.append(factor)
            floors.append(floor)
        parts = Z[centres], np.concatenate(factors), np.concatenate(floors)
        self.denoiser = KernelDenoiser(*map(torch.from_numpy, parts))
        # for each row the kernels that it has a part in
        self.owner = np.full(n, -1)
        self.owner[centres] = np.arange(len(centres))
        shaped = [[] for _ in range(n)]
        for kernel, neighbors in enumerate(indices[centres]):
            for row in neighbors:
                shaped[row].append(kernel)
        self.shaped = [np.array(kernels, dtype=np.intp) for kernels in shaped]
        self._prepare()

    def __getstate__(self):
        # as large as the law itself, and quickly made again
        return {name: value for name, value in vars(self).items() if name != "prepared"}

    def __setstate__(self, state):
        vars(self).update(state)
        self._prepare()

    def _prepare(self):
        self.prepared = {level: self.denoiser.log_prob_at(_level(level)) for level in self.levels}

    def log_prob(self, Z, level):
        """Return log-densities of new rows."""
        prepared = self.prepared.get(level) or self.denoiser.log_prob_at(_level(level))
        return prepared(torch.from_numpy(Z)).numpy()

    def leave_one_out(self, level):
        """Return log-densities of the training rows, each without any part in the law."""
        sigma, share = _level(level), SHARE / self.n_neighbors
        peaks = self._log_terms(self.denoiser.means, sigma).diagonal().copy()
        log_prob = np.empty(len(self.Z))
        for start in range(0, len(self.Z), CHUNK_ROWS):
            rows = range(start, min(start + CHUNK_ROWS, len(self.Z)))
            terms = self._log_terms(torch.from_numpy(self.Z[start : rows.stop]), sigma)
            for place, row in enumerate(rows):
                kernels = self.shaped[row]
                peak, own = peaks[kernels], terms[place, kernels]
                # kernels of low rank approximate their neighbours, whose part may seem too large
                kept = np.maximum(1 - share * 2 * (peak - own), MIN_KEPT)
                terms[place, kernels] = peak - (peak - own) / kept - 0.5 * np.log(kept)
                if self.owner[row] >= 0:
                    terms[place, self.owner[row]] = -np.inf
            log_prob[start : rows.stop] = logsumexp(terms, axis=1)
        without_own = np.log1p(-1 / max(len(peaks), 2))
        return log_prob - np.where(self.owner >= 0, without_own, 0.0)

    def _log_terms(self, x, sigma):
        return self.denoiser.log_terms(x, sigma).numpy()


def fit_robust_gaussian(Z):
    """Fit a Gaussian to the half of the rows that is most compact."""
    half = min(max((len(Z) + Z.shape[1] + 1) // 2, 2), len(Z))
    fits = [_concentrated(Z, distances, half) for distances in _first_distances(Z)]
    best = min(fits, key=lambda fit: np.linalg.slogdet(fit.covariance_)[1])
    return GaussianDenoiser(torch.from_numpy(best.location_), torch.from_numpy(best.covariance_))


def _first_distances(Z):
    """Yield distances from the middle of the rows, by several guesses of their shape."""
    centre = np.median(Z, axis=0)
    lower, upper = np.quantile(Z, [0.25, 0.75], axis=0)
    # most cells of a column may be equal
    spread = np.where(upper > lower, upper - lower, np.maximum(Z.std(0), np.finfo(float).tiny))
    bent = np.tanh((Z - centre) / spread)
    yield ((Z - centre) ** 2).sum(1)
    yield (((Z - centre) / spread) ** 2).sum(1)
    yield OAS().fit(bent).mahalanobis(bent)
    yield OAS().fit(Z).mahalanobis(Z)


def _concentrated(Z, distances, half):
    kept = np.zeros(len(Z), dtype=bool)
    for _ in range(MAX_CONCENTRATION_STEPS):
        order = np.argsort(distances, kind="stable")[:half]
        if kept[order].all():
            break
        kept[:] = False
        kept[order] = True
        fitted = OAS().fit(Z[kept])
        distances = fitted.mahalanobis(Z)
    return fitted


def _level(sigma):
    return torch.tensor(sigma, dtype=torch.float64)
