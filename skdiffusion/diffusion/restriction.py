"""Denoisers of laws restricted to ranges of numbers and to sets of levels.

The law of the rows inside a region ``R`` has the denoiser ``E[x0 | x, x0 in R]``. It follows from
the mean ``m = D(x, sigma)`` and the covariance of the clean row given the noisy one, which
Tweedie's second-order formula reads off the Jacobian: ``C = J diag(sigma ** 2)``. Only the rows
of `C` that belong to constraints are needed, one vector-Jacobian product each.

*A set of levels* is an event ``A`` whose probability ``P`` is linear in the expected code of the
category. Every entry `o` moves by ``cov(x_o, 1_A) / P``, and the covariance is that row of `C`:
for one category this is exact whatever the law.

*An interval* is replaced by an observation: that of the entry with an error which gives the same
mean and variance as the interval does, by expectation propagation with a Gaussian posterior. Where
every entry may have its own noise level, such an observation is one more evaluation of the model,
with less noise in that entry. So only the law of that entry within the interval is approximated,
not what the interval says of the others. For Gaussian data all this is exact with one interval;
for any data it is in the limit of small noise, and on the way the solver corrects itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from skdiffusion.diffusion.category_probabilities import _barycentric
from skdiffusion.diffusion.denoiser import Denoiser, Posterior
from skdiffusion.diffusion.guidance import Conditioned, Guided
from skdiffusion.diffusion.truncation import (
    Marginals,
    Ranges,
    Sites,
    make_proper,
    observe,
    propagate,
    renew,
    respond,
)

__all__ = ["Interval", "LevelSet", "Restricted"]

# What an allowed level weighs at least, so that levels that all seem impossible share evenly.
_LEAST = 1e-6
# Below this probability a learned covariance with an event is mostly error; codes move alone then.
_RARE = 1e-2


@dataclass(frozen=True)
class Interval:
    """The constraint that an entry lies in a closed interval."""

    column: int
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.column < 0:
            raise ValueError(f"column must be at least 0, got {self.column}.")
        if not (self.low <= self.high and self.low < math.inf and self.high > -math.inf):
            raise ValueError(
                f"An interval needs low <= high and finite numbers, got [{self.low}, {self.high}]."
            )


@dataclass(frozen=True, eq=False)
class LevelSet:
    """The constraint that a category takes one of some levels."""

    columns: Tensor
    vertices: Tensor
    allowed: Tensor

    def __post_init__(self) -> None:
        m = len(self.columns)
        shapes = [tuple(t.shape) for t in (self.columns, self.vertices, self.allowed)]
        if shapes != [(m,), (m + 1, m), (m + 1,)]:
            raise ValueError(
                "columns, vertices and allowed must be of shapes (m,), (m + 1, m) and (m + 1,), "
                f"got {shapes[0]}, {shapes[1]} and {shapes[2]}."
            )
        if self.allowed.dtype != torch.bool:
            raise TypeError(f"allowed must be a boolean tensor, got {self.allowed.dtype}.")
        if not self.allowed.any():
            raise ValueError("At least one level must be allowed.")


Constraint = Interval | LevelSet


class Restricted:
    """The denoiser of the law of those rows that meet some constraints."""

    def __init__(
        self,
        denoiser: Denoiser,
        constraints: Sequence[Constraint],
        *,
        sigma_known: float | None = None,
        refine: bool = True,
    ):
        if sigma_known is not None and not 0.0 < sigma_known < math.inf:
            raise ValueError(f"sigma_known must be positive and finite, got {sigma_known!r}.")
        columns = [column for constraint in constraints for column in _columns(constraint)]
        if len(set(columns)) < len(columns):
            raise ValueError(
                f"An entry may occur in one constraint only, got constraints on entries {columns}."
            )
        self.denoiser = denoiser
        self.constraints = tuple(constraints)
        self.sigma_known = sigma_known
        self.refine = refine

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the expected clean rows given the noisy ones and the constraints."""
        last = max((c for constraint in self.constraints for c in _columns(constraint)), default=-1)
        if x.ndim != 2 or x.shape[1] <= last:
            raise ValueError(
                f"x must be of shape (n, d) with d > {last}, the last entry with a constraint; "
                f"got {tuple(x.shape)}."
            )
        constraints = [c for c in self.constraints if not _holds_always(c)]
        levels = [c for c in constraints if isinstance(c, LevelSet)]
        intervals = [c for c in constraints if isinstance(c, Interval)]
        plain, moments = _moments(self.denoiser, x, sigma, levels, intervals)
        mean = moments.mean
        if intervals:
            mean = self._within(intervals, levels, moments, x, sigma)
        for level_set in levels:
            mean = _put_levels(mean, level_set)
        return Posterior(torch.where(_known_entries(self.denoiser, x), plain, mean.to(plain.dtype)))

    def _within(
        self,
        intervals: Sequence[Interval],
        levels: Sequence[LevelSet],
        moments: "_Moments",
        x: Tensor,
        sigma: Tensor,
    ) -> Tensor:
        """Mean given the intervals too, from the moments given the levels."""
        ranges = _ranges(intervals, moments.mean)
        noise = sigma.to(moments.mean).expand_as(x) ** 2
        none = Sites(*torch.zeros_like(moments.mean[:, ranges.columns]).expand(2, -1, -1))
        prior = _marginals(moments, ranges, noise)
        sites = propagate(prior, ranges)
        if not self.refine:
            return respond(*_split(moments, ranges), prior, ranges, none, sites)
        seen, level, sites = observe(x, noise, ranges.columns, sites, self.sigma_known)
        _, moments = _moments(self.denoiser, seen, level, levels, intervals)
        posterior = _marginals(moments, ranges, level.to(noise) ** 2)
        renewed = renew(posterior, ranges, sites)
        return respond(*_split(moments, ranges), posterior, ranges, sites, renewed)


class _Moments(NamedTuple):
    """The mean of the clean rows, and its covariances with what the constraints speak of."""

    mean: Tensor
    rows: Tensor
    probes: Tensor


def _moments(
    denoiser: Denoiser,
    x: Tensor,
    sigma: Tensor,
    levels: Sequence[LevelSet],
    intervals: Sequence[Interval],
) -> tuple[Tensor, _Moments]:
    """Evaluate the model: its mean as it is, and the moments in float64 given the levels."""
    twice = torch.is_grad_enabled() and x.requires_grad
    with torch.enable_grad():
        noisy = x if twice else x.detach().requires_grad_()
        mean, var = denoiser(noisy, sigma)
        probes = [_level_probe(c, x.shape[1], mean) for c in levels]
        probes += [_entry_probe(c.column, x.shape[1], mean) for c in intervals]
        noise = sigma.to(torch.float64) ** 2
        rows = [_gradient(mean @ probe, noisy, twice).to(torch.float64) * noise for probe in probes]
    if not twice:
        mean, var = mean.detach(), None if var is None else var.detach()
    stacked = torch.stack(rows, 1) if rows else x.new_zeros(len(x), 0, x.shape[1]).double()
    if var is not None and intervals:
        stacked = _with_variances(stacked, var, [c.column for c in intervals])
    functions = torch.stack(probes).to(torch.float64) if probes else stacked[:0].flatten(0, 1)
    moments = _Moments(mean.to(torch.float64), stacked, functions)
    for position, level_set in enumerate(levels):
        moments = _given_levels(moments, position, level_set)
    return mean, moments


def _with_variances(rows: Tensor, var: Tensor, columns: list[int]) -> Tensor:
    """Put the variances that the model states in the place of those from its Jacobian."""
    k = len(columns)
    place = torch.zeros(k, rows.shape[2], dtype=torch.bool, device=rows.device)
    place[torch.arange(k), columns] = True
    before, own = rows[:, : rows.shape[1] - k], rows[:, rows.shape[1] - k :]
    stated = var[:, columns].to(rows).unsqueeze(2)
    return torch.cat([before, torch.where(place, stated, own)], dim=1)


def _gradient(value: Tensor, x: Tensor, twice: bool) -> Tensor:
    """Derivative of each row's value; zero where the value does not depend on the row."""
    if not value.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(
        value.sum(), x, retain_graph=True, create_graph=twice, allow_unused=True
    )
    return torch.zeros_like(x) if gradient is None else gradient


def _entry_probe(column: int, d: int, like: Tensor) -> Tensor:
    probe = like.new_zeros(d)
    probe[column] = 1.0
    return probe


def _level_probe(constraint: LevelSet, d: int, like: Tensor) -> Tensor:
    """Slope, in the expected row, of the probability of the levels allowed."""
    columns, vertices, allowed = _like(constraint, like)
    corner = torch.cat([vertices.new_zeros(1, len(columns)), torch.eye(len(columns)).to(vertices)])
    slopes = (_barycentric(corner, vertices) * allowed).sum(1)
    return like.new_zeros(d).index_copy(0, columns, slopes[1:] - slopes[0])


def _like(constraint: LevelSet, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Columns, vertices and allowed levels on the device of some rows, and in their type."""
    columns, allowed = constraint.columns.to(like.device), constraint.allowed.to(like)
    return columns, constraint.vertices.to(like), allowed


def _shares(codes: Tensor, vertices: Tensor) -> Tensor:
    """Probabilities of the levels given expected codes, wherever a model puts those."""
    p = _barycentric(codes, vertices).clamp_min(0.0)
    return p / p.sum(1, keepdim=True)


def _put_levels(mean: Tensor, constraint: LevelSet) -> Tensor:
    """Leave a category the shares of its allowed levels among themselves."""
    columns, vertices, allowed = _like(constraint, mean)
    p = (_shares(mean[:, columns], vertices) + _LEAST) * allowed
    return mean.index_copy(1, columns, (p / p.sum(1, keepdim=True)) @ vertices)


def _given_levels(moments: _Moments, position: int, constraint: LevelSet) -> _Moments:
    """Condition on the event that a category takes one of the levels allowed."""
    mean, rows, probes = moments
    columns, vertices, allowed = _like(constraint, mean)
    p = _shares(mean[:, columns], vertices)
    probability = (p * allowed).sum(1, keepdim=True)
    # what the event has in common with its own category follows from the probabilities alone
    own = (p * allowed) @ vertices - probability * (p @ vertices)
    row = rows[:, position].index_copy(1, columns, own)
    moved = mean + row / probability.clamp_min(_RARE)
    moved = _put_levels(moved.index_copy(1, columns, p @ vertices), constraint)
    variance = (probability * (1.0 - probability)).clamp_min(_LEAST)
    shared = 0.5 * (rows @ probes[position] + row @ probes.mT)
    return _Moments(moved, rows - (shared / variance).unsqueeze(2) * row.unsqueeze(1), probes)


def _ranges(intervals: Sequence[Interval], like: Tensor) -> Ranges:
    """Columns and ends of intervals, on the device of some rows and in their type."""
    columns = torch.tensor([c.column for c in intervals], device=like.device)
    low, high = like.new_tensor([[c.low, c.high] for c in intervals]).unbind(1)
    return Ranges(columns, low, high)


def _split(moments: _Moments, ranges: Ranges) -> tuple[Tensor, Tensor]:
    """Means, and covariances of all entries with those that have an interval, which come last."""
    return moments.mean, moments.rows[:, moments.rows.shape[1] - len(ranges.columns) :]


def _marginals(moments: _Moments, ranges: Ranges, noise: Tensor) -> Marginals:
    mean, rows = _split(moments, ranges)
    columns = ranges.columns
    return make_proper(mean[:, columns], rows[:, :, columns], noise[:, columns])


def _columns(constraint: Constraint) -> list[int]:
    return [constraint.column] if isinstance(constraint, Interval) else constraint.columns.tolist()


def _holds_always(constraint: Constraint) -> bool:
    if isinstance(constraint, Interval):
        return constraint.low == -math.inf and constraint.high == math.inf
    return bool(constraint.allowed.all())


def _known_entries(denoiser: Denoiser, x: Tensor) -> Tensor:
    """Flags (d,) or (n, d) of the entries that a model was given."""
    known = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
    while isinstance(denoiser, Conditioned | Guided | Restricted):
        if isinstance(denoiser, Conditioned):
            known = known | denoiser.known.to(x.device)
        denoiser = denoiser.denoiser
    return known
