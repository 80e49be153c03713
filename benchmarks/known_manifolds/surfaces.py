"""Manifolds of one piece with closed forms: rolls, spheres, tori and cubes."""

import math

import numpy as np
from scipy.special import gammaln
from sklearn.utils import gen_batches

from benchmarks.known_manifolds.base import (
    Manifold,
    Patch,
    check_coordinates,
    nearest_angle,
    wrap,
)
from benchmarks.known_manifolds.checks import check_count, check_positive
from benchmarks.known_manifolds.shortest_paths import halve_steps, path_lengths, relax_paths

_ROWS_AT_ONCE = 2000
_GRID_STEPS, _NEWTON_STEPS = 96, 60


class SwissRoll(Patch):
    """A plane rolled up to a spiral, in 3 columns.

    The coordinates are the angle `t` between 1.5 pi and 4.5 pi and the height; the point is
    ``(t cos t, height, t sin t) / scale``. Rows are uniform in both, so that they are denser by
    area in the middle of the roll than outside.

    Parameters
    ----------
    height : float, default=21.0
        Height of the roll, before the division.
    scale : float, default=7.0
        What all columns are divided by. 7 brings their standard deviations to about 1.

    Attributes
    ----------
    n_features : int
        3.
    dimension : int
        2.

    See Also
    --------
    sklearn.datasets.make_swiss_roll : The same distribution with ``scale=1``.

    Notes
    -----
    The roll is flat: with the length of the spiral in place of the angle it is a rectangle, where
    geodesics are straight. The nearest point is found by Newton's method on each half turn.

    Examples
    --------
    >>> from benchmarks.known_manifolds import SwissRoll
    >>> roll = SwissRoll()
    >>> X = roll.sample(500, noise=0.1, random_state=0)
    >>> X.shape, roll.distance(X).mean().round(2)
    ((500, 3), np.float64(0.08))
    """

    n_features = 3
    dimension = 2

    def __init__(self, *, height=21.0, scale=7.0):
        self.height = check_positive(height, "height")
        self.scale = check_positive(scale, "scale")
        self.low = np.array([1.5 * np.pi, 0.0])
        self.high = np.array([4.5 * np.pi, float(height)])

    def _draw(self, n, rng):
        # Angles first, then heights, as scikit-learn draws them.
        return self.low + (self.high - self.low) * rng.uniform(size=(2, n)).T

    def points(self, U):
        t, h = check_coordinates(U, 2).T
        return np.column_stack([t * np.cos(t), h, t * np.sin(t)]) / self.scale

    def _frame(self, U):
        t, one, zero = U[:, 0], np.ones(len(U)), np.zeros(len(U))
        along = [np.cos(t) - t * np.sin(t), zero, np.sin(t) + t * np.cos(t)]
        return np.stack([np.array(along).T, np.array([zero, one, zero]).T], axis=2) / self.scale

    def _nearest(self, X):
        x, y, z = self.scale * X.T
        radius, angle = np.hypot(x, z), np.arctan2(z, x)
        t = np.empty(len(X))
        for batch in gen_batches(len(X), _ROWS_AT_ONCE):
            t[batch] = self._nearest_angle(radius[batch], angle[batch])
        return np.column_stack([t, np.clip(y, 0, self.high[1])])

    def _nearest_angle(self, radius, angle):
        """Angle of the nearest point of the spiral: the best of the minima on each half turn."""
        grid = np.linspace(self.low[0], self.high[0], 3 * _GRID_STEPS + 1)
        square = grid**2 - 2 * radius[:, None] * grid * np.cos(grid - angle[:, None])
        best, found = np.full(len(radius), np.inf), np.empty(len(radius))
        for third in range(3):
            start = third * _GRID_STEPS
            i = start + square[:, start : start + _GRID_STEPS + 1].argmin(axis=1)
            low, high = grid[np.maximum(i - 1, 0)], grid[np.minimum(i + 1, len(grid) - 1)]
            t = _newton_on_spiral(radius, angle, grid[i], low, high)
            value = t**2 - 2 * radius * t * np.cos(t - angle)
            closer = value < best
            best, found = np.where(closer, value, best), np.where(closer, t, found)
        return found

    def _geodesic(self, U, V):
        along = _spiral_length(U[:, 0]) - _spiral_length(V[:, 0])
        return np.hypot(along, U[:, 1] - V[:, 1]) / self.scale


class SCurve(Patch):
    """A plane bent to an S, in 3 columns.

    The coordinates are the length `t` along the S, between -1.5 pi and 1.5 pi, and the height,
    between 0 and 2; rows are uniform in both and thus by area. The S is made of two arcs of radius
    1 and is flat: geodesics are straight in the coordinates.

    Attributes
    ----------
    n_features : int
        3.
    dimension : int
        2.

    See Also
    --------
    sklearn.datasets.make_s_curve : The same distribution.

    Examples
    --------
    >>> from benchmarks.known_manifolds import SCurve
    >>> SCurve().project([[0.0, 1.0, -5.0]]).round(2) + 0.0
    array([[ 0.,  1., -2.]])
    """

    n_features = 3
    dimension = 2

    def __init__(self):
        self.low = np.array([-1.5 * np.pi, 0.0])
        self.high = np.array([1.5 * np.pi, 2.0])

    def _draw(self, n, rng):
        return self.low + (self.high - self.low) * rng.uniform(size=(2, n)).T

    def points(self, U):
        t, h = check_coordinates(U, 2).T
        return np.column_stack([np.sin(t), h, np.sign(t) * (np.cos(t) - 1)])

    def _frame(self, U):
        t, one, zero = U[:, 0], np.ones(len(U)), np.zeros(len(U))
        along = np.array([np.cos(t), zero, -np.sin(np.abs(t))]).T
        return np.stack([along, np.array([zero, one, zero]).T], axis=2)

    def _nearest(self, X):
        x, y, z = X.T
        # The arcs go around (0, -1) for positive t and around (0, 1) for negative t.
        lower = nearest_angle(np.arctan2(x, z + 1), 0, 1.5 * np.pi)
        upper = nearest_angle(np.arctan2(x, 1 - z), -1.5 * np.pi, 0)
        height = np.clip(y, 0, 2)
        both = [np.column_stack([t, height]) for t in (lower, upper)]
        first, second = (((X - self.points(U)) ** 2).sum(axis=1) for U in both)
        return np.where((first <= second)[:, None], *both)

    def _geodesic(self, U, V):
        return np.linalg.norm(U - V, axis=1)


class Sphere(Manifold):
    """The unit sphere, uniform.

    The coordinates are the columns of the point itself, as no two angles cover a sphere smoothly.
    `points` brings rows to length 1.

    Parameters
    ----------
    dimension : int, default=2
        Dimension of the sphere, which lies in one column more: 1 is the circle.

    Attributes
    ----------
    n_features : int
        ``dimension + 1``.

    Examples
    --------
    >>> from benchmarks.known_manifolds import Sphere
    >>> Sphere().geodesic_distance([[1.0, 0.0, 0.0]], [[0.0, 3.0, 0.0]]).round(4)
    array([1.5708])
    """

    def __init__(self, dimension=2):
        self.dimension = check_count(dimension, "dimension")
        self.n_features = dimension + 1

    def _draw(self, n, rng):
        return _to_length_one(rng.normal(size=(n, self.n_features)))

    def points(self, U):
        return _to_length_one(check_coordinates(U, self.n_features))

    def _nearest(self, X):
        return _to_length_one(X)

    def _frame(self, U):
        # The reflection that swaps the point and plus or minus the last axis takes the other axes
        # to a basis of the tangent space. The sign keeps it away from zero over zero.
        axis = _to_length_one(U)
        axis[:, -1] += np.where(axis[:, -1] < 0, -1, 1)
        scale = 2 / (axis**2).sum(axis=1)
        outer = axis[:, :, None] * axis[:, None, :-1]
        return np.eye(self.n_features)[:, :-1] - scale[:, None, None] * outer

    def _move(self, U, S):
        return _to_length_one(U + np.einsum("nji,ni->nj", self._frame(U), S))

    def _geodesic(self, U, V):
        # Unlike the arc cosine, exact for small angles too (Kahan).
        return 2 * np.arctan2(np.linalg.norm(U - V, axis=1), np.linalg.norm(U + V, axis=1))

    def _log_density(self, U):
        half = (self.dimension + 1) / 2
        return np.full(len(U), gammaln(half) - math.log(2) - half * math.log(math.pi))


class Torus(Manifold):
    """A torus in 3 columns, uniform by area.

    The coordinates are the angle around the hole and the angle around the tube, the latter 0 on the
    outer side.

    Parameters
    ----------
    radius : float, default=1.0
        Distance of the middle of the tube from the axis.
    tube : float, default=0.4
        Radius of the tube, below `radius`.

    Attributes
    ----------
    n_features : int
        3.
    dimension : int
        2.

    Notes
    -----
    Geodesics are found by minimisation of the energy of paths in the angles, from straight and bent
    starts both ways around the hole and around the tube. Lengths are right to about 1e-3, relative.

    Examples
    --------
    >>> from benchmarks.known_manifolds import Torus
    >>> Torus().distance([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).round(2)
    array([0.6, 0.4])
    """

    n_features = 3
    dimension = 2

    def __init__(self, radius=1.0, tube=0.4):
        self.radius, self.tube = check_positive(radius, "radius"), check_positive(tube, "tube")
        if tube >= radius:
            raise ValueError(f"tube={tube} must be below radius={radius}.")

    def _draw(self, n, rng):
        kept, missing = [], n
        while missing > 0:
            around, tube = rng.uniform(0, 2 * np.pi, size=(2, 2 * n + 100))
            width = self.radius + self.tube * np.cos(tube)
            keep = rng.uniform(size=len(tube)) < width / (self.radius + self.tube)
            kept.append(np.column_stack([around, tube])[keep])
            missing -= keep.sum()
        return np.concatenate(kept)[:n]

    def points(self, U):
        around, tube = check_coordinates(U, 2).T
        width = self.radius + self.tube * np.cos(tube)
        return np.column_stack(
            [width * np.cos(around), width * np.sin(around), self.tube * np.sin(tube)]
        )

    def _nearest(self, X):
        x, y, z = X.T
        tube = np.arctan2(z, np.hypot(x, y) - self.radius)
        return np.column_stack([np.arctan2(y, x), tube])

    def _frame(self, U):
        around, tube = U.T
        width, zero = self.radius + self.tube * np.cos(tube), np.zeros(len(U))
        first = np.array([-width * np.sin(around), width * np.cos(around), zero]).T
        inwards = -self.tube * np.sin(tube)
        second = [inwards * np.cos(around), inwards * np.sin(around), self.tube * np.cos(tube)]
        return np.stack([first, np.array(second).T], axis=2)

    def _geodesic(self, U, V):
        lengths = np.empty(len(U))
        for batch in gen_batches(len(U), 200):
            lengths[batch] = self._shortest(U[batch], V[batch])
        return lengths

    def _shortest(self, U, V):
        """Best of the locally shortest paths from several starts, first coarse and then fine."""
        starts = self._starts(U, V)
        n_starts, n, m, _ = starts.shape
        rough = relax_paths(self, starts.reshape(n_starts * n, m, 2), n_steps=30, tolerance=1e-5)
        lengths = path_lengths(self, rough).reshape(n_starts, n)
        rough = rough.reshape(starts.shape)
        best = np.argsort(lengths, axis=0)[:2]
        fine = halve_steps(rough[best, np.arange(n)].reshape(2 * n, m, 2))
        fine = relax_paths(self, fine, n_steps=150, tolerance=1e-8)
        return path_lengths(self, fine).reshape(2, n).min(axis=0)

    def _starts(self, U, V, n_points=17):
        """Paths from U to V of shape (n_starts, n, n_points, 2): windings times bends."""
        step = wrap(V - U)
        other = step - 2 * np.pi * np.where(step > 0, 1, -1)
        share = np.linspace(0, 1, n_points)[:, None]
        paths = [
            U[:, None]
            + share * np.column_stack([around, tube])[:, None]
            + bend * np.sin(np.pi * share) * [0, 1]
            for around in (step[:, 0], other[:, 0])
            for tube in (step[:, 1], other[:, 1])
            for bend in (-2, 0, 2)
        ]
        return np.array(paths)

    def _log_density(self, U):
        return np.full(len(U), -math.log(4 * math.pi**2 * self.radius * self.tube))


class Cube(Patch):
    """The cube from -1 to 1 in every column, uniform: a flat manifold of any dimension.

    Its coordinates are its columns. In more columns it is an affine set, see `Embedded`.

    Parameters
    ----------
    dimension : int, default=2
        Number of columns.

    Attributes
    ----------
    n_features : int
        The same as `dimension`.

    Examples
    --------
    >>> from benchmarks.known_manifolds import Cube
    >>> Cube(3).project([[0.0, 0.5, 3.0]])
    array([[0. , 0.5, 1. ]])
    """

    def __init__(self, dimension=2):
        self.dimension = self.n_features = check_count(dimension, "dimension")
        self.low, self.high = -np.ones(dimension), np.ones(dimension)

    def points(self, U):
        return check_coordinates(U, self.n_features)

    def _nearest(self, X):
        return np.clip(X, -1, 1)

    def _frame(self, U):
        return np.broadcast_to(np.eye(self.n_features), (len(U), self.n_features, self.dimension))

    def _geodesic(self, U, V):
        return np.linalg.norm(U - V, axis=1)


def _to_length_one(X):
    """Rows of length 1; the origin, to which all are equally near, goes to the last axis."""
    X = np.array(X, dtype=float)
    X[~X.any(axis=1), -1] = 1
    # Divided by the largest entry first: squares of tiny entries would vanish.
    X /= np.abs(X).max(axis=1, keepdims=True)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def _spiral_length(t):
    return (t * np.sqrt(1 + t**2) + np.arcsinh(t)) / 2


def _newton_on_spiral(radius, angle, t, low, high):
    """Zeros of the derivative of the distance, between `low` and `high` or at one of them."""
    for _ in range(_NEWTON_STEPS):
        cos, sin = radius * np.cos(t - angle), radius * np.sin(t - angle)
        slope, bend = t - cos + t * sin, 1 + 2 * sin + t * cos
        low, high = np.where(slope < 0, t, low), np.where(slope > 0, t, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = t - slope / bend
        # Outside the bracket Newton's step is not to be trusted: halve the bracket.
        new = np.where((new >= low) & (new <= high), new, (low + high) / 2)
        if np.abs(new - t).max(initial=0) < 1e-14:
            break
        t = new
    return t
