"""Geodesics on the manifold that a denoiser has learned, and its metric.

Across the manifold each point of a path goes where the denoiser sends it, and along it to where the
energy of the path is least, in turn: see ``docs/theory/couplings.md``. Of the denoiser's move the
part along the manifold is left out: it leads to where rows are many.
"""

import torch
from torch import Tensor

from skdiffusion.diffusion.cholesky import symmetric
from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.jacobian import mean_and_products, principal_directions

# The first tangents are read at a higher noise level, where noise and gaps between rows count for
# less.
_WIDER = 1.5
# Probes beside the tangents that are looked for, so that none is missed by chance.
_SPARE = 3
# The tangent plane is the manifold for about one noise level around a point; two are made good by
# the next move across.
_LARGEST_STEP = 2.0


def relax_path(
    denoiser: Denoiser,
    path: Tensor,
    sigma: float,
    *,
    dimension: int,
    n_iter: int = 10,
    tol: float = 0.05,
) -> Tensor:
    """Pull a path (n, d) onto the manifold of a denoiser and tighten it to a geodesic.

    Rounds end early where no point moves by more than `tol` of the mean step of the path.
    """
    # it moves in so many directions of every tangent space and no other, which keeps it from
    # crossing gaps that the denoiser is in doubt about
    path = path.detach()
    level = path.new_tensor(sigma)
    with torch.no_grad():
        path = denoiser(path, level).mean
    tangents = _first_tangents(denoiser, path, level, dimension)
    for round_ in range(n_iter + 1):
        mean, products = mean_and_products(denoiser, path, level, tangents)
        # a power of subspace iteration: the path moves little from round to round
        tangents = torch.linalg.qr(products).Q
        pull = mean - path
        path = path + pull - _along(tangents, pull)
        if round_ == n_iter:
            break
        step = _tightening(path, tangents[1:-1])
        longest = step.norm(dim=1).max()
        path[1:-1] += step * (_LARGEST_STEP * level / longest.clamp_min(1e-30)).clamp_max(1)
        if longest <= tol * path.diff(dim=0).norm(dim=1).mean():
            # one more move across
            n_iter = round_ + 1
    return path


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


def _first_tangents(denoiser: Denoiser, path: Tensor, sigma: Tensor, dimension: int) -> Tensor:
    """Return leading eigenvectors (n, d, r) of the Jacobian, found among random directions."""
    n, d = path.shape
    wide = _WIDER * sigma
    width = min(d, dimension + _SPARE)
    probes = torch.eye(d).to(path).expand(n, d, d)
    if width < d:
        # any directions will do
        draws = torch.randn(d, width - 1, generator=torch.Generator().manual_seed(0))
        ahead = torch.cat([path[1:], path[-1:]]) - torch.cat([path[:1], path[:-1]])
        parts = [ahead.unsqueeze(2), draws.to(path).expand(n, d, width - 1)]
        first = torch.linalg.qr(torch.cat(parts, dim=2)).Q
        probes = torch.linalg.qr(mean_and_products(denoiser, path, wide, first)[1]).Q
    _, products = mean_and_products(denoiser, path, wide, probes)
    # eigenvalues ascend: largest first
    vectors = torch.linalg.eigh(symmetric(probes.mT @ products)).eigenvectors.flip(-1)
    return torch.linalg.qr(probes @ vectors[:, :, :dimension]).Q


def local_metric(denoiser: Denoiser, x: Tensor, sigma: Tensor, *, eps: float = 0.01) -> Tensor:
    """Return ``(1 + eps) (J + eps)^{-1}`` at rows, with ``J`` the Jacobian of the denoiser."""
    values, vectors = principal_directions(denoiser, x, sigma)
    # between two clusters eigenvalues exceed one
    lengths = (1 + eps) / (values.clamp(0, 1) + eps)
    return (vectors * lengths.unsqueeze(1)) @ vectors.mT
