"""The density of the rows in closed form: narrow kernels shaped by neighbours."""

import math
from functools import cached_property

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.utils import gen_batches

from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.geometry.diffusion_tensors import local_factors
from skdiffusion.geometry.nearest_rows import neighbor_graph

# Rows that shape a kernel; more than for densities, as directions matter here and not detail
N_NEIGHBORS = 50

# Of the local covariance that a kernel has. All of it blurs edges; 0.1 to 0.3 are alike.
SHARE = 0.2

# Standard deviation of a kernel in all directions, and of the noise on top
BLUR, NOISE = 0.01, 0.03
# Noise under which a column by itself is judged, as wide as for densities of one column
MARGINAL_NOISE = 0.2

MAX_RANK = 32
# Up to 32 columns kernels are full; beyond, they keep 16 directions of their own
LOW_RANK = 16

MIN_KERNELS, MAX_KERNELS = 2, 2000
# Numbers that describe all kernels, which bounds the time to score a row
MAX_ELEMENTS = 200_000

CHUNK_ROWS = 512

# Of a kernel's width in the direction of a neighbour that is taken out
MIN_KEPT = 1e-3


class RowKernels:
    """Narrow kernels on the rows, or on some of them, that follow their neighbours."""

    def __init__(self, Z):
        n, d = Z.shape
        rank = d if d <= MAX_RANK else LOW_RANK
        width = (d + 1) * (d + 2) // 2 if d <= MAX_RANK else d * (rank + 2)
        n_kernels = max(MIN_KERNELS, min(MAX_KERNELS, MAX_ELEMENTS // width))
        centres = np.sort(np.random.RandomState(0).permutation(n)[:n_kernels])
        self.Z = Z
        self.n_neighbors = max(1, min(N_NEIGHBORS, n // 3))
        indices = neighbor_graph(Z, self.n_neighbors, centres)[1]
        kernels = local_factors(Z, indices, centres, rank).kernel(SHARE, BLUR)
        self.denoiser = KernelDenoiser(*map(torch.from_numpy, (Z[centres], *kernels)))
        # for each row its own kernel, if it has one, and the kernels that it has a part in
        self.owner = np.full(n, -1)
        self.owner[centres] = np.arange(len(centres))
        neighbors = indices.ravel()
        kernels = np.argsort(neighbors, kind="stable") // self.n_neighbors
        self.shaped = np.split(kernels, np.bincount(neighbors, minlength=n).cumsum()[:-1])

    def __getstate__(self):
        # as large as the kernels themselves, and quickly made again
        return {name: value for name, value in vars(self).items() if name != "log_terms"}

    @cached_property
    def log_terms(self):
        """The kernels at the noise level of scores, as a function of rows."""
        return self.denoiser.log_terms_at(torch.tensor(NOISE, dtype=torch.float64))

    def log_prob(self, Z):
        """Return log-densities of new rows."""
        parts = self.log_terms(torch.from_numpy(Z))
        return torch.cat([terms.logsumexp(1) for terms in parts]).numpy()

    def leave_one_out(self):
        """Return log-densities of the training rows, each without any part in the kernels."""
        share = SHARE / self.n_neighbors
        peaks = torch.cat(list(self.log_terms(self.denoiser.means))).diagonal().numpy().copy()
        log_prob = np.empty(len(self.Z))
        for batch in gen_batches(len(self.Z), CHUNK_ROWS):
            terms = torch.cat(list(self.log_terms(torch.from_numpy(self.Z[batch])))).numpy()
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

    def given_others(self, Z, groups):
        """Return how improbable the cells of each column are, given the others of their row."""
        x, present = self._with_noise(Z, NOISE)
        whole, found = self.denoiser.log_prob(x, present), np.zeros((len(Z), groups.max() + 1))
        for column in np.unique(groups):
            sigma = torch.where(torch.from_numpy(groups == column), math.inf, present)
            found[:, column] = (self.denoiser.log_prob(x, sigma) - whole).numpy()
        return found

    def by_themselves(self, Z, groups):
        """Return how improbable the cells of each column are, whatever the others of their row."""
        x, present = self._with_noise(Z, MARGINAL_NOISE)
        found = np.zeros((len(Z), groups.max() + 1))
        for column in np.unique(groups):
            own = torch.from_numpy(groups == column)
            density = self.denoiser.log_prob(x, torch.where(own, present, math.inf)).numpy()
            found[:, column] = np.where(np.isnan(Z[:, groups == column]).any(1), 0.0, -density)
        return found

    def expect(self, Z, groups):
        """Return what each cell should be, given the others."""
        x, present = self._with_noise(Z, NOISE)
        expected = np.empty_like(Z)
        for column in np.unique(groups):
            own = groups == column
            sigma = torch.where(torch.from_numpy(own), math.inf, present)
            expected[:, own] = self.denoiser(x, sigma).mean[:, own].numpy()
        return expected

    def sample(self, n_samples, rng):
        generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
        return self.denoiser.sample(n_samples, generator).numpy()

    @staticmethod
    def _with_noise(Z, level):
        """Return rows, and one noise level where cells are there, an infinite one elsewhere."""
        sigma = torch.from_numpy(np.where(np.isnan(Z), math.inf, level))
        return torch.from_numpy(np.nan_to_num(Z)), sigma
