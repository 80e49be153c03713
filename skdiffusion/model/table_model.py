"""`Model`: a fitted model of a table, as a value."""

import copy
import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils import gen_batches

from skdiffusion._utils.chunks import progress
from skdiffusion.diffusion import GaussianDenoiser, Marginal, decode, encode
from skdiffusion.diffusion.clean import CleanDenoiser
from skdiffusion.model.density import log_prob
from skdiffusion.model.drawing import BLOCK_ROWS, Sampling, draw
from skdiffusion.model.starts import Starts
from skdiffusion.tables.conditions import Conditions

CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Model:
    """An encoder, a denoiser of encoded rows with the target behind them, and a range of noise.

    All that the estimators do follows from it; see `TableModel` for what its methods mean.
    """

    encoder: Any
    denoiser: Any
    prior: Any  # the Gaussian that encoded rows are at `sigma_max`
    sigma_min: float
    sigma_max: float
    target_encoder: Any = None
    sampling: Sampling = field(default_factory=Sampling)
    n_likelihood_steps: int = 20
    probes: torch.Tensor | None = None  # (m, n_encoded), signs for traces above 32 features
    noise: np.ndarray | None = None  # (n_encoded,), that rows of `fit` have and draws shall not
    known_noise: np.ndarray | None = None  # (d,), of closed forms: None takes means over draws
    rows: np.ndarray | None = None  # some complete encoded rows of `fit`
    starts: Starts | None = None  # None starts all draws from noise, or the closed form

    def __getstate__(self):
        # a model trained on a GPU must load where there is none
        state = dict(vars(self))
        for name in ("denoiser", "prior"):
            if isinstance(state[name], torch.nn.Module):
                state[name] = copy.deepcopy(state[name]).cpu()
        return state

    @property
    def n_features(self):
        """Number of encoded features, those of the target included."""
        return self.prior.n_features

    @property
    def is_target(self):
        """Which encoded features are the target's, (d,) of bool."""
        return np.arange(self.n_features) >= self.encoder.n_encoded_

    @property
    def device(self):
        """Where the denoiser computes."""
        return self.prior.mean.device

    @property
    def limits(self):
        """Smallest and largest noise level."""
        return self.sigma_min, self.sigma_max

    @property
    def clean_denoiser(self):
        """The denoiser of rows without the noise that those of `fit` have."""
        if self.noise is None or not self.noise.any():
            return self.denoiser
        noise = np.pad(self.noise, (0, self.n_features - len(self.noise)))
        return CleanDenoiser(self.denoiser, torch.from_numpy(noise).to(self.device), self.sigma_min)

    @property
    def lowest(self):
        """Noise level at which draws end."""
        clean = self.clean_denoiser
        return self.sigma_min if clean is self.denoiser else clean.lowest

    def marginal(self, kept):
        """Return the model of some encoded features (d,), with all others unknown."""
        kept = torch.as_tensor(kept, device=self.device)
        if kept.all():
            return self
        cov = self.prior.cov[kept]
        prior = GaussianDenoiser(
            self.prior.mean[kept], cov if self.prior.is_diagonal else cov[:, kept]
        )
        unknown = math.inf if self.sampling.solver is None else self.sigma_max
        denoiser = Marginal(self.denoiser, kept, unknown)
        return replace(self, denoiser=denoiser, prior=prior, noise=None, starts=None)

    @property
    def of_rows(self):
        """The model of rows alone, with their target unknown."""
        return self.marginal(~self.is_target)

    def draw(self, n, generator, conditions=None):
        """Draw encoded rows, of shape (n, d), that meet conditions."""
        if conditions is None:
            conditions = Conditions(np.full((1, self.n_features), np.nan))
        return draw(self, n, conditions, generator)

    def draw_targets(self, Z, k, generator):
        """Draw the targets (n * k, n_target) of encoded rows without them, `k` of each."""
        parts, free = [], np.full((1, int(self.is_target.sum())), np.nan)
        for rows in gen_batches(len(Z), max(1, BLOCK_ROWS // k)):
            given = np.repeat(Z[rows], k, axis=0)
            drawn = self.draw(len(given), generator, Conditions(given).extended(free))
            parts.append(drawn[:, self.is_target])
        return np.concatenate(parts)

    def trajectory(self, n, generator):
        """Draw encoded rows without their target; return all states (t, n, d) and noise levels."""
        part = self.of_rows
        denoiser = replace(part, noise=self.noise).clean_denoiser
        sigmas = self.sampling.sigmas(self.lowest, self.sigma_max)
        start = part.prior.sample(n, generator, sigma=self.sigma_max)
        with torch.no_grad():
            states = self.sampling.solve(denoiser, start, sigmas, generator=generator)
            return torch.stack(list(states)).cpu().numpy(), sigmas.cpu().numpy()

    def log_prob(self, Z):
        """Return the log-density of encoded rows without target, in their own units."""
        parts = torch.from_numpy(Z).to(self.device).split(CHUNK_ROWS)
        parts = progress(parts, self.sampling.verbose)
        return torch.cat([log_prob(self, part) for part in parts]).cpu().numpy()

    def log_density(self, columns, Z):
        """Return the log-density of rows in the table's units, by columns read and encoded rows."""
        Z = np.where(self.encoder.void_features(Z), np.nan, Z)
        return self.log_prob(Z) + self.encoder.log_volume_of(columns, self.sigma_min)

    def encode(self, Z):
        """Return latents of encoded rows: about independent standard normal numbers."""
        part, U = self.of_rows, np.full_like(Z, np.nan)
        whole = ~np.isnan(Z).any(1)
        noisy = self._flow(encode, part, Z[whole])
        mean, std = self._noised(part.prior)
        U[whole] = (noisy - mean) / std
        return U

    def decode(self, U):
        """Return the encoded rows of latents, the inverse of `encode`."""
        part = self.of_rows
        mean, std = self._noised(part.prior)
        return self._flow(decode, part, mean + U * std)

    def denoise(self, Z, sigma):
        """Return the expected clean row of each noisy one."""
        part = replace(self.of_rows, noise=self.noise)
        denoiser = part.clean_denoiser
        levels = np.broadcast_to(np.asarray(sigma, dtype=np.float64), Z.shape)
        levels = torch.from_numpy(levels.copy()).to(self.device)
        if self.sampling.solver is not None:
            levels = levels.clamp_min(self.sigma_min)
        x = torch.from_numpy(Z).to(self.device)
        with torch.no_grad():
            parts = zip(x.split(CHUNK_ROWS), levels.split(CHUNK_ROWS), strict=True)
            return torch.cat([denoiser(z, s).mean for z, s in parts]).cpu().numpy()

    def _flow(self, function, part, Z):
        """Carry rows along the probability flow, in chunks."""
        options = part.limits, part.prior, self.n_likelihood_steps
        chunks = torch.from_numpy(Z).to(self.device).split(CHUNK_ROWS)
        chunks = progress(chunks, self.sampling.verbose)
        moved = [function(part.denoiser, chunk, *options) for chunk in chunks]
        return torch.cat(moved).cpu().numpy()

    def _noised(self, prior):
        """Return mean and standard deviations at the largest noise level."""
        variances = prior.cov if prior.is_diagonal else prior.cov.diagonal()
        std = (variances + self.sigma_max**2).sqrt()
        return prior.mean.cpu().numpy(), std.cpu().numpy()
