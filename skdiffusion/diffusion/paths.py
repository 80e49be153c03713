"""Geodesics on the manifold that a denoiser has learned, and its metric.

At a noise level ``sigma`` above the noise of the data and below the radius of its curvature, a
denoiser ``D`` projects onto the manifold, and its Jacobian ``J = Cov[x0 | x] / sigma^2`` onto the
tangent space: the eigenvalues of ``J`` are near one along the manifold and near zero across. A path
becomes a geodesic by two moves in turn, as in the string method: across the manifold each point
goes where the denoiser sends it, and along the manifold the points go where the energy
``sum_i |x_{i+1} - x_i|^2`` is least with both ends held. The energy is least where the path is
shortest and its points are equally spaced.

Of the denoiser's move the part along the manifold is left out: it leads to where rows are many, and
would bend every path that way.

References
----------
E, W., Ren, W., Vanden-Eijnden, E. (2002). String method for the study of rare events. Physical
Review B 66, which moves a path across and along itself in turn.

Robbins, H. (1956). An empirical Bayes approach to statistics. Its posterior covariance is the
second-order Tweedie identity ``Cov[x0 | x] = sigma^2 dD / dx``.
"""

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.jacobian import check_rows, mean_and_products, principal_directions

# An eigenvalue of the Jacobian above it belongs to a direction along the manifold. They are counted
# at a higher noise level, where noise and gaps between rows count for less.
_ALONG, _WIDER = 0.5, 1.5
_MAX_DIMENSION = 8
# Probes beside the tangents that are looked for, so that none is missed by chance.
_SPARE = 3
# The tangent plane is the manifold for about one noise level around a point; two are made good by
# the next move across.
_LARGEST_STEP = 2.0


def relax_path(
    denoiser: Denoiser,
    path: Tensor,
    sigma: float | Tensor,
    *,
    n_iter: int = 10,
    dimension: int | None = None,
    hold_ends: bool = True,
    tol: float = 0.05,
) -> Tensor:
    """Pull a path onto the manifold of a denoiser and tighten it to a geodesic.

    Parameters
    ----------
    denoiser : Denoiser
        The model; autograd must be able to differentiate its mean.
    path : Tensor of shape (n_points, d)
        Points in order, such as :func:`skdiffusion.geometry.geodesic_path` finds them. The
        geodesic found is the one that this path can be moved to: it does not jump over gaps.
    sigma : float or Tensor of shape ()
        Noise level at which the denoiser is read: two or more times the noise of the rows, and
        about half the distance to their tenth neighbour, so that it sees a surface and not rows.
        The path lies off the manifold, on the inner side of its bends, by about
        ``sigma^2 / 2`` times the sum of the curvatures.
    n_iter : int, default=10
        Largest number of rounds.
    dimension : int or None, default=None
        Dimension of the manifold. The path moves in that many directions of every tangent space
        and no other, which keeps it from crossing gaps that the denoiser is in doubt about: give
        it where it is known. None takes the number of eigenvalues of the Jacobian above one half,
        at ``1.5 * sigma`` and the median point of the path, and at most eight.
    hold_ends : bool, default=True
        Whether the ends stay as they are, or are pulled onto the manifold first.
    tol : float, default=0.05
        The rounds end where no point moved by more than this share of the mean step of the path.

    Returns
    -------
    Tensor of shape (n_points, d)
        The geodesic, without gradient.

    Raises
    ------
    ValueError
        If `path` is not a floating-point matrix of two points or more, `dimension` is not between
        one and the number of columns, or `sigma` is not positive.

    Examples
    --------
    Four rows on a line, and a path beside it:

    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> line = GaussianDenoiser(torch.zeros(2), torch.tensor([4.0, 0.0]))
    >>> path = torch.tensor([[0.0, 0.0], [0.1, 1.0], [0.5, -1.0], [3.0, 0.0]])
    >>> relax_path(line, path, 0.1).round(decimals=3)
    tensor([[0., 0.],
            [1., 0.],
            [2., 0.],
            [3., 0.]])
    """
    path = check_rows(path).detach()
    if len(path) < 2:
        raise ValueError(f"A path needs two points or more, got {len(path)}.")
    if dimension is not None and not 1 <= dimension <= path.shape[1]:
        raise ValueError(f"dimension={dimension} must be from 1 to {path.shape[1]}, the columns.")
    level = _one_level(sigma, path)
    moving = torch.ones_like(path[:, :1])
    if hold_ends:
        moving[[0, -1]] = 0
    with torch.no_grad():
        path = path + moving * (denoiser(path, level).mean - path)
    tangents = _first_tangents(denoiser, path, level, dimension)
    for round_ in range(n_iter + 1):
        mean, products = mean_and_products(denoiser, path, level, tangents)
        # a power of subspace iteration: the path moves little from round to round
        tangents = torch.linalg.qr(products).Q
        pull = mean - path
        path = path + moving * (pull - _along(tangents, pull))
        if round_ == n_iter or len(path) == 2:
            break
        step = _tightening(path, tangents[1:-1])
        longest = step.norm(dim=1).max()
        path[1:-1] += step * (_LARGEST_STEP * level / longest.clamp_min(1e-30)).clamp_max(1)
        if longest <= tol * path.diff(dim=0).norm(dim=1).mean():
            # one more move across
            n_iter = round_ + 1
    return path


def _one_level(sigma: float | Tensor, x: Tensor) -> Tensor:
    level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    if level.ndim or not bool(level > 0):
        raise ValueError(f"sigma must be one positive noise level, got {sigma!r}.")
    return level


def _along(tangents: Tensor, v: Tensor) -> Tensor:
    """Project vectors (n, d) on tangent spaces (n, d, r)."""
    return (tangents @ (tangents.mT @ v.unsqueeze(2))).squeeze(2)


def _tightening(path: Tensor, tangents: Tensor) -> Tensor:
    """Return the moves of the inner points along their tangents that make the energy least."""
    n, _, r = tangents.shape
    right = (tangents.mT @ path.diff(n=2, dim=0).unsqueeze(2)).reshape(n * r)
    system = path.new_zeros(n, r, n, r)
    at = torch.arange(n)
    system[at, :, at, :] = 2 * tangents.mT @ tangents
    coupling = tangents[:-1].mT @ tangents[1:]
    system[at[:-1], :, at[1:], :] = -coupling
    system[at[1:], :, at[:-1], :] = -coupling.mT
    system = system.reshape(n * r, n * r)
    solved = torch.linalg.solve(system, right)
    return (tangents @ solved.reshape(n, r, 1)).squeeze(2)


def _first_tangents(
    denoiser: Denoiser, path: Tensor, sigma: Tensor, dimension: int | None
) -> Tensor:
    """Return leading eigenvectors (n, d, r) of the Jacobian, found among random directions."""
    n, d = path.shape
    wide = _WIDER * sigma
    width = min(d, (dimension or _MAX_DIMENSION) + _SPARE)
    probes = torch.eye(d).to(path).expand(n, d, d)
    if width < d:
        # any directions will do
        draws = torch.randn(d, width - 1, generator=torch.Generator().manual_seed(0))
        ahead = torch.cat([path[1:], path[-1:]]) - torch.cat([path[:1], path[:-1]])
        parts = [ahead.unsqueeze(2), draws.to(path).expand(n, d, width - 1)]
        first = torch.linalg.qr(torch.cat(parts, dim=2)).Q
        probes = torch.linalg.qr(mean_and_products(denoiser, path, wide, first)[1]).Q
    _, products = mean_and_products(denoiser, path, wide, probes)
    small = probes.mT @ products
    # eigenvalues ascend: largest first
    values, vectors = (part.flip(-1) for part in torch.linalg.eigh((small + small.mT) / 2))
    if dimension is None:
        # one number for the whole path: where it is in doubt it would leave the manifold
        count = int((values > _ALONG).sum(1).median())
        dimension = min(max(count, 1), _MAX_DIMENSION)
    return torch.linalg.qr(probes @ vectors[:, :, :dimension]).Q


def local_metric(
    denoiser: Denoiser, x: Tensor, sigma: float | Tensor, *, eps: float = 0.01
) -> Tensor:
    """Return the metric in which the manifold is short and the way off it long.

    ``G = (1 + eps) (J + eps I)^{-1}`` with ``J`` the Jacobian of the denoiser's mean: one along
    directions that denoising keeps, and about ``1 / eps`` across. A step ``v`` has the length
    ``sqrt(v' G v)``.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows.
    sigma : float or Tensor of shape ()
        Noise level at which the denoiser is read; see :func:`relax_path`.
    eps : float, default=0.01
        Share that is left of a length across the manifold in the units of one along it, squared:
        0.01 makes a step across ten times as long.

    Returns
    -------
    Tensor of shape (n, d, d)
        Symmetric positive metric tensors. Eigenvalues of ``J`` are taken between zero and one;
        between two clusters they exceed one.

    Raises
    ------
    ValueError
        If the rows are not a floating-point matrix, or `sigma` or `eps` is not positive.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> line = GaussianDenoiser(torch.zeros(2), torch.tensor([1e6, 0.0]))
    >>> local_metric(line, torch.zeros(1, 2), 1.0).round()
    tensor([[[  1.,   0.],
             [  0., 101.]]])
    """
    x, level = check_rows(x), _one_level(sigma, x)
    if not eps > 0:
        raise ValueError(f"eps must be positive, got {eps!r}.")
    values, vectors = principal_directions(denoiser, x, level)
    lengths = (1 + eps) / (values.clamp(0, 1) + eps)
    return (vectors * lengths.unsqueeze(1)) @ vectors.mT
