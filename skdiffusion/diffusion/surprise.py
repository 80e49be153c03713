"""How improbable each value of a row is, given the others.

A denoiser whose noise levels may differ from entry to entry is a model of every column given the
rest: hide the column in noise, leave the rest as it is, and look at what the denoiser expects.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from skdiffusion.diffusion.category_probabilities import vertex_log_prob
from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.functionals import Contributions
from skdiffusion.diffusion.jacobian import check_rows

__all__ = ["masked_surprise"]

_LOG_2PI = math.log(2.0 * math.pi)


def masked_surprise(
    denoiser: Denoiser,
    x: Tensor,
    groups: Tensor,
    sigma_min: float,
    sigma_max: float,
    *,
    blocks: Sequence[tuple[Tensor, Tensor]] = (),
    spread: Tensor | None = None,
    fill: float | Tensor = 0.0,
) -> Contributions:
    """Surprise at each value, given the rest of its row: ``-log p(value | rest)``."""
    x = check_rows(x).detach()
    n_groups = _check_groups(x, groups, blocks)
    if not 0.0 < sigma_min < sigma_max < math.inf:
        raise ValueError(
            f"Noise levels must satisfy 0 < sigma_min < sigma_max, got {sigma_min}, {sigma_max}."
        )
    if spread is not None and (spread.shape != x.shape[1:] or not bool((spread > 0).all())):
        raise ValueError(f"spread must hold {x.shape[1]} positive variances, got {spread}.")
    numbers = torch.ones(x.shape[1], dtype=torch.bool, device=x.device)
    for columns, _ in blocks:
        numbers[columns] = False
    low, high = x.new_tensor(sigma_min), x.new_tensor(sigma_max)
    hollow = torch.as_tensor(fill).to(x).expand(x.shape[1])
    entries, expected = x.new_zeros(len(x), n_groups), torch.empty_like(x)
    with torch.no_grad():
        for group in range(n_groups):
            hidden = (groups == group).to(x.device)
            sigma = torch.where(hidden, high, low).unsqueeze(0)
            mean, var = denoiser(torch.where(hidden, hollow, x), sigma)
            expected[:, hidden] = mean[:, hidden]
            kept = hidden & numbers
            if kept.any():
                v = _variance(var, spread, sigma_min, x)[:, kept]
                surprise = 0.5 * ((x - mean)[:, kept] ** 2 / v + v.log() + _LOG_2PI)
                entries[:, group] = surprise.sum(1)
            for columns, vertices in blocks:
                if groups[columns[0]] == group:
                    codes = vertices.to(x)
                    log_prob = vertex_log_prob(mean[:, columns], x[:, columns], codes)
                    entries[:, group] -= log_prob
    return Contributions(entries.sum(1), entries, expected)


def _variance(var: Tensor | None, spread: Tensor | None, sigma_min: float, x: Tensor) -> Tensor:
    if var is not None:
        return var + sigma_min**2
    if spread is None:
        raise ValueError(
            "The denoiser gives no variance: pass spread, the variance of each entry given the "
            "others, such as the mean squared error of its prediction on normal rows."
        )
    return spread.to(x).unsqueeze(0)


def _check_groups(x: Tensor, groups: Tensor, blocks: Sequence[tuple[Tensor, Tensor]]) -> int:
    if groups.shape != x.shape[1:] or groups.is_floating_point() or groups.dtype == torch.bool:
        raise ValueError(
            f"groups must hold an integer for each of the {x.shape[1]} entries, "
            f"got shape {tuple(groups.shape)} of {groups.dtype}."
        )
    present = groups.unique().tolist()
    if present != list(range(len(present))):
        raise ValueError(f"groups must be numbered from 0 without gaps, got {present}.")
    for columns, _ in blocks:
        if len(groups[columns].unique()) != 1:
            raise ValueError(
                f"The code of a category must lie in one group, but entries {columns.tolist()} "
                f"are in groups {groups[columns].tolist()}."
            )
    return len(present)
