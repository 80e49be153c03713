"""Conditioning, marginals and guidance: denoisers made of denoisers.

An entry that is known is one with next to no noise, and an entry about which nothing is known is
one with the largest noise: every solver and likelihood takes the wrappers that set these levels.
"""

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser, Posterior


class Conditioned:
    """A denoiser given the values of some entries.

    Known entries enter with their value and the noise level `sigma_min`, and come back as that
    value; whatever a solver makes of them in between is ignored. A solver that ends at noise level
    0 therefore returns them exactly.

    Parameters
    ----------
    denoiser : Denoiser
        The model of whole rows.
    known : Tensor of shape (d,) or (n, d)
        Which entries are known, boolean; one row of flags stands for all rows.
    values : Tensor of shape (d,) or (n, d)
        Their values, in the units of the data; anything, NaN included, elsewhere.
    sigma_min : float
        Noise level of a known entry: the smallest that the denoiser was made for, zero for a
        closed form that takes it. In draws it acts as an error of measurement of that size.

    Raises
    ------
    ValueError
        If `known` is not boolean, the shapes disagree or a known value is not finite.

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
        _check_flags("known", known, values)
        self.denoiser = denoiser
        self.known = torch.atleast_2d(known)
        self.values = torch.atleast_2d(values)
        if not torch.where(self.known, self.values, 0.0).isfinite().all():
            raise ValueError("Every known value must be finite; mark missing ones as not known.")
        self.sigma_min = sigma_min

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the posterior of the clean rows given the known values."""
        return self._posterior(x, sigma, self.values, self.sigma_min)

    def _posterior(self, x: Tensor, sigma: Tensor, shown: Tensor, level: float) -> Posterior:
        """Return the posterior where the model sees `shown` at one level in the known entries."""
        known = self.known.to(x.device)
        seen = torch.where(known, shown.to(x), x)
        mean = self.denoiser(seen, torch.where(known, sigma.new_full((), level), sigma)).mean
        return Posterior(torch.where(known, self.values.to(x), mean))


class Marginal:
    """The denoiser of some columns, with all others unknown.

    It takes and returns rows of the kept columns only; the others enter the model as zeros, their
    mean where the data are centred, with the noise level `sigma_max`.

    Parameters
    ----------
    denoiser : Denoiser
        The model of whole rows.
    kept : Tensor of shape (d,)
        Which columns are kept, boolean.
    sigma_max : float
        Noise level of an unknown entry: the largest that the denoiser was made for, infinity for a
        closed form that takes it.

    Raises
    ------
    ValueError
        If `kept` is not a boolean vector.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> pair = GaussianDenoiser(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.5, 1.0]]))
    >>> second = Marginal(pair, torch.tensor([False, True]), sigma_max=100.0)
    >>> second(torch.tensor([[4.0]]), torch.tensor(1.0)).mean.round(decimals=3)
    tensor([[2.]])
    """

    def __init__(self, denoiser: Denoiser, kept: Tensor, sigma_max: float):
        _check_flags("kept", kept, kept.flatten())
        self.denoiser = denoiser
        self.kept = kept
        self.n_kept = int(kept.sum())
        self.sigma_max = sigma_max

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the posterior of the kept columns."""
        kept = self.kept.to(x.device)
        filled = x.new_zeros(len(x), len(kept))
        filled[:, kept] = x
        # A level for each row only where the caller's differ: one pattern of noise is cheaper.
        n_levels = len(x) if sigma.ndim == 2 and len(sigma) > 1 else 1
        levels = sigma.new_full((n_levels, len(kept)), self.sigma_max)
        levels[:, kept] = sigma.expand(n_levels, self.n_kept)
        return Posterior(self.denoiser(filled, levels).mean[:, kept])


class Guided(Conditioned):
    """Classifier-free guidance by known entries.

    One denoiser plays both parts: it sees the known entries with next to no noise, and as zeros
    with so much that they say nothing. The two means are extrapolated,
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

    Raises
    ------
    ValueError
        If `known` is not boolean, the shapes disagree or a known value is not finite.

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
    ):
        super().__init__(denoiser, known, values, sigma_min)
        self.scale = scale
        self.sigma_max = sigma_max

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the guided mean."""
        if self.scale == 1.0:
            return super().__call__(x, sigma)
        unknown = self._posterior(x, sigma, x.new_zeros(()), self.sigma_max)
        if self.scale == 0.0:
            return unknown
        return Posterior(torch.lerp(unknown.mean, super().__call__(x, sigma).mean, self.scale))


def _check_flags(name: str, flags: Tensor, values: Tensor) -> None:
    """Check that flags are boolean and stand for the values of rows."""
    rows = {len(part) for part in (flags, values) if part.ndim == 2} - {1}
    fits = flags.shape[-1:] == values.shape[-1:] and len(rows) < 2
    if flags.dtype != torch.bool or not fits or max(flags.ndim, values.ndim) > 2:
        raise ValueError(
            f"{name} must be boolean, of shape (d,) or {tuple(values.shape)}, that of the values, "
            f"got {flags.dtype} {tuple(flags.shape)}."
        )
