"""Noise schedules: how a diffusion process mixes data and noise over time.

A process with its own state ``z = alpha(t) * x0 + sigma(t) * eps`` is, after division by ``alpha``,
the variance-exploding process ``x = x0 + (sigma / alpha) * eps``. The rest of the package works in
that one currency, so a schedule is nothing but the pair ``alpha, sigma`` and the time at which a
noise level is reached: it holds no state and a denoiser trained under one schedule can be sampled
under another.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

# of the cosine schedule, by the offset 0.008
FIRST_ANGLE = 0.5 * math.pi * 0.008 / 1.008
# of processes whose signal would vanish at time 1
LAST_TIME = 1.0 - 1e-3


class Schedule(ABC):
    """Base class of the noise schedules.

    Times run from 0 (data) to 1 (noise). A subclass defines `alpha`, `sigma` and `time`.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.schedule import RectifiedFlow
    >>> RectifiedFlow().noise_to_signal(torch.tensor([0.0, 0.5, 0.75]))
    tensor([0., 1., 3.])
    """

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Return the factor of the clean row in the schedule's own state."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Return the standard deviation of the noise in the schedule's own state."""

    @abstractmethod
    def time(self, noise_to_signal: Tensor) -> Tensor:
        """Return the time at which a ratio is reached: the inverse of `noise_to_signal`."""

    def noise_to_signal(self, t: Tensor) -> Tensor:
        """Return the ratio ``sigma / alpha``: the noise level in variance-exploding currency."""
        return self.sigma(t) / self.alpha(t)

    def _require(self, valid: bool, condition: str) -> None:
        if not valid:
            raise ValueError(f"{self} must satisfy {condition}.")


@dataclass(frozen=True)
class _Exploding(Schedule):
    """Base of the schedules that leave the clean row as it is."""

    sigma_min: float
    sigma_max: float

    def __post_init__(self) -> None:
        valid = 0.0 < self.sigma_min < self.sigma_max < math.inf
        self._require(valid, "0 < sigma_min < sigma_max < inf")

    def alpha(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)


@dataclass(frozen=True)
class _LinearBeta(Schedule):
    """Base of the schedules whose signal decays at a rate that grows linearly."""

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        valid = 0.0 < self.beta_min <= self.beta_max < math.inf
        self._require(valid, "0 < beta_min <= beta_max < inf")

    def alpha(self, t: Tensor) -> Tensor:
        return torch.exp(-0.5 * self._integral(t))

    def _integral(self, t: Tensor) -> Tensor:
        """Return the integral of the rate up to a time."""
        return t * (self.beta_min + 0.5 * t * (self.beta_max - self.beta_min))

    def _time_of(self, integral: Tensor) -> Tensor:
        # The root of the quadratic in the form that neither cancels at 0 nor needs different rates.
        root = torch.sqrt(self.beta_min**2 + 2.0 * (self.beta_max - self.beta_min) * integral)
        return 2.0 * integral / (self.beta_min + root)


@dataclass(frozen=True)
class VE(_Exploding):
    """Variance exploding with geometric noise levels (NCSN).

    Parameters
    ----------
    sigma_min : float, default=0.01
        Noise level at time 0, in units of the data; small against the standard deviation 1 of
        standardised columns.
    sigma_max : float, default=50.0
        Noise level at time 1, in units of the data; about the largest distance between two rows.

    Raises
    ------
    ValueError
        Unless ``0 < sigma_min < sigma_max``.

    References
    ----------
    Song, Y. et al. (2021). Score-based generative modeling through stochastic differential
    equations. arXiv:2011.13456, equation 31.

    Examples
    --------
    >>> import torch
    >>> VE(sigma_min=0.01, sigma_max=100.0).sigma(torch.tensor(0.5))
    tensor(1.)
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def sigma(self, t: Tensor) -> Tensor:
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** t

    def time(self, noise_to_signal: Tensor) -> Tensor:
        span = math.log(self.sigma_max / self.sigma_min)
        return torch.log(noise_to_signal / self.sigma_min) / span


@dataclass(frozen=True)
class VP(_LinearBeta):
    """Variance preserving with linearly growing beta (DDPM).

    Parameters
    ----------
    beta_min : float, default=0.1
        Rate at time 0: the paper's ``1e-4`` of 1,000 steps in continuous time.
    beta_max : float, default=20.0
        Rate at time 1: the paper's ``0.02`` of 1,000 steps in continuous time.

    Raises
    ------
    ValueError
        Unless ``0 < beta_min <= beta_max``.

    References
    ----------
    Ho, J., Jain, A., Abbeel, P. (2020). Denoising diffusion probabilistic models.
    arXiv:2006.11239, section 4; in continuous time Song, Y. et al. (2021), arXiv:2011.13456,
    equation 33.

    Examples
    --------
    >>> import torch
    >>> vp = VP()
    >>> t = torch.tensor(0.5)
    >>> torch.allclose(vp.alpha(t) ** 2 + vp.sigma(t) ** 2, torch.tensor(1.0))
    True
    """

    def sigma(self, t: Tensor) -> Tensor:
        return torch.sqrt(-torch.expm1(-self._integral(t)))

    def time(self, noise_to_signal: Tensor) -> Tensor:
        return self._time_of(torch.log1p(noise_to_signal**2))


@dataclass(frozen=True)
class SubVP(_LinearBeta):
    """Sub-variance preserving: the signal of `VP` with less noise.

    Parameters
    ----------
    beta_min : float, default=0.1
        Rate at time 0, as in `VP`.
    beta_max : float, default=20.0
        Rate at time 1, as in `VP`.

    Raises
    ------
    ValueError
        Unless ``0 < beta_min <= beta_max``.

    References
    ----------
    Song, Y. et al. (2021). Score-based generative modeling through stochastic differential
    equations. arXiv:2011.13456, equation 29.

    Examples
    --------
    >>> import torch
    >>> t = torch.tensor(0.5)
    >>> torch.allclose(SubVP().sigma(t), VP().sigma(t) ** 2)
    True
    """

    def sigma(self, t: Tensor) -> Tensor:
        return -torch.expm1(-self._integral(t))

    def time(self, noise_to_signal: Tensor) -> Tensor:
        # sigma / alpha = exp(B / 2) - exp(-B / 2) = 2 sinh(B / 2), B the integral of beta.
        return self._time_of(2.0 * torch.asinh(0.5 * noise_to_signal))


@dataclass(frozen=True)
class CosineVP(Schedule):
    """Variance preserving with a cosine-shaped signal (improved DDPM).

    Notes
    -----
    An offset of 0.008, the paper's, keeps the first steps from being too small. The last thousandth
    of the time stands still: at its end the signal would vanish and the noise-to-signal ratio be
    infinite. It ends near a ratio of 640, which is above any noise level in use, as the paper's
    clipping of beta is.

    References
    ----------
    Nichol, A., Dhariwal, P. (2021). Improved denoising diffusion probabilistic models.
    arXiv:2102.09672, equation 17.

    Examples
    --------
    >>> import torch
    >>> CosineVP().noise_to_signal(torch.tensor(1.0)).isfinite()
    tensor(True)
    """

    def alpha(self, t: Tensor) -> Tensor:
        return torch.cos(self._angle(t)) / math.cos(FIRST_ANGLE)

    def sigma(self, t: Tensor) -> Tensor:
        # 1 - alpha^2 as a product: the difference would lose all digits near time 0.
        angle, first = self._angle(t), FIRST_ANGLE
        return torch.sqrt(torch.sin(angle - first) * torch.sin(angle + first)) / math.cos(first)

    def time(self, noise_to_signal: Tensor) -> Tensor:
        first = FIRST_ANGLE
        angle = torch.atan(torch.sqrt(noise_to_signal**2 + math.sin(first) ** 2) / math.cos(first))
        return (angle - first) / (0.5 * math.pi - first)

    def _angle(self, t: Tensor) -> Tensor:
        # Added to the first angle rather than (t + s) / (1 + s), so that the noise at time 0 is 0.
        share = t.clamp(max=LAST_TIME)
        return FIRST_ANGLE + share * (0.5 * math.pi - FIRST_ANGLE)


@dataclass(frozen=True)
class EDM(_Exploding):
    """Variance exploding with noise levels evenly spaced in their rho-th root.

    Parameters
    ----------
    sigma_min : float, default=0.002
        Noise level at time 0, in units of the data; the paper's value.
    sigma_max : float, default=80.0
        Noise level at time 1, in units of the data; the paper's value.
    rho : float, default=7.0
        Exponent; the larger, the more of the time is spent at small noise. The paper's value.

    Raises
    ------
    ValueError
        Unless ``0 < sigma_min < sigma_max`` and ``rho > 0``.

    References
    ----------
    Karras, T. et al. (2022). Elucidating the design space of diffusion-based generative models.
    arXiv:2206.00364, equation 5.

    Examples
    --------
    >>> import torch
    >>> EDM().sigma(torch.tensor([0.0, 1.0], dtype=torch.float64))
    tensor([2.0000e-03, 8.0000e+01], dtype=torch.float64)
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(0.0 < self.rho < math.inf, "0 < rho < inf")

    def sigma(self, t: Tensor) -> Tensor:
        low, high = self._root_range
        return (low + t * (high - low)) ** self.rho

    def time(self, noise_to_signal: Tensor) -> Tensor:
        low, high = self._root_range
        return (noise_to_signal ** (1.0 / self.rho) - low) / (high - low)

    @property
    def _root_range(self) -> tuple[float, float]:
        return self.sigma_min ** (1.0 / self.rho), self.sigma_max ** (1.0 / self.rho)


@dataclass(frozen=True)
class RectifiedFlow(Schedule):
    """Straight paths from data to noise (flow matching): ``alpha = 1 - t``, ``sigma = t``.

    The last thousandth of the time stands still: at its end the signal would vanish and the
    noise-to-signal ratio be infinite. It ends at a ratio of 999, above any noise level in use.

    References
    ----------
    Liu, X., Gong, C., Liu, Q. (2023). Flow straight and fast: learning to generate and transfer
    data with rectified flow. arXiv:2209.03003, equation 1.

    Examples
    --------
    >>> import torch
    >>> RectifiedFlow().time(torch.tensor([0.0, 1.0, 3.0]))
    tensor([0.0000, 0.5000, 0.7500])
    """

    def alpha(self, t: Tensor) -> Tensor:
        return 1.0 - self.sigma(t)

    def sigma(self, t: Tensor) -> Tensor:
        return t.clamp(max=LAST_TIME)

    def time(self, noise_to_signal: Tensor) -> Tensor:
        return noise_to_signal / (1.0 + noise_to_signal)


SCHEDULES: dict[str, type[Schedule]] = {
    "ve": VE,
    "vp": VP,
    "cosine": CosineVP,
    "subvp": SubVP,
    "edm": EDM,
    "flow": RectifiedFlow,
}


def get_schedule(schedule: str | Schedule) -> Schedule:
    """Look up a schedule by name, or hand an instance through.

    Parameters
    ----------
    schedule : str or Schedule
        A key of `SCHEDULES` for the schedule with its default parameters, or an instance.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    ValueError
        If `schedule` is neither a known name nor an instance.

    Examples
    --------
    >>> get_schedule("vp")
    VP(beta_min=0.1, beta_max=20.0)
    """
    if isinstance(schedule, Schedule):
        return schedule
    if schedule not in SCHEDULES:
        raise ValueError(
            f"schedule must be a Schedule or one of {sorted(SCHEDULES)}, got {schedule!r}."
        )
    return SCHEDULES[schedule]()
