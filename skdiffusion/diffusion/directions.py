"""Directions that a denoiser keeps: its tangent spaces, and their number.

Near a manifold of dimension k a denoiser at a small noise level sigma is the projection onto it:
its Jacobian has k eigenvalues near one, along the manifold, and all others near zero. The level
must exceed the noise of the data, which would count as directions of the manifold, and stay below
the radius of its curvature. Everything here is as good as the denoiser is.
"""

from typing import NamedTuple

from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.jacobian import (
    check_probes,
    check_rows,
    mean_and_diagonal,
    principal_directions,
)

_KEPT = 0.5


class TangentSpace(NamedTuple):
    """Directions that a denoiser keeps at some rows, those it keeps most first."""

    vectors: Tensor
    values: Tensor

    @property
    def dimension(self) -> Tensor:
        """Number of the directions that are kept by more than half, of shape (n,)."""
        return (self.values > _KEPT).sum(1)


def flipd(denoiser: Denoiser, x: Tensor, sigma: Tensor, *, probes: Tensor | None = None) -> Tensor:
    """Return the dimension by which the noised density falls with the noise level.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows on the manifold; there the estimate holds.
    sigma : Tensor that broadcasts to ``x``
        Noise levels, positive: above the noise of the data, below the radius of curvature.
    probes : Tensor of shape (m, d) or None, default=None
        Random signs that estimate the trace above 32 columns; without them it is exact, which
        takes a derivative per column.

    Returns
    -------
    Tensor of shape (n,)
        Dimensions, not rounded.

    Raises
    ------
    ValueError
        If the rows are no floating-point matrix, a noise level is not positive, or probes are of
        the wrong shape.

    Notes
    -----
    Around a point of a manifold of dimension k in d columns ``p_sigma(x)`` goes like
    ``sigma ** (k - d)``, so that ``k = d + d log p / d log sigma``. The heat equation
    ``dp / dsigma = sigma * laplacian(p)`` turns the derivative into
    ``sigma ** 2 (tr ds/dx + |s| ** 2)`` with the score s, and Tweedie's formula
    ``s = (D - x) / sigma ** 2`` turns the whole into ``tr dD/dx + |D - x| ** 2 / sigma ** 2``.
    The second term vanishes on the manifold, and the trace counts the directions that denoising
    keeps.

    References
    ----------
    Kamkari, H. et al. (2024). A geometric view of data complexity: efficient local intrinsic
    dimension estimation with diffusion models. NeurIPS 37. arXiv:2406.03537, theorem 3.1.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> flat = GaussianDenoiser(torch.zeros(3), torch.tensor([1.0, 1.0, 0.0]))
    >>> flipd(flat, torch.zeros(1, 3), torch.tensor(0.01)).round(decimals=2)
    tensor([2.])
    """
    x = check_rows(x).detach()
    _check_positive(sigma)
    mean, diagonal = mean_and_diagonal(denoiser, x, sigma, check_probes(x, probes))
    return diagonal.sum(1) + (((mean - x) / sigma) ** 2).sum(1)


def tangent_space(
    denoiser: Denoiser, x: Tensor, sigma: Tensor, dimension: int | None = None
) -> TangentSpace:
    """Return the directions that a denoiser keeps: the tangent space of its manifold.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows.
    sigma : Tensor that broadcasts to ``x``
        Noise levels, positive, the same for all entries of a row.
    dimension : int or None, default=None
        How many directions to return; None returns all, with the share of each that is kept.

    Returns
    -------
    TangentSpace
        Leading eigenvectors of the symmetric part of ``dD / dx``, and the eigenvalues. The
        Jacobian of an exact denoiser is the posterior covariance over ``sigma ** 2``, which is
        symmetric; that of a network is not quite.

    Raises
    ------
    ValueError
        If the rows are no floating-point matrix or a noise level is not positive.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> line = GaussianDenoiser(torch.zeros(2), torch.tensor([0.0, 1.0]))
    >>> found = tangent_space(line, torch.zeros(1, 2), torch.tensor(0.1))
    >>> found.values.round(decimals=2), found.dimension
    (tensor([[0.9900, 0.0000]]), tensor([1]))
    """
    check_rows(x)
    _check_positive(sigma)
    values, vectors = principal_directions(denoiser, x, sigma)
    return TangentSpace(vectors[..., :dimension], values[:, :dimension])


def _check_positive(sigma: Tensor) -> None:
    if not bool((sigma > 0).all()):
        raise ValueError("Every noise level must be positive.")
