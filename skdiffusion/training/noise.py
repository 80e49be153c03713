"""The noise levels that a denoiser is trained at: how much, and on which entries."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from skdiffusion.diffusion.schedule import SCHEDULES

# of log-normal noise levels: the -1.2 and 1.2 of EDM are for images, and tables have structure at
# more scales
LOG_MEAN, LOG_STD = -1.0, 1.6
# where columns are always given: what they say of the others counts where these are drowned
LOG_MEAN_GIVEN = 1.0


@dataclass(frozen=True)
class NoiseLevels:
    """Draws noise levels for batches of rows."""

    sigma_min: float
    sigma_max: float
    schedule: str = "edm"
    per_entry: float = 0.5
    has_given: bool = False

    def quantile(self, u: Tensor) -> Tensor:
        """Return quantiles of the distribution of noise levels."""
        if self.schedule == "edm":
            mean = LOG_MEAN_GIVEN if self.has_given else LOG_MEAN
            sigma = (mean + LOG_STD * torch.special.ndtri(u)).exp()
        else:
            schedule = SCHEDULES[self.schedule]
            ends = torch.tensor([self.sigma_min, self.sigma_max], dtype=torch.float64)
            low, high = schedule.time(ends)
            sigma = schedule.level(low + (high - low) * u)
        return sigma.clamp(self.sigma_min, self.sigma_max)

    def draw(self, n_patterns: int, groups: Tensor, target: Tensor) -> Tensor:
        """Draw patterns of noise levels, one level for each group of entries."""

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, dtype=torch.float64)

        strata = torch.randperm(n_patterns)
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
