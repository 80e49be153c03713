"""The noise levels that a denoiser is trained at: how much, and on which entries."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from skdiffusion.diffusion.schedule import Schedule

__all__ = ["NoiseLevels"]


@dataclass(frozen=True)
class NoiseLevels:
    """Draws noise levels for batches of rows.

    Levels are stratified: a batch of ``g`` patterns has one in each ``g``-th of the
    distribution. A share of the patterns is *per entry*: some columns are known (at
    ``sigma_min``), some at levels of their own, and a target often known or unknown (at
    ``sigma_max``), so that one network serves conditioning, imputation and guidance.

    Parameters
    ----------
    sigma_min, sigma_max : float
        The range of levels.
    schedule : Schedule or None, default=None
        Levels are uniform in the time of this process; None draws ``log sigma`` from a normal
        distribution with ``log_mean`` and ``log_std``, as EDM does.
    log_mean, log_std : float, default=-1.0 and 1.6
        Wider than for images (-1.2 and 1.2): tables have both coarse and fine structure.
    per_entry : float, default=0.5
        Share of the patterns with per-entry levels. With a target it is half of that, besides
        the 70 % in which the target has a level of its own.
    """

    sigma_min: float
    sigma_max: float
    schedule: Schedule | None = None
    log_mean: float = -1.0
    log_std: float = 1.6
    per_entry: float = 0.5

    def quantile(self, u: Tensor) -> Tensor:
        """Return the quantiles of the distribution of levels.

        Parameters
        ----------
        u : Tensor of any shape
            Cumulative probabilities, between 0 and 1.

        Returns
        -------
        Tensor of the same shape
            Levels, increasing in ``u``.
        """
        if self.schedule is None:
            log_sigma = self.log_mean + self.log_std * torch.special.ndtri(u)
            sigma = log_sigma.exp()
        else:
            low, high = (
                self.schedule.time(torch.tensor(s, dtype=torch.float64))
                for s in (self.sigma_min, self.sigma_max)
            )
            sigma = self.schedule.noise_to_signal(low + (high - low) * u)
        return sigma.clamp(self.sigma_min, self.sigma_max)

    def draw(
        self,
        n_patterns: int,
        groups: Tensor,
        target: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw patterns of noise levels.

        Parameters
        ----------
        n_patterns : int
            Number of patterns.
        groups : Tensor of shape (d,)
            The table column that each entry belongs to; a column's entries share their level.
        target : Tensor of shape (d,)
            Whether an entry belongs to the target, which is known or unknown more often.
        generator : torch.Generator or None
            Source of randomness.

        Returns
        -------
        Tensor of shape (n_patterns, d)
            Levels.
        """

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64)

        strata = torch.randperm(n_patterns, generator=generator)
        base = self.quantile((strata + uniform(n_patterns)) / n_patterns).unsqueeze(1)
        n_groups = int(groups.max()) + 1
        sigma = base.expand(n_patterns, n_groups).clone()

        # a target of its own level is per-entry noise already, so other columns need less
        share = self.per_entry / 2 if bool(target.any()) else self.per_entry
        n_mixed = math.floor(share * n_patterns + float(uniform(1)))
        mixed = sigma[:n_mixed]
        own = self.quantile(uniform(n_mixed, n_groups).clamp(1e-6, 1 - 1e-6))
        mixed = torch.where(uniform(n_mixed, 1) < 0.25, own, mixed)
        mixed = torch.where(uniform(n_mixed, n_groups) < uniform(n_mixed, 1), self.sigma_min, mixed)
        sigma[:n_mixed] = mixed
        if bool(target.any()):
            fate = uniform(n_patterns, 1)
            label = groups[target].unique()
            levels = torch.where(fate < 0.2, self.sigma_max, sigma[:, label])
            sigma[:, label] = torch.where(fate > 0.5, self.sigma_min, levels)
        return sigma[:, groups]
