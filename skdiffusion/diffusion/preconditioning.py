"""A network made into a denoiser: what a Gaussian cannot know, in coordinates that are white.

    ``D(x, sigma) = D_gauss(x, sigma) + C^{1/2} F(w, b, log sigma)``

with ``w`` the white noisy row, ``C`` the covariance that the Gaussian leaves open and ``b`` the
white direction in which a closed-form baseline, such as a mixture, improves upon it: see
``docs/theory/training.md``. Categories are not corrected so, which would take a network that is
sharp where they part: for them ``F`` is a logit for each
(:class:`~skdiffusion.diffusion.categories.Levels`). Where rows have few factors and a noise floor
(:mod:`~skdiffusion.diffusion.factor_gaussian`), the coordinates are those of the factors.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.categories import Levels
from skdiffusion.diffusion.column_frame import ColumnFrame
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.factor_gaussian import FactorFrame, FactorGaussian, FactorMixture
from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.white import WhiteCoordinates, WhiteFrame

_MIN_ROWS = 16


def network_sizes(
    gaussian: GaussianDenoiser,
    baseline: nn.Module | None = None,
    levels: Levels | None = None,
    columns: Tensor | None = None,
) -> dict[str, Any]:
    """Return the sizes of the network that :class:`Preconditioned` takes."""
    frame = _frame(gaussian, levels, columns)
    n_levels, n_vertices = (0, 0) if levels is None else (levels.n_levels, len(levels.entries))
    n_better = 0 if baseline is None else frame.n_outputs + n_vertices
    n_inputs, n_outputs = frame.n_white + n_better + n_levels, frame.n_outputs + n_levels
    sizes = {"n_inputs": n_inputs, "n_outputs": n_outputs}
    n_entries = frame.n_white if columns is None else len(columns)
    if n_outputs != n_entries:
        sizes["n_entries"] = n_entries
    if columns is None:
        return sizes
    own, more = columns, columns[:0]
    if levels is not None:
        own, more = columns[levels.numbers], columns[levels.places]
    n_times = (n_inputs - len(more)) // n_entries
    inputs = torch.cat([columns.repeat(n_times), more])
    return sizes | {"columns": (inputs, columns, torch.cat([own, more]))}


def _frame(
    gaussian: GaussianDenoiser, levels: Levels | None, columns: Tensor | None
) -> ColumnFrame | FactorFrame | WhiteFrame:
    numbers = None if levels is None else levels.numbers
    if columns is not None:
        return ColumnFrame(gaussian, numbers)
    if isinstance(gaussian, FactorGaussian):
        return FactorFrame(gaussian, numbers)
    return WhiteFrame(gaussian, numbers)


class Prepared(NamedTuple):
    """The part of a :class:`Preconditioned` denoiser that precedes its network."""

    inputs: Tensor  # (n, m), what the network sees
    log_sigma: Tensor  # (n, d)
    coordinates: WhiteCoordinates
    evidence: Tensor | None = None  # (n, K), log-probabilities of categories from their own entries


class Preconditioned(nn.Module):
    """A Gaussian's denoiser plus the correction of ``net(inputs (n, m), log_sigma (n, d))``."""

    def __init__(
        self,
        net: nn.Module,
        gaussian: GaussianDenoiser,
        baseline: nn.Module | None = None,
        levels: Levels | None = None,
        columns: Tensor | None = None,
    ):
        super().__init__()
        self.net = net
        self.frame = _frame(gaussian, levels, columns)
        self.baseline = baseline
        self.levels = levels

    def forward(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the posterior mean; see :class:`~skdiffusion.diffusion.Denoiser`."""
        prepared = self.prepare(x, sigma)
        return Posterior(self.mean(prepared, self.correction(prepared)).to(x.dtype))

    def prepare(self, x: Tensor, sigma: Tensor) -> Prepared:
        """Return all that does not depend on the network's weights, in float64."""
        x = x.to(torch.float64)
        coordinates: WhiteCoordinates = self.frame(x, sigma)
        inputs = [coordinates.white]
        if self.baseline is not None:
            better = self._baseline_mean(x, sigma, coordinates)
            inputs.append(self._white_direction(coordinates, better - coordinates.mean))
        evidence = None
        if self.levels is not None:
            evidence = self.levels.log_prob(x, sigma)
            inputs.append(evidence.exp())
        log_sigma = sigma.to(torch.float64).log().expand_as(x)
        return Prepared(torch.cat(inputs, dim=1), log_sigma, coordinates, evidence)

    def _baseline_mean(self, x: Tensor, sigma: Tensor, coordinates: WhiteCoordinates) -> Tensor:
        factors = self.frame.gaussian if isinstance(self.frame, FactorFrame) else None
        if isinstance(self.baseline, FactorMixture) and self.baseline.gaussian is factors:
            # the frame has read already what rows say of the factors
            return self.baseline.mean(coordinates.reading)
        return self.baseline(x, sigma).mean  # type: ignore[misc]

    def _white_direction(self, coordinates: WhiteCoordinates, direction: Tensor) -> Tensor:
        if self.levels is None:
            return coordinates.uncolour(direction)
        numbers = self.levels.numbers
        own = coordinates.uncolour(direction[:, numbers])
        if own.shape[1] == len(numbers):
            return direction.index_copy(1, numbers, own)
        # factors are no entries that they could take the place of
        return torch.cat([own, direction[:, self.levels.entries]], dim=1)

    def correction(self, prepared: Prepared) -> Tensor:
        """Return what the network adds to the Gaussian's mean and to the logits, in white units."""
        dtype = next(self.net.parameters()).dtype
        log_noise = prepared.coordinates.log_noise
        log_noise = prepared.log_sigma if log_noise is None else log_noise
        n = len(log_noise)
        # in products of fewer rows sums have another order: rows would depend on those beside them
        copies = -(-_MIN_ROWS // max(n, 1))
        parts = [part.to(dtype).repeat(copies, 1) for part in (prepared.inputs, log_noise)]
        return self.net(*parts)[:n]

    def mean(self, prepared: Prepared, correction: Tensor) -> Tensor:
        """Return the posterior mean, in float64."""
        coordinates = prepared.coordinates
        if self.levels is None:
            return coordinates.mean + coordinates.colour(correction.to(torch.float64))
        numbers = self.levels.numbers
        expected = self.levels.mean(self.category_log_prob(prepared, correction))
        own = coordinates.colour(correction[:, : -self.levels.n_levels].to(torch.float64))
        return expected.index_copy(1, numbers, coordinates.mean[:, numbers] + own)

    def category_log_prob(self, prepared: Prepared, correction: Tensor) -> Tensor:
        """Return the log-probability of each category."""
        if self.levels is None or prepared.evidence is None:
            raise ValueError("There are no categories: this denoiser takes all entries as numbers.")
        logits = correction[:, -self.levels.n_levels :].to(torch.float64)
        return self.levels.normalise(prepared.evidence + logits)
