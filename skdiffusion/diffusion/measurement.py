"""Posterior draws given a linear measurement of the row: a denoiser made of a denoiser."""

import torch
from torch import Tensor

from skdiffusion.diffusion.cholesky import symmetric
from skdiffusion.diffusion.denoiser import Denoiser, Posterior
from skdiffusion.diffusion.jacobian import mean_and_products

# share of the reference's variance that a measurement has at least: on digits 0.1 to 0.3 drew
# alike, and below 0.05 single draws left the range of the data by far
_LEAST_SHARE = 0.2
# relative: below this variance of a measurement nothing is concluded from it
_ROUNDING = 1e-10
# variance of what is known
_SMALLEST = 1e-200


class Measured:
    r"""A denoiser given a linear measurement of the rows, ``y = A x0 + noise``.

    By the second-order Tweedie identity the covariance of the clean row given a noisy one is
    ``C = J N``, with ``J`` the Jacobian of the mean ``D`` and ``N = diag(sigma ** 2)``. Where that
    posterior is Gaussian, the measurement moves its mean to

    .. math:: D + C A' (A C A' + R)^{-1} (y - A D)

    with ``R`` the covariance of the noise. Where ``A`` selects entries these are known, for which
    :class:`Conditioned` is cheaper, and exact for all rows.

    Parameters
    ----------
    denoiser : Denoiser
        The model of the rows, at finite noise levels; or another wrapper, such as :class:`Guided`.
    matrix : Tensor of shape (m, d)
        What is measured, ``A``. Its rows may depend on each other.
    values : Tensor of shape (m,) or (n, m)
        The measurements, ``y``: the same for all rows, or one for each.
    noise : Tensor of shape (m,) or float, default=0.0
        Standard deviations of their noise, in their units. 0 is an exact measurement.
    reference : Denoiser or None, default=None
        A Gaussian's denoiser, where the other is a network, whose Jacobian is neither symmetric nor
        positive: a measurement has in every direction at least a fifth of the variance that it has
        by the reference. None trusts the Jacobian, as is right for closed forms.

    Raises
    ------
    ValueError
        If shapes disagree, something is not finite or noise is negative.

    Notes
    -----
    Draws are exact for Gaussian rows. Of other rows the shares of modes are off: means of a mixture
    whose modes overlap by up to a fifth of a standard deviation, and more where they do not.
    Measurements that contradict each other are met in the sense of least squares.

    References
    ----------
    Finzi, M. et al. (2023). User-defined event sampling and uncertainty quantification in diffusion
    models for physical dynamical systems. arXiv:2306.07526.

    Boys, B. et al. (2023). Tweedie moment projected diffusions for inverse problems.
    arXiv:2310.06721.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser, Measured
    >>> pair = GaussianDenoiser(torch.zeros(2), torch.ones(2))
    >>> total = Measured(pair, torch.ones(1, 2), torch.tensor([3.0]))
    >>> total(torch.zeros(1, 2), torch.tensor(100.0)).mean.round(decimals=3)
    tensor([[1.5000, 1.5000]])
    """

    def __init__(
        self,
        denoiser: Denoiser,
        matrix: Tensor,
        values: Tensor,
        noise: Tensor | float = 0.0,
        reference: Denoiser | None = None,
    ):
        noise = torch.as_tensor(noise)
        _check_measurement(matrix, values, noise)
        self.denoiser = denoiser
        self.reference = reference
        # rows of unit length: no unit of a measurement makes it count for more
        length = matrix.to(torch.float64).norm(dim=1)
        length = torch.where(length > 0, length, 1.0)
        self.matrix = matrix.to(torch.float64) / length.unsqueeze(1)
        self.values = torch.atleast_2d(values).to(torch.float64) / length
        self.noise = noise.to(length).expand_as(length) / length

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the posterior of the clean rows given the measurement."""
        parts = self.matrix, self.values, self.noise
        matrix, values, noise = (part.to(x.device) for part in parts)
        mean, cross = _moments(self.denoiser, x, sigma, matrix)
        if self.reference is not None:
            _, expected = _moments(self.reference, x, sigma, matrix)
            cross = _supported(cross, expected, matrix)
        residual = values - mean @ matrix.mT
        moved = (cross @ _solve(symmetric(matrix @ cross), noise, residual)).squeeze(2)
        return Posterior((mean + moved).to(x.dtype))


def _moments(denoiser: Denoiser, x: Tensor, sigma: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return posterior means, and their covariances (n, d, m) with what is measured."""
    probes = matrix.mT.to(x.dtype).expand(len(x), -1, -1)
    mean, products = mean_and_products(denoiser, x, sigma, probes)
    noise = sigma.to(torch.float64).expand_as(x).unsqueeze(2) ** 2
    return mean.to(torch.float64), noise * products


def _supported(cross: Tensor, expected: Tensor, matrix: Tensor) -> Tensor:
    """Return covariances by which a measurement has its least share of the expected variance."""
    seen, least = matrix @ cross, symmetric(matrix @ expected)
    variances = least.diagonal(dim1=-2, dim2=-1)
    # where nothing is measured, or all is known already, nothing is expected
    floor = (_ROUNDING * variances.amax(1, keepdim=True)).clamp_min(_SMALLEST)
    jitter = _ROUNDING * variances.maximum(floor)
    factor = torch.linalg.cholesky(least + jitter.diag_embed())
    halfway = torch.linalg.solve_triangular(factor, symmetric(seen), upper=False)
    shares = torch.linalg.solve_triangular(factor, halfway.mT, upper=False)
    shares, vectors = torch.linalg.eigh(symmetric(shares))
    root = factor @ vectors
    supported = (root * shares.clamp_min(_LEAST_SHARE).unsqueeze(1)) @ root.mT
    # what the network lacks, or has in one direction only, is as the reference has it
    return cross + expected @ torch.cholesky_solve(supported - seen, factor)


def _solve(covariance: Tensor, noise: Tensor, residual: Tensor) -> Tensor:
    """Return ``(A C A' + R)^{-1} r`` (n, m, 1), without the directions of no variance."""
    covariance = covariance + (noise**2).diag_embed()
    # as correlations, so that measurements of large noise make no others vanish
    variances = covariance.diagonal(dim1=-2, dim2=-1)
    scale = torch.where(variances > _SMALLEST, variances.rsqrt(), 0.0).unsqueeze(2)
    values, vectors = torch.linalg.eigh(scale * covariance * scale.mT)
    known = values > (_ROUNDING * values[:, -1:]).clamp_min(_SMALLEST)
    weights = torch.where(known, 1 / values, 0.0).unsqueeze(2)
    return scale * (vectors @ (weights * (vectors.mT @ (scale * residual.unsqueeze(2)))))


def _check_measurement(matrix: Tensor, values: Tensor, noise: Tensor) -> None:
    """Check that measurements fit together and are finite."""
    m = matrix.shape[:1]
    fits = matrix.ndim == 2 and values.ndim in (1, 2) and values.shape[-1:] == m
    if not fits or noise.shape not in ((), m):
        shapes = ", ".join(str(tuple(part.shape)) for part in (matrix, values, noise))
        raise ValueError(
            "Shapes disagree: expected (m, d) for matrix, (m,) or (n, m) for values and () or (m,) "
            f"for noise, got {shapes}."
        )
    if not all(bool(part.isfinite().all()) for part in (matrix, values, noise)) or noise.min() < 0:
        raise ValueError("matrix, values and noise must be finite, and noise not negative.")
