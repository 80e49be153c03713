"""Denoising onto a manifold: across it by local planes, along it by another denoiser.

Along the plane a posterior mean is that of a denoiser that knows the density there, and across it,
where rows deviate by a small noise, that of a Gaussian: see ``docs/theory/couplings.md``. Entries
of different noise levels are projected by weighted least squares, so that what is known about an
entry decides where on the plane a row lies.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.denoiser import Denoiser, Posterior

# numbers held at once
_MAX_ELEMENTS = 2**23


class Planes(NamedTuple):
    """Planes of ``k`` dimensions that follow a manifold in ``t`` coordinates."""

    anchors: Tensor
    centres: Tensor
    bases: Tensor
    floors: Tensor


class Frame(NamedTuple):
    """Coordinates ``directions' (x - origin)`` of rows in ``d`` columns."""

    origin: Tensor
    directions: Tensor


class TangentDenoiser(nn.Module):
    """Denoiser that keeps to planes up to `sigma_low`, and is another's from `sigma_high` on.

    Entries `entries` of a row are what the planes are about, in coordinates of a frame.
    """

    anchors: Tensor
    centres: Tensor
    bases: Tensor
    floors: Tensor
    lifted_centres: Tensor
    lifted_bases: Tensor
    entries: Tensor
    origin: Tensor
    directions: Tensor

    def __init__(
        self,
        denoiser: Denoiser,
        planes: Planes,
        sigma_low: float,
        sigma_high: float,
        *,
        entries: Tensor | None = None,
        frame: Frame | None = None,
        n_planes: int = 10,
    ):
        super().__init__()
        self.denoiser = denoiser
        self.sigma_low, self.sigma_high = sigma_low, sigma_high
        # averaged: enough for a smooth surface, few enough to follow it
        self.n_planes = min(n_planes, len(planes.anchors) - 1)
        for name, tensor in planes._asdict().items():
            self.register_buffer(name, tensor)
        if frame is None:
            frame = Frame(torch.zeros_like(planes.anchors[0]), torch.eye(len(planes.bases[0])))
        origin, directions = (part.to(planes.anchors) for part in frame)
        self.register_buffer("origin", origin)
        self.register_buffer("directions", directions)
        # the same planes in the entries of a row
        self.register_buffer("lifted_centres", origin + planes.centres @ directions.mT)
        self.register_buffer("lifted_bases", directions @ planes.bases)
        every = torch.arange(len(origin), device=origin.device)
        self.register_buffer("entries", every if entries is None else entries)

    def forward(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the posterior mean; see :class:`~skdiffusion.diffusion.Denoiser`."""
        return Posterior(self.keep(x, self.denoiser(x, sigma).mean, sigma))

    def keep(self, x: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
        """Keep means of the inner denoiser to the planes."""
        sigma = sigma.to(x).expand_as(x)
        own = [part[:, self.entries] for part in (x, mean, sigma)]
        return mean.index_add(1, self.entries, self._correction(*own))

    def distance(self, x: Tensor) -> Tensor:
        """Return how far rows are from the planes."""
        seen = self._seen(x[:, self.entries])
        nearest, weights = self._nearest(seen)
        delta = seen.unsqueeze(1) - self.centres[nearest]
        across = delta - _project(self.bases[nearest], None, delta)
        return (weights.unsqueeze(2) * across).sum(1).norm(dim=1)

    def _correction(self, x: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
        """Return what the planes add to the mean."""
        largest = sigma.amax(1, keepdim=True)
        span = torch.log(largest.new_tensor(self.sigma_high / self.sigma_low))
        height = ((largest / self.sigma_low).log() / span).clamp(0, 1)
        share = 1 - height**2 * (3 - 2 * height)
        near = share[:, 0] > 0
        correction = torch.zeros_like(mean)
        # so many rows that their planes can be held at once
        size = max(1, _MAX_ELEMENTS // (self.n_planes * self.lifted_bases[0].numel()))
        parts = [part[near].split(size) for part in (x, mean, sigma)]
        if near.any():
            pulls = [self._pull(*part) for part in zip(*parts, strict=True)]
            correction[near] = share[near] * torch.cat(pulls)
        return correction

    def _pull(self, x: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
        """Return the way from the mean to the row on planes, as the mean is along them."""
        seen = self._seen(mean)
        nearest, weights = self._nearest(seen)
        is_uniform = bool((sigma == sigma[:, :1]).all())
        if is_uniform:
            # one level for a whole row: all is said in the frame, which is small
            x, mean, sigma, precision = self._seen(x), seen, sigma[:, :1], None
            centres, bases = self.centres[nearest], self.bases[nearest]
        else:
            precision = (sigma / sigma.amin(1, keepdim=True)) ** -2
            centres, bases = self.lifted_centres[nearest], self.lifted_bases[nearest]
        along = _project(bases, precision, mean.unsqueeze(1) - centres)
        delta = x.unsqueeze(1) - centres
        across = delta - _project(bases, precision, delta)
        floors = self.floors[nearest].unsqueeze(2)
        kept = floors / (floors + sigma.unsqueeze(1) ** 2)
        pull = (weights.unsqueeze(2) * (centres + along + kept * across)).sum(1) - mean
        return (pull if is_uniform else pull @ self.directions) @ self.directions.mT

    def _seen(self, x: Tensor) -> Tensor:
        """Return the coordinates of rows that the planes are in."""
        return (x - self.origin) @ self.directions

    def _nearest(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest planes and weights that fall to zero at the one after them."""
        squares = (rows**2).sum(1, keepdim=True) - 2 * rows @ self.anchors.mT
        squares = (squares + (self.anchors**2).sum(1)).clamp_min(0)
        nearest, places = squares.topk(self.n_planes + 1, largest=False)
        limit = nearest[:, -1:].clamp_min(torch.finfo(rows.dtype).tiny)
        weights = (1 - nearest[:, :-1] / limit) ** 2
        # rows as far from all anchors are no nearer to any
        weights = weights + torch.finfo(rows.dtype).eps
        return places[:, :-1], weights / weights.sum(1, keepdim=True)


def _project(bases: Tensor, precision: Tensor | None, deltas: Tensor) -> Tensor:
    """Project rows (n, q, d) onto the span of bases (n, q, d, k), weighted by entry (n, d)."""
    if precision is None:
        return (bases @ (bases.mT @ deltas.unsqueeze(3))).squeeze(3)
    weighted = bases * precision[:, None, :, None]
    gram = weighted.mT @ bases
    coordinates = torch.linalg.solve(gram, weighted.mT @ deltas.unsqueeze(3))
    return (bases @ coordinates).squeeze(3)
