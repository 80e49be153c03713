"""Operator-informed score matching: a denoiser from means of eigenfunctions over the data.

The score of the noised data is sought in the span of the gradients of a diffusion's eigenfunctions,
whose expectations at every noise level follow from their means over the clean data. Score matching
is then a system of linear equations: no network, no training, no simulated noise, and no data kept
after the fit. The rank of the basis decides how much detail the denoiser has: as the basis grows it
tends to the denoiser of the data set itself, memory of the rows included.
"""

import math

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.eigenfunctions import BASES, CosineFunctions, index_set
from skdiffusion.diffusion.eigenseries import EigenSeries

MARGIN = 0.05  # of the box beyond the range of the data on either side, as a share of it


class UniformBox(nn.Module):
    """The uniform distribution on a box with reflecting walls, which noise does not change."""

    low: Tensor
    high: Tensor
    is_diagonal = True

    def __init__(self, low: Tensor, high: Tensor):
        super().__init__()
        self.register_buffer("low", low)
        self.register_buffer("high", high)
        self.n_features = len(low)

    @property
    def mean(self) -> Tensor:
        """The middle of the box, of shape (d,)."""
        return (self.low + self.high) / 2

    @property
    def cov(self) -> Tensor:
        """The variances of the columns, of shape (d,)."""
        return (self.high - self.low) ** 2 / 12

    def log_prob(self, x: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Return the log-density, the same everywhere: rows outside stand for their reflections."""
        return -(self.high - self.low).log().sum().to(x).expand(len(x))

    def sample(
        self, n: int, generator: torch.Generator | None = None, sigma: float = 0.0
    ) -> Tensor:
        """Draw rows."""
        shares = self.low.new_empty(n, self.n_features).uniform_(generator=generator)
        return self.low + (self.high - self.low) * shares

    def fold(self, x: Tensor) -> Tensor:
        """Reflect rows into the box."""
        width = (self.high - self.low).to(x)
        share = torch.remainder((x - self.low.to(x)) / width, 2.0)
        return self.low.to(x) + width * torch.minimum(share, 2.0 - share)


class OperatorDenoiser(nn.Module):
    """Denoiser in the span of the eigenfunctions of a diffusion in a box, in closed form.

    Build it from rows with `fit`.

    Parameters
    ----------
    series : EigenSeries
        The fitted series, in the coordinates of the process.
    centre, scale : Tensor of shape (d,)
        The coordinates: a row of the table is ``centre + scale * u``.
    prior : UniformBox
        The distribution under large noise, with `log_prob` and `sample`.

    Notes
    -----
    The noise is Gaussian and reflected at the walls of a box: the same as unbounded noise while it
    is small beside the box. Under large noise the rows become uniform, the score zero and ``mean``
    the noisy row itself, so that it is *not* the posterior mean under unbounded noise. Start
    solvers from `prior`, and fold their rows into the box.

    References
    ----------
    Shen, Z., Wang, H., Riabiz, M., Oates, C. J. (2025). Operator-informed score matching for Markov
    diffusion models. arXiv:2406.09084. The ridge and the weights of the columns are choices made
    here.

    Examples
    --------
    >>> import torch
    >>> rows = torch.tensor([[-1.0], [-1.0], [1.0], [1.0]])
    >>> denoiser = OperatorDenoiser.fit(rows, degree=8)
    >>> denoiser(torch.tensor([[0.5]]), torch.tensor(0.2)).mean.round(decimals=1)
    tensor([[1.]])
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, series: EigenSeries, centre: Tensor, scale: Tensor, prior: UniformBox):
        super().__init__()
        self.series = series
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)
        self.prior = prior

    @classmethod
    def fit(
        cls,
        data: Tensor,
        *,
        basis: str = "product",
        degree: int = 4,
        ridge: float = 1e-3,
    ) -> "OperatorDenoiser":
        """Build the denoiser from rows."""
        _check_options(data, basis)
        rows = data.detach().to(torch.float64)
        functions = CosineFunctions(degree)
        low, high = rows.amin(0), rows.amax(0)
        width = _positive(high - low)
        centre = low - MARGIN * width - torch.where(high > low, 0.0, 0.5)
        scale = (1 + 2 * MARGIN) * width / math.pi
        prior = UniformBox(centre, centre + math.pi * scale)
        u = (rows - centre) / scale
        block = 1 if basis == "product" else rows.shape[1]
        indices = index_set(degree, block).to(u.device)
        series = EigenSeries(functions, indices, u, ridge)
        return cls(series, centre, scale, prior)

    def forward(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return ``x + sigma ** 2 * score``; see :class:`Denoiser`."""
        rows, levels = x.to(torch.float64), sigma.to(torch.float64)
        return Posterior((rows + levels**2 * self.score(rows, levels)).to(x.dtype))

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the gradient of the noised log-density, finite down to zero noise."""
        noise = sigma.to(torch.float64) / self.scale
        gradient = self.series.gradient(self._coordinates(x), noise)
        return (gradient / self.scale).to(x.dtype)

    def objective(self, x0: Tensor, sigma: Tensor) -> Tensor:
        """Return the score-matching loss on other rows; lower is better."""
        return self.series.objective(self._coordinates(x0), sigma.to(self.scale) / self.scale)

    def mean_log_density(self, x0: Tensor, sigmas: Tensor) -> Tensor:
        """Return the mean log-density of other rows at many noise levels, without a solver."""
        noise = sigmas.to(self.scale).unsqueeze(1) / self.scale
        growth = self.series.growth(self._coordinates(x0), noise, self.scale**-2)
        gained = torch.diff(sigmas.to(growth) ** 2) / 2 * (growth[1:] + growth[:-1]) / 2
        after = torch.cat([gained.flip(0).cumsum(0).flip(0), gained.new_zeros(1)])
        return self.prior.log_prob(x0[:1]).to(after) - after

    def _coordinates(self, x: Tensor) -> Tensor:
        return (x.to(torch.float64) - self.centre) / self.scale


def _positive(scale: Tensor) -> Tensor:
    """Scales of columns, one for those that do not vary."""
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def _check_options(data: Tensor, basis: str) -> None:
    if data.ndim != 2 or 0 in data.shape or not bool(torch.isfinite(data).all()):
        raise ValueError(
            f"data must be a finite tensor of shape (n, d) with rows, got {tuple(data.shape)}."
        )
    if basis not in BASES:
        raise ValueError(f"basis must be one of {BASES}, got {basis!r}.")
