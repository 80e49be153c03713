"""Decoders that draw rows from their conditional law given the embedded row."""

import math
from dataclasses import replace

import numpy as np
import torch
from sklearn.model_selection import KFold

from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.diffusion import Conditioned, KernelDenoiser, dpmpp_2m, run
from skdiffusion.diffusion.grid import log_shifted
from skdiffusion.geometry.row_kernels import KernelOptions, fit_kernels
from skdiffusion.manifold.decoders import Decoder, LocalDecoder, seeded
from skdiffusion.training.net import DenoiserNet

__all__ = ["DiffusionDecoder", "KernelDecoder"]

KNOWN_NOISE = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Noise on the embedded row when a mean is asked for, in its standard deviations."""

MAX_FULL_RANK, MAX_RANK, SELECTION_FOLDS = 32, 16, 3
CHUNK_ROWS = 4096
N_STEPS, SHIFT = 24, 0.05
"""Of the solver: steps, and the scale below which residuals are taken to be smooth."""


class JointColumns:
    """Embedded rows and rows side by side: each part of unit variance."""

    def __init__(self, W, X):
        self.n_components = W.shape[1]
        self.centre = np.concatenate([W.mean(0), X.mean(0)])
        common = np.sqrt(X.var(0).mean())
        scale = np.concatenate([W.std(0), np.full(X.shape[1], common)])
        # a constant column stays as it is
        self.scale = np.where(scale > 0, scale, 1.0)

    def joined(self, W, X):
        """Put embedded rows and rows side by side."""
        return (np.hstack([W, X]) - self.centre) / self.scale

    def known(self, W):
        """Return joined rows of which only the embedded part is known, and which that is."""
        m = self.n_components
        x = torch.zeros(len(W), len(self.centre), dtype=torch.float64)
        x[:, :m] = torch.from_numpy((W - self.centre[:m]) / self.scale[:m])
        return x, torch.arange(len(self.centre)) < m

    def rows(self, Z):
        """Return the rows of joined ones."""
        m = self.n_components
        return np.asarray(Z)[:, m:] * self.scale[m:] + self.centre[m:]


class KernelDecoder(Decoder):
    """Kernels that follow the pairs: conditional means and exact draws, without training."""

    def __init__(self, n_neighbors, n_folds):
        super().__init__(n_neighbors)
        self.n_folds = n_folds

    def fit_held_out(self, W, X, rng):
        """Place a kernel on every pair, and choose how widely a mean averages."""
        self.columns = JointColumns(W, X)
        Z = self.columns.joined(W, X)
        d = Z.shape[1]
        rank = d if d <= MAX_FULL_RANK else MAX_RANK
        options = KernelOptions(
            rank=rank,
            n_neighbors=min(2 * self.n_neighbors, len(X) - 1),
            background=0.0,
            n_folds=min(SELECTION_FOLDS, len(X)),
        )
        kernels = fit_kernels(Z, options, rng)
        fixed = replace(options, bandwidth=(kernels.bandwidth.eps, kernels.bandwidth.h))
        held_out, self.level = np.empty_like(X), None
        for kept, out in KFold(min(self.n_folds, len(X)), shuffle=True, random_state=rng).split(Z):
            part = replace(fixed, n_neighbors=min(options.n_neighbors, len(kept) - 1))
            law = _denoiser(fit_kernels(Z[kept], part, rng))
            if self.level is None:
                self.level = self._choose_level(law, W[out], X[out])
            held_out[out] = self._means(law, W[out], self.level)
        self.law = _denoiser(kernels)
        return held_out

    def fit_noise(self, W, residuals, rng):
        """Do nothing: draws are from the conditional law."""

    def predict(self, W):
        """Return the mean rows of embedded ones."""
        return self._means(self.law, W, self.level)

    def draw(self, W, rng):
        """Draw a row for each embedded one."""
        generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
        x, known = self.columns.known(W)
        levels = torch.where(known, 0.0, math.inf).to(x)
        return self.columns.rows(self.law.sample_posterior(x, levels, generator))

    def _means(self, law, W, level):
        x, known = self.columns.known(W)
        return self.columns.rows(law(x, torch.where(known, level, math.inf).to(x)).mean)

    def _choose_level(self, law, W, X):
        errors = [((self._means(law, W, level) - X) ** 2).mean() for level in KNOWN_NOISE]
        return KNOWN_NOISE[int(np.argmin(errors))]


class DiffusionDecoder(LocalDecoder):
    """Local linear maps, and a conditional denoiser of what they leave out."""

    def __init__(self, n_neighbors, net=None):
        super().__init__(n_neighbors)
        self.net = net

    def fit_noise(self, W, residuals, rng):
        """Train the denoiser."""
        self.columns = JointColumns(W, residuals)
        Z = self.columns.joined(W, residuals)
        net = DenoiserNet(per_entry=0.0) if self.net is None else self.net
        is_embedded = np.arange(Z.shape[1]) < W.shape[1]
        net = seeded(net, rng).fit(Z, gaussian=fit_gaussian(Z), target=is_embedded)
        self.net, self.noise = None, net.denoiser()
        self.limits = net.sigma_min, net.sigma_max

    def draw_noise(self, W, rng):
        """Draw a residual for each embedded row."""
        generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
        sigma_min, sigma_max = self.limits
        sigmas = log_shifted(sigma_min, sigma_max, N_STEPS, shift=SHIFT).double()
        drawn = np.empty((len(W), len(self.columns.centre) - W.shape[1]))
        for first in range(0, len(W), CHUNK_ROWS):
            part = slice(first, first + CHUNK_ROWS)
            x, known = self.columns.known(W[part])
            given = Conditioned(self.noise, known, x, sigma_min)
            start = sigma_max * torch.randn(x.shape, generator=generator, dtype=x.dtype)
            with torch.no_grad():
                # a deterministic solver remembers the mean it starts from
                start += given(torch.zeros_like(x), x.new_tensor(sigma_max)).mean
                drawn[part] = self.columns.rows(run(dpmpp_2m(given, start, sigmas)))
        return drawn


def _denoiser(kernels):
    parts = kernels.means, kernels.factors, kernels.floors, kernels.weights
    return KernelDenoiser(*(torch.from_numpy(part) for part in parts), variance=False)
