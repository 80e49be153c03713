"""Densities of the rows in closed form: kernels shaped by neighbours, and a robust Gaussian."""

import math

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.covariance import OAS
from sklearn.utils import gen_batches

from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.geometry.diffusion_tensors import local_factors
from skdiffusion.geometry.nearest_rows import neighbor_graph

# Rows that shape a kernel; more than for densities, as directions matter here and not detail
N_NEIGHBORS = 50

# Of the local covariance that a kernel has. Kernels as wide as their neighbourhood blur its edge;
# 0.1 to 0.3 are alike.
SHARE = 0.2

# Standard deviation of a kernel in all directions; noise levels come on top
BLUR = 0.01

MAX_RANK = 32
# Up to 32 columns kernels are full; beyond, they keep 16 directions of their own
LOW_RANK = 16

MIN_KERNELS, MAX_KERNELS = 2, 2000
# Numbers that describe all kernels, which bounds the time to score a row
MAX_ELEMENTS = 300_000

CHUNK_ROWS = 512

# Of a kernel's width in the direction of a neighbour that is taken out
MIN_KEPT = 1e-3

MAX_CONCENTRATION_STEPS = 50

# Noise on the cells that are taken for given, in standard deviations
GIVEN = 0.05


class RowKernels:
    """Narrow kernels on the rows, or on some of them, that follow their neighbours."""

    def __init__(self, Z, rng):
        n, d = Z.shape
        self.Z = Z
        rank = d if d <= MAX_RANK else LOW_RANK
        width = (d + 1) * (d + 2) // 2 if d <= MAX_RANK else d * (rank + 2)
        n_kernels = max(MIN_KERNELS, min(MAX_KERNELS, MAX_ELEMENTS // width))
        centres = np.sort(rng.permutation(n)[:n_kernels])
        self.n_neighbors = max(1, min(N_NEIGHBORS, n // 3))
        indices = neighbor_graph(Z, self.n_neighbors)[1]
        kernels = local_factors(Z, indices, centres, rank).kernel(SHARE, BLUR)
        self.denoiser = KernelDenoiser(*map(torch.from_numpy, (Z[centres], *kernels)))
        # for each row its own kernel, if it has one, and the kernels that it has a part in
        self.owner = np.full(n, -1)
        self.owner[centres] = np.arange(len(centres))
        neighbors = indices[centres].ravel()
        kernels = np.argsort(neighbors, kind="stable") // self.n_neighbors
        self.shaped = np.split(kernels, np.bincount(neighbors, minlength=n).cumsum()[:-1])
        self.prepared = {}

    def __getstate__(self):
        # as large as the kernels themselves, and quickly made again
        return vars(self) | {"prepared": {}}

    def log_prob(self, Z, level):
        """Return log-densities of new rows."""
        if level not in self.prepared:
            self.prepared[level] = self.denoiser.log_terms_at(_level(level))
        parts = self.prepared[level](torch.from_numpy(Z))
        return torch.cat([terms.logsumexp(1) for terms in parts]).numpy()

    def leave_one_out(self, level):
        """Return log-densities of the training rows, each without any part in the kernels."""
        log_terms, share = self.denoiser.log_terms_at(_level(level)), SHARE / self.n_neighbors
        peaks = torch.cat(list(log_terms(self.denoiser.means))).diagonal().numpy().copy()
        log_prob = np.empty(len(self.Z))
        for batch in gen_batches(len(self.Z), CHUNK_ROWS):
            terms = torch.cat(list(log_terms(torch.from_numpy(self.Z[batch])))).numpy()
            owners = zip(terms, self.shaped[batch], self.owner[batch], strict=True)
            for row, kernels, owned in owners:
                peak, term = peaks[kernels], row[kernels]
                # kernels of low rank approximate their neighbours, whose part may seem too large
                kept = np.maximum(1 - share * 2 * (peak - term), MIN_KEPT)
                row[kernels] = peak - (peak - term) / kept - 0.5 * np.log(kept)
                if owned >= 0:
                    row[owned] = -np.inf
            log_prob[batch] = logsumexp(terms, axis=1)
        without_own = np.log1p(-1 / max(len(peaks), 2))
        return log_prob - np.where(self.owner >= 0, without_own, 0.0)

    def explain(self, Z, groups, missing):
        """Return the surprise at each column given the others, and the encoded rows expected."""
        density, x = self.denoiser, torch.from_numpy(Z)
        n_columns = int(groups.max()) + 1
        surprise, expected = np.zeros((len(Z), n_columns)), np.empty_like(Z)
        whole = density.log_prob(x, x.new_tensor(GIVEN))
        for column in range(n_columns):
            own = groups == column
            sigma = torch.full((Z.shape[1],), GIVEN, dtype=x.dtype)
            sigma[own] = math.inf
            surprise[:, column] = (density.log_prob(x, sigma) - whole).numpy()
            expected[:, own] = density(x, sigma).mean[:, own].numpy()
            surprise[missing[:, own].any(1), column] = 0.0
        return surprise, expected

    def sample(self, n_samples, rng):
        """Draw encoded rows."""
        generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
        return self.denoiser.sample(n_samples, generator).numpy()


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
