"""Normal laws cut off at both ends, and the Gaussian factors that stand for several such cuts.

One entry within an interval is a truncated normal law, whose moments are integrals of one variable.
Several entries that depend on each other are the work of expectation propagation: each interval is
replaced by a Gaussian factor, chosen such that with the factors of the others in place the entry
has the mean and the variance that the interval gives it.

References
----------
Minka, T. (2001). Expectation propagation for approximate Bayesian inference. UAI.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "Marginals",
    "Ranges",
    "Sites",
    "make_proper",
    "observe",
    "propagate",
    "renew",
    "respond",
    "truncated_normal",
]

# Below this share of sigma^2 a posterior variance is rounding: the entry is all but determined.
_DETERMINED = 1e-8
# Sweeps of expectation propagation: two leave an error below that of the Gaussian approximation.
_N_SWEEPS = 2
# Keeps entries that a model holds for one and the same from a singular covariance.
_MOST_CORRELATED = 0.999
# Relative variance left to an entry by an interval of no width.
_THINNEST = 1e-12
# Least share of its precision that an entry keeps once an observation of it is taken away.
_KEPT = 1e-3
# A tail beyond exp(-40) of the mode is below the rounding of float64.
_LOG_NEGLIGIBLE = 40.0
# Enough for a normal density, or an exponential one, over the whole of that range.
_N_NODES = 48


class Ranges(NamedTuple):
    """The entries with an interval, and the ends, each of shape (k,)."""

    columns: Tensor
    low: Tensor
    high: Tensor


class Sites(NamedTuple):
    """Gaussian factors in the place of intervals: ``exp(-precision / 2 * x ** 2 + pull * x)``."""

    precision: Tensor
    pull: Tensor


class Marginals(NamedTuple):
    """Mean (n, k) and covariance (n, k, k) of the entries with an interval; which may move."""

    mean: Tensor
    covariance: Tensor
    free: Tensor


def make_proper(mean: Tensor, given: Tensor, noise: Tensor) -> Marginals:
    """Make a proper covariance of what a model gives."""
    given = 0.5 * (given + given.mT)
    variance, least = given.diagonal(dim1=1, dim2=2), _DETERMINED * noise
    free = variance > least
    variance = torch.where(free, variance, least)
    spread = variance.sqrt() * free
    bound = _MOST_CORRELATED * spread.unsqueeze(1) * spread.unsqueeze(2)
    shared = torch.minimum(torch.maximum(given, -bound), bound)
    own = torch.eye(mean.shape[1], dtype=torch.bool, device=given.device)
    return Marginals(mean, torch.where(own, variance.unsqueeze(1), shared), free)


def propagate(prior: Marginals, ranges: Ranges) -> Sites:
    """Find the factors by expectation propagation, beginning with none."""
    mean, covariance, _ = prior
    identity = torch.eye(mean.shape[1], dtype=mean.dtype, device=mean.device)
    sites = Sites(torch.zeros_like(mean), torch.zeros_like(mean))
    for _ in range(_N_SWEEPS if len(identity) > 1 else 1):
        for c, chosen in enumerate(identity):
            others = 1.0 - chosen
            weight, pull = sites.precision * others, sites.pull * others
            system = identity + covariance * weight.unsqueeze(1)
            pulled = covariance @ (pull - weight * mean).unsqueeze(2)
            solved = torch.linalg.solve(system, torch.cat([pulled, covariance[:, :, c : c + 1]], 2))
            shift, variance = solved[:, c, 0], solved[:, c, 1]
            new = _site(mean[:, c] + shift, variance, ranges.low[c], ranges.high[c])
            precision = torch.where(chosen > 0, new.precision.unsqueeze(1), sites.precision)
            sites = Sites(precision, torch.where(chosen > 0, new.pull.unsqueeze(1), sites.pull))
    return sites


def renew(posterior: Marginals, ranges: Ranges, sites: Sites) -> Sites:
    """Find each factor anew, from what the model makes of all of them."""
    precision = 1.0 / posterior.covariance.diagonal(dim1=1, dim2=2)
    without = precision - sites.precision
    # nothing is left where a factor says all, or where a posterior of several modes is wider still
    left = without > _KEPT * precision
    without = torch.where(left, without, precision)
    mean = (precision * posterior.mean - sites.pull) / without
    new = _site(mean, 1.0 / without, ranges.low, ranges.high)
    return Sites(*(torch.where(left, a, b) for a, b in zip(new, sites, strict=True)))


def _site(mean: Tensor, variance: Tensor, low: Tensor, high: Tensor) -> Sites:
    """Return the factor that does to a Gaussian what an interval does."""
    wanted, left = truncated_normal(mean, variance, low, high)
    left = left.clamp_min(_THINNEST * variance)
    return Sites((1.0 / left - 1.0 / variance).clamp_min(0.0), wanted / left - mean / variance)


def observe(
    x: Tensor, noise: Tensor, columns: Tensor, sites: Sites, sigma_known: float | None
) -> tuple[Tensor, Tensor, Sites]:
    """Merge rows with factors, which are observations of their entries."""
    before, seen = noise[:, columns], x.to(noise)[:, columns]
    shrinkage = 1.0 + before * sites.precision
    value, after = (seen + before * sites.pull) / shrinkage, before / shrinkage
    if sigma_known is not None:
        after = torch.maximum(after, before.clamp_max(sigma_known**2))
    merged = Sites(1.0 / after - 1.0 / before, value / after - seen / before)
    rows = x.index_copy(1, columns, value.to(x.dtype))
    return rows, noise.index_copy(1, columns, after).sqrt(), merged


def respond(
    mean: Tensor, rows: Tensor, marginals: Marginals, ranges: Ranges, before: Sites, after: Sites
) -> Tensor:
    """Move the mean of whole rows as a Gaussian's moves once factors have changed."""
    own, covariance, free = marginals
    change = after.precision - before.precision
    # Gershgorin's bound on what can be taken away from all entries at once
    variance = covariance.diagonal(dim1=1, dim2=2)
    spread = variance.sqrt()
    shared = (covariance / (spread.unsqueeze(1) * spread.unsqueeze(2))).abs().sum(2).amax(1)
    change = torch.maximum(change, (_KEPT - 1.0) / (shared.unsqueeze(1) * variance))
    identity = torch.eye(own.shape[1], dtype=own.dtype, device=own.device)
    pull = after.pull - before.pull - change * own
    force = torch.linalg.solve(identity + change.unsqueeze(2) * covariance, pull.unsqueeze(2))
    moved = mean + ((force.squeeze(2) * free).unsqueeze(1) @ rows).squeeze(1)
    inside = own + (covariance @ force).squeeze(2)
    inside = torch.minimum(torch.maximum(inside, ranges.low), ranges.high)
    return moved.index_copy(1, ranges.columns, inside)


def truncated_normal(
    mean: Tensor, variance: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and variance of a normal law restricted to an interval."""
    sd = variance.sqrt()
    mode = torch.minimum(torch.maximum(mean, low), high)
    slope = (mode - mean) / sd
    reach = 2 * _LOG_NEGLIGIBLE / ((slope**2 + 2 * _LOG_NEGLIGIBLE).sqrt() + slope.abs())
    start = torch.where(torch.isinf(low), -reach, torch.maximum(_finite(low - mode) / sd, -reach))
    end = torch.where(torch.isinf(high), reach, torch.minimum(_finite(high - mode) / sd, reach))
    nodes, weights = (t.to(mean.device) for t in _gauss_legendre())
    u = start.unsqueeze(-1) + (end - start).unsqueeze(-1) * nodes
    density = weights * torch.exp(-u * (slope.unsqueeze(-1) + 0.5 * u))
    density = density / density.sum(-1, keepdim=True)
    centre = (density * u).sum(-1)
    spread = (density * (u - centre.unsqueeze(-1)) ** 2).sum(-1)
    return mode + sd * centre, variance * spread


def _finite(values: Tensor) -> Tensor:
    """Put a number in the place of what is not chosen anyway: its derivative would be nan."""
    return torch.where(torch.isinf(values), 0.0, values)


@cache
def _gauss_legendre() -> tuple[Tensor, Tensor]:
    """Nodes on [0, 1] and weights of sum one, by the method of Golub and Welsch."""
    k = torch.arange(1, _N_NODES, dtype=torch.float64)
    beside = k / (4.0 * k**2 - 1.0).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return (nodes + 1.0) / 2.0, vectors[0] ** 2
