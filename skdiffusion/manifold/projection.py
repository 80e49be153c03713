"""Projection while sampling: a trained denoiser that keeps to local planes of the rows.

Neighbours and dimension of the planes are those that denoise held-out rows best. Whether planes are
needed is decided by drawn rows, which may still lie farther from the manifold than held-out ones.
"""

from itertools import product

import numpy as np
import torch
from scipy.integrate import trapezoid

from skdiffusion.diffusion.tangent_denoiser import Frame, Planes, TangentDenoiser
from skdiffusion.geometry.planes import local_planes

# a fourth and seven tenths of the typical radius of a neighbourhood: below the first, rows tell
# near planes from far ones; above the second they do not
LOW, HIGH = 0.25, 0.7
N_NEIGHBORS = (6, 10, 15, 25)
# planes through fewer rows than that follow the rows, and no manifold
ROWS_PER_DIRECTION = 2
# share of the rows up to which a neighbourhood is local
LOCAL = 0.1
TYPICAL = 15
MAX_PLANES = 5000
MAX_HELD_OUT = 400
N_DRAWN = 400
N_LEVELS = 8
QUANTILES = (0.5, 0.7, 0.9)
N_BOOTSTRAPS = 100
# standard errors by which planes have to bring drawn rows nearer
CLEARLY = 2.0


class GeometricRows:
    """Rows of codes, and the entries and directions in which they have a geometry."""

    def __init__(self, codes, numbers, directions):
        self.codes = codes
        self.numbers = numbers
        self.directions = directions
        # the coordinates that planes are laid in, and where they are not the features themselves
        self.seen, self.frame, self.entries = codes[:, numbers], None, None
        if directions is not None:
            origin = self.seen.mean(0)
            self.seen = (self.seen - origin) @ directions
            self.frame = Frame(torch.from_numpy(origin), torch.from_numpy(directions))
        if len(numbers) < codes.shape[1]:
            self.entries = torch.from_numpy(numbers)


def couple_tangent(denoiser, draw, rows, dimensions, sigma_min, rng, *, always=False):
    """Return a denoiser kept to planes if draws need it, and their dimension; else as it is."""
    order = rng.permutation(len(rows.codes))
    n_held = min(MAX_HELD_OUT, len(order) // 5)
    held, rest = order[:n_held], order[n_held:][:MAX_PLANES]
    options = [
        (d, k)
        for d, k in product(dimensions, N_NEIGHBORS)
        if ROWS_PER_DIRECTION * d <= k <= LOCAL * len(rest)
    ]
    if not options:
        return denoiser, None
    planes = local_planes(rows.seen[rest], 1, n_neighbors=min(TYPICAL, len(rest)))
    highest = HIGH * np.median(planes.radii)
    if highest <= sigma_min:
        return denoiser, None
    sigmas = np.geomspace(sigma_min, highest, N_LEVELS)
    candidates = [_lay(denoiser, rows, rest, *option) for option in options]
    losses = _losses(denoiser, candidates, rows.codes[held], sigmas, rng)
    best = int(np.argmin(losses))
    coupled = candidates[best]
    near, drawn, drawn_alone = (
        coupled.distance(torch.from_numpy(Z)).numpy()
        for Z in (rows.codes[held], draw(coupled, N_DRAWN), draw(denoiser, N_DRAWN))
    )
    if not (always or _brings_nearer(near, drawn, drawn_alone, rng)):
        return denoiser, None
    coupled = _lay(denoiser, rows, order[:MAX_PLANES], *options[best])
    return coupled, options[best][0]


def _lay(denoiser, rows, index, dimension, n_neighbors):
    """Lay planes at some rows, and wrap the denoiser."""
    Z = rows.seen[index]
    planes = local_planes(Z, dimension, n_neighbors=n_neighbors)
    radius = float(np.median(planes.radii))
    parts = Z, planes.centres, planes.bases, planes.floors
    # over so many planes that their curvature leaves no bias
    beyond = (dimension + 6) / (dimension + 2)
    return TangentDenoiser(
        denoiser,
        Planes(*map(torch.from_numpy, parts)),
        LOW * radius,
        HIGH * radius,
        entries=rows.entries,
        frame=rows.frame,
        n_planes=round(n_neighbors * beyond ** (dimension / 2)),
    )


def _losses(denoiser, candidates, Z, sigmas, rng):
    """Integrate squared errors of held-out rows over noise levels as the log-likelihood does."""
    x0, errors = torch.from_numpy(Z), np.empty((len(candidates), len(sigmas)))
    for j, sigma in enumerate(torch.from_numpy(sigmas)):
        x = x0 + sigma * torch.from_numpy(rng.normal(size=Z.shape))
        with torch.no_grad():
            mean = denoiser(x, sigma).mean
        for i, candidate in enumerate(candidates):
            error = x0 - candidate.keep(x, mean, sigma)
            errors[i, j] = (error**2).sum(1).mean() / sigma**2
    return trapezoid(errors, np.log(sigmas))


def _brings_nearer(near, drawn, drawn_alone, rng):
    """Whether planes clearly bring distances of drawn rows nearer to those of held-out ones."""
    samples = [np.log(np.maximum(s, np.finfo(float).tiny)) for s in (near, drawn, drawn_alone)]

    def gain(parts):
        real, with_planes, alone = (np.quantile(part, QUANTILES) for part in parts)
        return np.mean(np.abs(alone - real) - np.abs(with_planes - real))

    again = [gain([rng.choice(part, len(part)) for part in samples]) for _ in range(N_BOOTSTRAPS)]
    return gain(samples) >= CLEARLY * np.std(again)
