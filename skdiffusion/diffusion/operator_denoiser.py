"""Operator-informed score matching: a denoiser from means of eigenfunctions over the data.

The score of the noised data is sought in the span of the gradients of a diffusion's eigenfunctions,
whose expectations at every noise level follow from their means over the clean data. Score matching
is then a system of linear equations: no network, no training, no simulated noise, and no data kept
after the fit. The rank of the basis decides how much detail the denoiser has: with polynomials of
degree 2 it is the Gaussian denoiser exactly, and as the basis grows it tends to the denoiser of the
data set itself, memory of the rows included.
"""

import math

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.eigenfunctions import BASES, FAMILIES, HermiteFunctions, index_set
from skdiffusion.diffusion.eigenseries import EigenSeries
from skdiffusion.diffusion.gaussians import GaussianDenoiser

MARGIN = 0.05  # of the box beyond the range of the data on either side, as a share of it
MAX_HERMITE = 20
_REACH = 3.0  # standard deviations of the noise, beyond the data, up to which a polynomial is used


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
    """Denoiser in the span of the eigenfunctions of a diffusion, in closed form.

    Build it from rows with `fit`.

    Parameters
    ----------
    series : EigenSeries
        The fitted series, in the coordinates of the process.
    centre, scale : Tensor of shape (d,)
        The coordinates: a row of the table is ``centre + scale * u``.
    reach : Tensor of shape (2, d)
        Smallest and largest coordinates of the data.
    prior : GaussianDenoiser or UniformBox
        The distribution under large noise, with `log_prob` and `sample`.

    Notes
    -----
    ``process="ou"`` is Gaussian noise on the whole space, and belongs with every solver, schedule
    and network. ``process="reflected_bm"`` is Gaussian noise reflected at the walls of a box: the
    same as long as the noise is small beside the box. Under large noise it becomes uniform,
    its score zero and ``mean`` the noisy row itself, so that it is *not* the posterior mean under
    unbounded noise. Use it by itself: start solvers from `prior`, and fold their rows into the box.

    Hermite polynomials grow without bound outside the data. From degree 3 on they are evaluated at
    the nearest point that the noised data reaches, from three standard deviations of the noise
    below the smallest value to as many above the largest; the stationary part of the score is left
    as it is, so that it leads back. Degrees 1 and 2 are exact everywhere and not clipped. Cosines
    need nothing of the kind.

    References
    ----------
    Shen, Z., Wang, H., Riabiz, M., Oates, C. J. (2025). Operator-informed score matching for Markov
    diffusion models. arXiv:2406.09084. The ridge, the weights of the columns and the clipping are
    choices made here.

    Examples
    --------
    >>> import torch
    >>> rows = torch.tensor([[-1.0], [-1.0], [1.0], [1.0]])
    >>> denoiser = OperatorDenoiser.fit(rows, degree=2)
    >>> denoiser(torch.tensor([[0.5]]), torch.tensor(0.5)).mean.round(decimals=2)
    tensor([[0.4000]])
    """

    centre: Tensor
    scale: Tensor
    reach: Tensor

    def __init__(
        self,
        series: EigenSeries,
        centre: Tensor,
        scale: Tensor,
        reach: Tensor,
        prior: GaussianDenoiser | UniformBox,
    ):
        super().__init__()
        self.series = series
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)
        self.register_buffer("reach", reach)
        self.prior = prior

    @classmethod
    def fit(
        cls,
        data: Tensor,
        *,
        process: str = "ou",
        basis: str = "product",
        degree: int = 4,
        ridge: float = 1e-3,
    ) -> "OperatorDenoiser":
        """Build the denoiser from rows."""
        _check_options(data, process, basis, degree)
        rows = data.detach().to(torch.float64)
        functions = FAMILIES[process](degree)
        low, high = rows.amin(0), rows.amax(0)
        prior: GaussianDenoiser | UniformBox
        if process == "ou":
            centre, scale = rows.mean(0), _positive(rows.std(0, correction=0))
            centred = rows - centre
            cov = (centred**2).mean(0) if basis == "product" else centred.T @ centred / len(rows)
            prior = GaussianDenoiser(centre, cov)
        else:
            width = _positive(high - low)
            centre = low - MARGIN * width - torch.where(high > low, 0.0, 0.5)
            scale = (1 + 2 * MARGIN) * width / math.pi
            prior = UniformBox(centre, centre + math.pi * scale)
        u = (rows - centre) / scale
        block = 1 if basis == "product" else rows.shape[1]
        indices = index_set(degree, block, power=functions.power).to(u.device)
        series = EigenSeries(functions, indices, u, ridge)
        return cls(series, centre, scale, torch.stack([u.amin(0), u.amax(0)]), prior)

    def forward(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return ``x + sigma ** 2 * score``; see :class:`Denoiser`."""
        rows, levels = x.to(torch.float64), sigma.to(torch.float64)
        return Posterior((rows + levels**2 * self.score(rows, levels)).to(x.dtype))

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the gradient of the noised log-density, finite down to zero noise."""
        noise, functions = sigma.to(torch.float64) / self.scale, self.series.functions
        shrink = functions.shrink(functions.time(noise))
        z = shrink * self._coordinates(x)
        inside = z
        if isinstance(functions, HermiteFunctions) and functions.degree > 2:
            inside = self._clip(z, shrink)
        gradient = self.series.gradient(inside, noise) + functions.stationary_score(z)
        return (shrink / self.scale * gradient).to(x.dtype)

    def objective(self, x0: Tensor, sigma: Tensor) -> Tensor:
        """Return the score-matching loss on other rows; lower is better."""
        return self.series.objective(self._coordinates(x0), sigma.to(self.scale) / self.scale)

    def mean_log_density(self, x0: Tensor, sigmas: Tensor) -> Tensor:
        """Return the mean log-density of other rows at many noise levels, without a solver."""
        if not isinstance(self.prior, UniformBox):
            raise ValueError("mean_log_density needs process='reflected_bm'.")
        noise = sigmas.to(self.scale).unsqueeze(1) / self.scale
        growth = self.series.growth(self._coordinates(x0), noise, self.scale**-2)
        gained = torch.diff(sigmas.to(growth) ** 2) / 2 * (growth[1:] + growth[:-1]) / 2
        after = torch.cat([gained.flip(0).cumsum(0).flip(0), gained.new_zeros(1)])
        return self.prior.log_prob(x0[:1]).to(after) - after

    def _coordinates(self, x: Tensor) -> Tensor:
        return (x.to(torch.float64) - self.centre) / self.scale

    def _clip(self, z: Tensor, shrink: Tensor) -> Tensor:
        """Move rows to the nearest ones that the noised data reaches."""
        noise = _REACH * (1 - shrink**2).clamp_min(0).sqrt()
        low, high = shrink * self.reach[0] - noise, shrink * self.reach[1] + noise
        return torch.minimum(torch.maximum(z, low), high)


def _positive(scale: Tensor) -> Tensor:
    """Scales of columns, one for those that do not vary."""
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def _check_options(data: Tensor, process: str, basis: str, degree: int) -> None:
    if data.ndim != 2 or 0 in data.shape or not bool(torch.isfinite(data).all()):
        raise ValueError(
            f"data must be a finite tensor of shape (n, d) with rows, got {tuple(data.shape)}."
        )
    if process not in FAMILIES or basis not in BASES:
        raise ValueError(f"process must be one of {sorted(FAMILIES)} and basis one of {BASES}.")
    if process == "ou" and degree > MAX_HERMITE:
        raise ValueError(f"Hermite polynomials of a degree above {MAX_HERMITE} lose all digits.")
