"""The manifold near which the rows of a fitted sampler lie: its geometry, and rows along it."""

from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skdiffusion import geometry
from skdiffusion._utils.checks import Seed, check_count
from skdiffusion.diffusion.jacobian import principal_directions
from skdiffusion.diffusion.paths import local_metric as denoiser_metric
from skdiffusion.diffusion.paths import relax_path
from skdiffusion.geometry.geodesics import farthest_points, geodesic_path, resample_path
from skdiffusion.geometry.planes import local_planes
from skdiffusion.manifold.embedding import refuse_gaps

N_NEIGHBORS, N_NEIGHBORS_OF_PATH = 15, 10
# fewer points would cut the corners of a path
MIN_PATH = 50
# draws from which those are chosen that explore
CANDIDATES_PER_POINT, MIN_CANDIDATES = 20, 1000
# of the draws that lie farthest off the manifold, as the model's worst
LEFT_OUT = 0.05
# how far a traversal goes to each side, and its steps between two rows
EXTENT, SUBSTEPS = 2.0, 5


def intrinsic_dimension(sampler: Any, X: Any = None) -> Any:
    """Estimate the dimension of the manifold, overall or at rows.

    Parameters
    ----------
    sampler : DiffusionManifoldSampler
        A fitted sampler.
    X : array-like or data frame of shape (n, n_features) or None, default=None
        Rows, each of which has the dimension of the nearest row of `fit`; None is overall.

    Returns
    -------
    float or ndarray of shape (n,)
        The dimension, by the rows of `fit` and their neighbours.

    Examples
    --------
    >>> from sklearn.datasets import make_swiss_roll
    >>> from skdiffusion import DenoiserNet, DiffusionManifoldSampler
    >>> from skdiffusion.manifold import intrinsic_dimension
    >>> X, _ = make_swiss_roll(500, random_state=0)
    >>> net = DenoiserNet(max_epochs=1, steps_per_epoch=5)
    >>> sampler = DiffusionManifoldSampler(denoiser=net, random_state=0).fit(X)
    >>> intrinsic_dimension(sampler)
    2.0
    """
    rows = _rows(sampler)
    if X is None:
        return float(geometry.intrinsic_dimension(rows))
    near = NearestNeighbors(n_neighbors=1).fit(rows)
    near = near.kneighbors(_encoded(sampler, X), return_distance=False)
    return geometry.intrinsic_dimension(rows, per_point=True)[near[:, 0]].astype(np.float64)


def tangent_space(sampler: Any, X: Any) -> Any:
    """Return the directions in which the manifold extends at rows.

    Parameters
    ----------
    sampler : DiffusionManifoldSampler
        A fitted sampler.
    X : array-like or data frame of shape (n, n_features)
        Rows.

    Returns
    -------
    directions : ndarray of shape (n, n_encoded, dimension)
        Orthonormal, in the features of encoded rows, leading first.

    Notes
    -----
    They are the leading eigenvectors of the symmetric part of the Jacobian of the denoiser's mean:
    near a manifold a denoiser keeps directions along it, and takes off what is across.
    """
    _, directions = principal_directions(*_reading(sampler, _encoded(sampler, X)))
    return directions[:, :, : _dimension(sampler)].cpu().numpy()


def distance_to_manifold(sampler: Any, X: Any) -> np.ndarray:
    """Return how far rows are from the planes through the nearest rows of `fit`.

    Parameters
    ----------
    sampler : DiffusionManifoldSampler
        A fitted sampler.
    X : array-like or data frame of shape (n, n_features)
        Rows.

    Returns
    -------
    distance : ndarray of shape (n,)
        In units of the encoded rows: standard deviations of a column, or the sampler's common unit.
    """
    Z = _encoded(sampler, X)
    return _planes(sampler, Z).distance(Z)


def local_metric(sampler: Any, X: Any) -> np.ndarray:
    """Return a metric in which the way along the manifold is short, and that off it long.

    Parameters
    ----------
    sampler : DiffusionManifoldSampler
        A fitted sampler.
    X : array-like or data frame of shape (n, n_features)
        Rows.

    Returns
    -------
    metric : ndarray of shape (n, n_encoded, n_encoded)
        Symmetric positive matrices, in the features of encoded rows.

    Notes
    -----
    A step ``v`` has the length ``sqrt(v' G v)`` in the metric ``G = 1.01 (J + 0.01)^{-1}``, with
    ``J`` the Jacobian of the denoiser's mean: its own along the manifold, ten times that across.
    """
    return denoiser_metric(*_reading(sampler, _encoded(sampler, X))).cpu().numpy()


def interpolate(sampler: Any, a: Any, b: Any, n_points: int = 20) -> Any:
    """Return a path between two rows along the manifold.

    The shortest path along the rows of `fit` is tightened to a geodesic on the manifold that the
    denoiser knows.

    Parameters
    ----------
    sampler : DiffusionManifoldSampler
        A fitted sampler.
    a, b : array-like or data frame of shape (1, n_features)
        Its ends: the path starts and stops on the manifold below them.
    n_points : int, default=20
        Number of rows of the path, its ends included.

    Returns
    -------
    path : ndarray or data frame of shape (n_points, n_features)
        Rows in the table's own columns, about equally far from one another.

    Notes
    -----
    Ends move to where the denoiser expects rows, which in a table of unrelated columns can be far
    from `a` and `b`: put the two rows themselves before and behind the path. The geodesic is the
    one that the shortest path can be moved to: it does not jump over gaps. It lies on the inner
    side of bends, by about half the squared noise level at which the denoiser is read (about the
    distance between neighbours) times the sum of the curvatures.
    """
    check_count(n_points, "n_points")
    if n_points < 2:
        raise ValueError("n_points must be at least 2: a path has two ends.")
    model = sampler.model_
    ends = np.concatenate([_one_row(sampler, a, "a"), _one_row(sampler, b, "b")])
    rows = _tensor(model, _rows(sampler))
    level = _path_level(sampler)
    denoiser = model.of_rows.denoiser
    with torch.no_grad():
        # noise would lengthen every step of the path
        smooth = denoiser(rows, rows.new_tensor(level)).mean
    path = geodesic_path(smooth.cpu().numpy(), *ends, n_points=max(n_points, MIN_PATH))
    path = relax_path(denoiser, _tensor(model, path), level, dimension=_dimension(sampler))
    return model.encoder.inverse_transform(resample_path(path.cpu().numpy(), n_points))


def traverse(sampler: Any, x: Any, component: int = 0, n_points: int = 9) -> Any:
    """Return rows along the manifold through a row, in one of its directions.

    They reach two units of the encoded rows to each side: about two standard deviations.

    Parameters
    ----------
    sampler : DiffusionManifoldSampler
        A fitted sampler.
    x : array-like or data frame of shape (1, n_features)
        The row in the middle.
    component : int, default=0
        Which direction of the tangent space, leading first.
    n_points : int, default=9
        Number of rows.

    Returns
    -------
    rows : ndarray or data frame of shape (n_points, n_features)
        Rows in the table's own columns, from one side to the other.
    """
    check_count(n_points, "n_points")
    model = sampler.model_
    middle = _one_row(sampler, x, "x")
    dimension = _dimension(sampler)
    if not isinstance(component, Integral) or not 0 <= component < dimension:
        raise ValueError(f"component must be from 0 to {dimension - 1}, got {component!r}.")
    start = _tensor(model, tangent_space(sampler, x)[0, :, component])
    n_back = (n_points - 1) // 2
    n_ahead = n_points - 1 - n_back
    step = EXTENT / max(n_ahead, 1) / SUBSTEPS
    level = _path_level(sampler)
    row = _tensor(model, middle)
    back = _walk(model, row, -start, n_back, step, dimension, level)
    ahead = _walk(model, row, start, n_ahead, step, dimension, level)
    rows = torch.cat([*reversed(back), row, *ahead])
    return model.encoder.inverse_transform(rows.cpu().numpy())


def explore(
    sampler: Any, n_samples: int = 10, *, avoid_seen: bool = True, random_state: Seed = None
) -> Any:
    """Draw rows that are far from those of `fit`, and from one another.

    Of twenty draws for each row the twentieth that is farthest off the manifold is left out.

    Parameters
    ----------
    sampler : DiffusionManifoldSampler
        A fitted sampler.
    n_samples : int, default=10
        Number of rows.
    avoid_seen : bool, default=True
        Whether rows shall lie where those of `fit` are few. Otherwise they are landmarks, which
        cover the manifold evenly.
    random_state : int, RandomState instance or None, default=None
        Source of the draws from which they are chosen.

    Returns
    -------
    X : ndarray or data frame of shape (n_samples, n_features)
        The rows, farthest first.
    """
    rows = _rows(sampler)
    check_count(n_samples, "n_samples")
    model, rng = sampler.model_, check_random_state(random_state)
    n = max(CANDIDATES_PER_POINT * n_samples, MIN_CANDIDATES)
    Z = model.encoder.transform(sampler.sample(n, random_state=rng))
    Z = Z[~np.isnan(Z).any(axis=1)]
    # where rows are few their neighbours are far, and planes through them are off
    planes = _planes(sampler, Z)
    distance = planes.distance(Z) / np.maximum(planes.radii, model.sigma_min)
    near = np.flatnonzero(distance <= np.quantile(distance, 1 - LEFT_OUT))
    # what counts as seen has to be a row: the one nearest to the middle is
    middle = ((rows - rows.mean(0)) ** 2).sum(1).argmin()
    seen = rows if avoid_seen else rows[[middle]]
    chosen = near[farthest_points(Z[near], seen, n_samples)]
    return model.encoder.inverse_transform(Z[chosen])


def trajectory(sampler: Any, n_samples: int = 100, *, random_state: Seed = None) -> Any:
    """Draw rows and return what they were on the way from noise.

    Parameters
    ----------
    sampler : DiffusionManifoldSampler
        A fitted sampler.
    n_samples : int, default=100
        Number of rows.
    random_state : int, RandomState instance or None, default=None
        Source of randomness.

    Returns
    -------
    states : ndarray of shape (n_steps + 1, n_samples, n_encoded)
        Encoded rows at each noise level; ``sampler.model_.encoder`` decodes them.
    sigmas : ndarray of shape (n_steps + 1,)
        The noise levels, from the largest to zero.
    """
    check_count(n_samples, "n_samples")
    model, rng = sampler.model_, check_random_state(random_state)
    seed = int(rng.randint(2**31 - 1))
    return model.trajectory(n_samples, torch.Generator(model.device).manual_seed(seed))


def _rows(sampler):
    """Return the encoded rows of `fit` that the model keeps, without their target."""
    model = sampler.model_
    return model.rows[:, ~model.is_target]


def _encoded(sampler, X):
    Z = sampler.model_.encoder.transform(X)
    refuse_gaps(Z)
    return Z


def _one_row(sampler, row, name):
    Z = _encoded(sampler, row)
    if len(Z) != 1:
        raise ValueError(f"{name} must be one row, of shape (1, n_features), got {len(Z)}.")
    return Z


def _tensor(model, array):
    return torch.from_numpy(np.ascontiguousarray(array)).to(model.device)


def _planes(sampler, Z):
    """Return planes through the rows of `fit` that are nearest to others."""
    rows, dimension = _rows(sampler), _dimension(sampler)
    n_neighbors = min(max(N_NEIGHBORS, 2 * dimension), len(rows))
    return local_planes(rows, min(dimension, n_neighbors - 1), n_neighbors=n_neighbors, queries=Z)


def _dimension(sampler):
    """Return the dimension of the manifold as a whole number."""
    # an embedding has more coordinates than the manifold has dimensions
    if sampler.dimension_ is not None and sampler.embedding_ is None:
        return sampler.dimension_
    rows = _rows(sampler)
    return int(np.clip(geometry.intrinsic_dimension(rows), 1, rows.shape[1]))


def _reading(sampler, Z):
    """Return the denoiser, rows, and a noise level at which it sees a surface, and not rows."""
    model, rows = sampler.model_, _rows(sampler)
    radii = local_planes(rows, 1, n_neighbors=min(N_NEIGHBORS, len(rows))).radii
    sigma = max(float(np.median(radii)) / 2, model.sigma_min)
    Z = _tensor(model, Z)
    return model.of_rows.denoiser, Z, Z.new_tensor(sigma)


def _path_level(sampler):
    """Noise level that exceeds the noise of the rows, and at which they look like a surface."""
    rows = _rows(sampler)
    neighbors = NearestNeighbors(n_neighbors=min(N_NEIGHBORS_OF_PATH, len(rows) - 1)).fit(rows)
    spacing = float(np.median(neighbors.kneighbors()[0][:, -1]))
    noise = geometry.noise_level(rows, dimension=_dimension(sampler))
    return max(3 * noise, spacing / 2, sampler.model_.sigma_min)


def _walk(model, row, direction, n_points, step, dimension, level):
    """Follow a direction along the manifold."""
    denoiser, level = model.of_rows.denoiser, row.new_tensor(level)
    found = []
    for _ in range(n_points):
        for _ in range(SUBSTEPS):
            ahead = row + step * direction
            with torch.no_grad():
                pull = denoiser(ahead, level).mean - ahead
            tangents = principal_directions(denoiser, ahead, level)[1][0, :, :dimension]
            # pulled across the manifold only: along it, denoising moves to where rows are many
            row = ahead + pull - pull @ tangents @ tangents.mT
            direction = tangents @ (tangents.mT @ direction)
            direction = direction / direction.norm().clamp_min(1e-12)
        found.append(row)
    return found
