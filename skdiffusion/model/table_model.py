"""`Model`: a fitted model of a table, as a value."""

import copy
import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from skdiffusion.diffusion import GaussianDenoiser, Marginal, decode, encode
from skdiffusion.diffusion.clean import CleanDenoiser
from skdiffusion.model.density import log_prob
from skdiffusion.model.drawing import Sampling, draw
from skdiffusion.model.starts import Starts
from skdiffusion.tables.conditions import Conditions

CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Model:
    """A fitted model of a table: an encoder, a denoiser of encoded rows, and a range of noise.

    All that the estimators do follows from it. Encoded rows are arrays of shape (n, d) with the
    features of `encoder` and behind them, where there is a target, those of `target_encoder`.

    Parameters
    ----------
    encoder : TableEncoder
        The fitted encoder of rows.
    denoiser : Denoiser
        Denoiser of encoded rows and their target; see :class:`skdiffusion.diffusion.Denoiser`.
    prior : GaussianDenoiser
        A Gaussian with the mean and covariance of the encoded rows: at `sigma_max` rows are
        distributed as it is after noise.
    sigma_min, sigma_max : float
        Range of noise levels, in the units of encoded rows.
    target_encoder : TargetEncoder or None, default=None
        The fitted encoder of the target, if there is one.
    sampling : Sampling, default=Sampling()
        Solver, grid and number of steps. A solver of None draws exactly from a closed form that
        has ``sample`` and ``sample_posterior``, and takes its ``log_prob`` for the density.
    n_likelihood_steps : int, default=20
        Steps of the probability flow for densities and latents.
    probes : Tensor of shape (m, n_encoded) or None, default=None
        Random signs for the divergence above 32 encoded features.
    noise : ndarray of shape (n_encoded,) or None, default=None
        Standard deviation of noise that the rows of `fit` have and draws shall not have.
    known_noise : ndarray of shape (d,) or None, default=None
        For closed forms: noise level that the known features get where the mean of a feature is
        asked for; None takes means over draws.
    rows : ndarray of shape (n_rows, d) or None, default=None
        Some complete encoded rows of `fit`.
    starts : Starts or None, default=None
        Rows that draws without given numbers start from, or are where draws are exact; None starts
        all draws from noise.

    Examples
    --------
    A closed form serves as well as a trained network:

    >>> import numpy as np
    >>> import torch
    >>> from skdiffusion import Model, TableEncoder
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> X = np.random.default_rng(0).normal(size=(500, 2)) * [1.0, 10.0]
    >>> encoder = TableEncoder(numeric_transform="standard").fit(X)
    >>> gaussian = GaussianDenoiser(torch.zeros(2), torch.ones(2))
    >>> model = Model(encoder, gaussian, gaussian, sigma_min=0.005, sigma_max=20.0)
    >>> Z = model.draw(1000, torch.Generator().manual_seed(0))
    >>> bool(np.allclose(encoder.inverse_transform(Z).std(0), [1.0, 10.0], rtol=0.1))
    True
    """

    encoder: Any
    denoiser: Any
    prior: Any
    sigma_min: float
    sigma_max: float
    target_encoder: Any = None
    sampling: Sampling = field(default_factory=Sampling)
    n_likelihood_steps: int = 20
    probes: torch.Tensor | None = None
    noise: np.ndarray | None = None
    known_noise: np.ndarray | None = None
    rows: np.ndarray | None = None
    starts: Starts | None = None

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
        """Draw encoded rows, of shape (n, d), that meet conditions.

        Parameters
        ----------
        n : int
            Number of rows.
        generator : torch.Generator
            Source of randomness, on the device of the denoiser.
        conditions : Conditions or None, default=None
            Of one row, which stands for all, or of each row.

        Returns
        -------
        Z : ndarray of shape (n, d)
            The draws.
        """
        if conditions is None:
            conditions = Conditions(np.full((1, self.n_features), np.nan))
        return draw(self, n, conditions, generator)

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
        """Return the log-density of encoded rows without target, in their own units.

        Parameters
        ----------
        Z : ndarray of shape (n, n_encoded)
            Encoded rows; NaN where a feature is unknown, which then counts for nothing.

        Returns
        -------
        log_prob : ndarray of shape (n,)
            Nats. Categories count with their log-probability, up to what
            :meth:`TableEncoder.log_volume` adds.
        """
        parts = torch.from_numpy(Z).to(self.device).split(CHUNK_ROWS)
        return torch.cat([log_prob(self, part) for part in parts]).cpu().numpy()

    def encode(self, Z):
        """Return latents of encoded rows: about independent standard normal numbers.

        Parameters
        ----------
        Z : ndarray of shape (n, n_encoded)
            Encoded rows; latents of rows with NaN are NaN.

        Returns
        -------
        U : ndarray of shape (n, n_encoded)
            Latents, by the probability-flow equation.
        """
        part, U = self.of_rows, np.full_like(Z, np.nan)
        whole = ~np.isnan(Z).any(1)
        noisy = self._flow(encode, part, Z[whole])
        mean, std = self._noised(part.prior)
        U[whole] = (noisy - mean) / std
        return U

    def decode(self, U):
        """Return the encoded rows of latents, the inverse of `encode`.

        Parameters
        ----------
        U : ndarray of shape (n, n_encoded)
            Latents.

        Returns
        -------
        Z : ndarray of shape (n, n_encoded)
            Encoded rows.
        """
        part = self.of_rows
        mean, std = self._noised(part.prior)
        return self._flow(decode, part, mean + U * std)

    def denoise(self, Z, sigma):
        """Return the expected clean row of each noisy one.

        Parameters
        ----------
        Z : ndarray of shape (n, n_encoded)
            Noisy encoded rows.
        sigma : float or ndarray that broadcasts to ``Z``
            Noise level of each entry; the noise that the rows of `fit` have is part of it.

        Returns
        -------
        Z : ndarray of shape (n, n_encoded)
            Posterior means.
        """
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

    def score(self, Z, sigma):
        """Return the gradient of the log-density of rows that have the noise level `sigma`.

        Parameters
        ----------
        Z : ndarray of shape (n, d)
            Noisy encoded rows.
        sigma : float
            Noise level.

        Returns
        -------
        score : ndarray of shape (n, d)
            Nats by the units of encoded rows.
        """
        noiseless = replace(self, noise=None)
        return (noiseless.denoise(Z, sigma) - Z) / sigma**2

    def _flow(self, function, part, Z):
        """Carry rows along the probability flow, in chunks."""
        options = part.limits, part.prior, self.n_likelihood_steps
        chunks = torch.from_numpy(Z).to(self.device).split(CHUNK_ROWS)
        moved = [function(part.denoiser, chunk, *options) for chunk in chunks]
        return torch.cat(moved).cpu().numpy()

    def _noised(self, prior):
        """Return mean and standard deviations at the largest noise level."""
        variances = prior.cov if prior.is_diagonal else prior.cov.diagonal()
        std = (variances + self.sigma_max**2).sqrt()
        return prior.mean.cpu().numpy(), std.cpu().numpy()
