"""Conditioning, marginals and guidance: denoisers made of denoisers.

Since every entry of a row may carry its own noise level, an entry that is known is one with next to
no noise, and an entry about which nothing is known is one with the largest noise. The wrappers
here set those levels and are denoisers themselves, so every solver and likelihood takes them
without knowing about it.
"""

import math

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser, Posterior

__all__ = ["Conditioned", "Guided", "Marginal"]


class Conditioned:
    """A denoiser given the values of some entries.

    Known entries enter with their value and the noise level `sigma_min`, and come back as that
    value with variance 0; whatever a solver makes of them in between is ignored. A solver that ends
    at noise level 0 therefore returns them exactly.

    Parameters
    ----------
    denoiser : Denoiser
        The model of whole rows.
    known : Tensor of shape (d,) or (n, d)
        Which entries are known, boolean; one row of flags stands for all rows.
    values : Tensor of shape (d,) or (n, d)
        Their values, in the units of the data; anything, NaN included, elsewhere.
    sigma_min : float
        Noise level of a known entry: the smallest that the denoiser was made for. In draws it acts
        as an error of measurement of that size.

    Raises
    ------
    ValueError
        If the shapes disagree, a known value is not finite or `sigma_min` is not positive.
    TypeError
        If `known` is not boolean.

    References
    ----------
    Tashiro, Y. et al. (2021). CSDI: conditional score-based diffusion models for probabilistic time
    series imputation. arXiv:2107.03502, equation 7, with the known entries told by their noise
    level in place of a mask.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> pair = GaussianDenoiser(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.5, 1.0]]))
    >>> first = torch.tensor([True, False])
    >>> given = Conditioned(pair, first, torch.tensor([3.0, 0.0]), sigma_min=1e-3)
    >>> given(torch.zeros(1, 2), torch.tensor(100.0)).mean.round(decimals=3)
    tensor([[3.0000, 1.5000]])
    """

    def __init__(self, denoiser: Denoiser, known: Tensor, values: Tensor, sigma_min: float):
        _check_known(known, values)
        _check_level("sigma_min", sigma_min)
        self.denoiser = denoiser
        self.known = torch.atleast_2d(known)
        self.values = torch.atleast_2d(values)
        self.sigma_min = sigma_min

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the posterior of the clean rows given the known values."""
        return self._posterior(x, sigma, self.values, self.sigma_min)

    def _posterior(self, x: Tensor, sigma: Tensor, shown: Tensor, level: float) -> Posterior:
        """Return the posterior where the model sees `shown` at one level in the known entries."""
        _check_rows(x, self.known, self.values)
        known = self.known.to(x.device)
        seen = torch.where(known, shown.to(x), x)
        mean, var = self.denoiser(seen, torch.where(known, sigma.new_full((), level), sigma))
        return Posterior(
            torch.where(known, self.values.to(x), mean),
            None if var is None else var.masked_fill(known, 0.0),
        )


class Marginal:
    """The denoiser of some columns, with all others unknown.

    It takes and returns rows of the kept columns only; the others enter the model with the noise
    level `sigma_max`.

    Parameters
    ----------
    denoiser : Denoiser
        The model of whole rows.
    kept : Tensor of shape (d,)
        Which columns are kept, boolean.
    sigma_max : float
        Noise level of an unknown entry: the largest that the denoiser was made for, and large
        against the spread of the data, since what `fill` tells the model has that error; infinite
        for closed forms.
    fill : float or Tensor of shape (d,), default=0.0
        Value of an unknown entry: the mean of its column, which is 0 for centred data.

    Raises
    ------
    ValueError
        If `kept` is not one-dimensional or keeps no column, the shapes disagree or `sigma_max` is
        not positive.
    TypeError
        If `kept` is not boolean.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> pair = GaussianDenoiser(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.5, 1.0]]))
    >>> second = Marginal(pair, torch.tensor([False, True]), sigma_max=100.0)
    >>> second(torch.tensor([[4.0]]), torch.tensor(1.0)).mean.round(decimals=3)
    tensor([[2.]])
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kept: Tensor,
        sigma_max: float,
        *,
        fill: float | Tensor = 0.0,
    ):
        _check_boolean("kept", kept)
        if kept.ndim != 1 or not kept.any():
            raise ValueError(
                "kept must be a one-dimensional tensor with at least one True, "
                f"got {int(kept.sum())} True in shape {tuple(kept.shape)}."
            )
        if not sigma_max > 0.0:
            raise ValueError(f"sigma_max must be positive, got {sigma_max!r}.")
        self.denoiser = denoiser
        self.kept = kept
        self.n_kept = int(kept.sum())
        self.sigma_max = sigma_max
        self.fill = _check_fill(fill, kept.shape)

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the posterior of the kept columns."""
        kept = self.kept.to(x.device)
        n_kept = self.n_kept
        if x.ndim != 2 or x.shape[1] != n_kept:
            raise ValueError(
                f"x must have one column for each of the {n_kept} kept ones, "
                f"got shape {tuple(x.shape)}."
            )
        filled = self.fill.to(x).expand(len(x), len(kept)).clone()
        filled[:, kept] = x
        # A level for each row only where the caller's differ: one pattern of noise is cheaper.
        n_levels = len(x) if sigma.ndim == 2 and len(sigma) > 1 else 1
        levels = sigma.new_full((n_levels, len(kept)), self.sigma_max)
        levels[:, kept] = sigma.expand(n_levels, n_kept)
        mean, var = self.denoiser(filled, levels)
        return Posterior(mean[:, kept], None if var is None else var[:, kept])


class Guided(Conditioned):
    """Classifier-free guidance by known entries.

    One denoiser plays both parts: it sees the known entries with next to no noise, and with so much
    that they say nothing. The two means are extrapolated,
    ``mean = D_unknown + scale * (D_known - D_unknown)``.

    Parameters
    ----------
    denoiser : Denoiser
        The model of whole rows.
    known : Tensor of shape (d,) or (n, d)
        Which entries are known, boolean; one row of flags stands for all rows.
    values : Tensor of shape (d,) or (n, d)
        Their values, in the units of the data; anything, NaN included, elsewhere.
    scale : float
        Strength: 0 ignores the known entries, 1 is `Conditioned`, more exaggerates what they
        imply. At 0 and 1 a call costs one evaluation of the model, else two.
    sigma_min : float
        Noise level of a known entry: the smallest that the denoiser was made for.
    sigma_max : float
        Noise level of an unknown entry: the largest that the denoiser was made for.
    fill : float or Tensor of shape (d,), default=0.0
        Value of an unknown entry: the mean of its column, which is 0 for centred data.

    Raises
    ------
    ValueError
        If the shapes disagree, a known value or the scale is not finite or the noise levels are not
        ``0 < sigma_min < sigma_max``.
    TypeError
        If `known` is not boolean.

    References
    ----------
    Ho, J., Salimans, T. (2022). Classifier-free diffusion guidance. arXiv:2207.12598, equation 6,
    whose ``w`` is ``scale - 1``.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> pair = GaussianDenoiser(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.5, 1.0]]))
    >>> first, values = torch.tensor([True, False]), torch.tensor([3.0, 0.0])
    >>> twice = Guided(pair, first, values, scale=2.0, sigma_min=1e-3, sigma_max=100.0)
    >>> twice(torch.zeros(1, 2), torch.tensor(100.0)).mean.round(decimals=3)
    tensor([[3., 3.]])
    """

    def __init__(
        self,
        denoiser: Denoiser,
        known: Tensor,
        values: Tensor,
        scale: float,
        sigma_min: float,
        sigma_max: float,
        *,
        fill: float | Tensor = 0.0,
    ):
        super().__init__(denoiser, known, values, sigma_min)
        if not math.isfinite(scale):
            raise ValueError(f"scale must be finite, got {scale!r}.")
        if not sigma_min < sigma_max < math.inf:
            raise ValueError(
                f"sigma_min must be below sigma_max, got {sigma_min!r} and {sigma_max!r}."
            )
        self.scale = scale
        self.sigma_max = sigma_max
        self.fill = _check_fill(fill, known.shape[-1:])

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the guided mean, and at scale 1 the variance too."""
        if self.scale == 1.0:
            return super().__call__(x, sigma)
        unknown = self._posterior(x, sigma, self.fill, self.sigma_max).mean
        if self.scale == 0.0:
            return Posterior(unknown)
        return Posterior(torch.lerp(unknown, super().__call__(x, sigma).mean, self.scale))


def _check_boolean(name: str, flags: Tensor) -> None:
    if flags.dtype != torch.bool:
        raise TypeError(f"{name} must be a boolean tensor, got {flags.dtype}.")


def _check_fill(fill: float | Tensor, shape: torch.Size) -> Tensor:
    fill = torch.as_tensor(fill)
    if fill.shape not in {(), shape}:
        raise ValueError(
            f"fill must be a number or of shape {tuple(shape)}, got {tuple(fill.shape)}."
        )
    return fill


def _check_level(name: str, sigma: float) -> None:
    if not 0.0 < sigma < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {sigma!r}.")


def _check_known(known: Tensor, values: Tensor) -> None:
    _check_boolean("known", known)
    try:
        flags, numbers = torch.broadcast_tensors(torch.atleast_2d(known), torch.atleast_2d(values))
    except RuntimeError:
        flags = numbers = None
    if flags is None or flags.ndim != 2 or known.shape[-1:] != values.shape[-1:]:
        raise ValueError(
            "known and values must be of shape (d,) or (n, d) with the same n and d, "
            f"got {tuple(known.shape)} and {tuple(values.shape)}."
        )
    if not torch.isfinite(numbers[flags]).all():
        raise ValueError("Every known value must be finite; mark missing ones as not known.")


def _check_rows(x: Tensor, known: Tensor, values: Tensor) -> None:
    n_rows = max(len(known), len(values))
    if x.ndim != 2 or x.shape[1] != known.shape[1] or n_rows not in (1, len(x)):
        raise ValueError(
            f"x has shape {tuple(x.shape)}, but known and values are for "
            f"{n_rows if n_rows > 1 else 'any number of'} rows of {known.shape[1]} columns."
        )
