"""Manifolds of several pieces: unions, two moons, and modes of which some are rare."""

from numbers import Real

import numpy as np
from sklearn.utils import check_random_state, check_scalar

from benchmarks.known_manifolds.base import (
    Manifold,
    Patch,
    check_coordinates,
    nearest_angle,
)
from benchmarks.known_manifolds.checks import check_noise, check_positive


class Union(Manifold):
    """Several manifolds side by side, which may differ in dimension.

    The first coordinate is the index of the piece; its own coordinates follow, and zeros where
    another piece has more of them. A piece of fewer columns than the widest lies in the first ones
    and is zero in the others.

    Parameters
    ----------
    manifolds : sequence of Manifold
        The pieces.
    weights : array-like of shape (n_manifolds,), default=None
        Shares of the pieces among the rows, which are scaled to sum to 1. None gives all the same.
    offsets : array-like of shape (n_manifolds, n_features), default=None
        What is added to the columns of each piece. None puts them in a row along the first column.
    gap : float, default=1.0
        Room between neighbours without `offsets`, in the unit of the columns.

    Attributes
    ----------
    n_features : int
        Number of columns of the widest piece.
    dimension : int
        Largest dimension of a piece; `local_dimension` tells the one at each row.

    Raises
    ------
    ValueError
        Where there is no piece, or `weights` or `offsets` do not fit.

    Examples
    --------
    >>> from benchmarks.known_manifolds import Cube, Sphere, Union
    >>> pieces = Union([Sphere(1), Sphere(2), Cube(5)])
    >>> X = pieces.sample(300, random_state=0)
    >>> pieces.local_dimension(X[:8])
    array([2, 5, 2, 2, 2, 2, 2, 5])
    """

    def __init__(self, manifolds, *, weights=None, offsets=None, gap=1.0):
        self.manifolds = tuple(manifolds)
        if not self.manifolds:
            raise ValueError("manifolds is empty: give at least one.")
        self.gap = check_scalar(gap, "gap", Real, min_val=0)
        self._given = {"weights": _as_list(weights), "offsets": _as_list(offsets)}
        shape = (len(self.manifolds), max(piece.n_features for piece in self.manifolds))
        offsets = self._in_a_row(shape) if offsets is None else np.asarray(offsets, dtype=float)
        if offsets.shape != shape:
            raise ValueError(f"offsets has shape {offsets.shape}, but must have {shape}.")
        self._arrange(self.manifolds, _shares(weights, len(self.manifolds)), offsets)

    def _arrange(self, pieces, weights, offsets):
        self._pieces, self.weights, self.offsets = tuple(pieces), weights, offsets
        self.n_features = offsets.shape[1]
        self.dimension = max(piece.dimension for piece in pieces)
        # One row of each tells how many coordinates it has.
        rng = check_random_state(0)
        self._widths = [piece._draw(1, rng).shape[1] for piece in pieces]
        self._n_coordinates = 1 + max(self._widths)
        self._n_pieces = sum(piece._n_pieces for piece in pieces)

    def _parameters(self):
        return {"manifolds": list(self.manifolds), "gap": self.gap, **self._given}

    def _in_a_row(self, shape):
        offsets, end = np.zeros(shape), 0.0
        for offset, piece in zip(offsets, self.manifolds, strict=True):
            first = piece.sample(2000, random_state=0)[:, 0]
            offset[0] = end - first.min()
            end += np.ptp(first) + self.gap
        return offsets

    def _draw(self, n, rng):
        index = rng.choice(len(self._pieces), size=n, p=self.weights)
        U = np.zeros((n, self._n_coordinates))
        U[:, 0] = index
        for rows, piece, width in self._split(U):
            U[rows, 1 : 1 + width] = piece._draw(len(rows), rng)
        return U

    def points(self, U):
        U = check_coordinates(U, self._n_coordinates)
        X = self.offsets[U[:, 0].astype(int)]
        for rows, piece, width in self._split(U):
            X[rows, : piece.n_features] += piece.points(U[rows, 1 : 1 + width])
        return X

    def _nearest(self, X):
        best = np.full(len(X), np.inf)
        U = np.zeros((len(X), self._n_coordinates))
        for k, (piece, width) in enumerate(zip(self._pieces, self._widths, strict=True)):
            own = np.zeros_like(U)
            own[:, 0] = k
            shifted = (X - self.offsets[k])[:, : piece.n_features]
            own[:, 1 : 1 + width] = piece._nearest(shifted)
            # The columns that the piece does not have are as far for all of its points.
            square = ((X - self.points(own)) ** 2).sum(axis=1)
            closer = square < best
            best[closer], U[closer] = square[closer], own[closer]
        return U

    def _frame(self, U):
        frame = np.zeros((len(U), self.n_features, self.dimension))
        for rows, piece, width in self._split(U):
            own = piece._frame(U[rows, 1 : 1 + width])
            frame[rows, : piece.n_features, : piece.dimension] = own
        return frame

    def _move(self, U, S):
        U = U.copy()
        for rows, piece, width in self._split(U):
            own = piece._move(U[rows, 1 : 1 + width], S[rows, : piece.dimension])
            U[rows, 1 : 1 + width] = own
        return U

    def _room(self, U):
        low, high = np.zeros((2, len(U), self.dimension))
        for rows, piece, width in self._split(U):
            own = piece._room(U[rows, 1 : 1 + width])
            low[rows, : piece.dimension], high[rows, : piece.dimension] = own
        return low, high

    def _geodesic(self, U, V):
        lengths = np.full(len(U), np.inf)
        for rows, piece, width in self._split(U):
            same = rows[V[rows, 0] == U[rows, 0]]
            if len(same):
                ends = U[same, 1 : 1 + width], V[same, 1 : 1 + width]
                lengths[same] = piece._geodesic(*ends)
        return lengths

    def _log_density(self, U):
        with np.errstate(divide="ignore"):
            log_density = np.log(self.weights)[U[:, 0].astype(int)]
        for rows, piece, width in self._split(U):
            log_density[rows] += piece._log_density(U[rows, 1 : 1 + width])
        return log_density

    def _local_dimension(self, U):
        dimension = np.empty(len(U), dtype=int)
        for rows, piece, width in self._split(U):
            dimension[rows] = piece._local_dimension(U[rows, 1 : 1 + width])
        return dimension

    def _piece(self, U):
        # Pieces may have pieces of their own, which are numbered on.
        first = np.cumsum([0, *(piece._n_pieces for piece in self._pieces)])
        index = first[U[:, 0].astype(int)]
        for rows, piece, width in self._split(U):
            index[rows] += piece._piece(U[rows, 1 : 1 + width])
        return index

    def _split(self, U):
        """Rows of each piece that has any, with the piece and its number of coordinates."""
        for k, (piece, width) in enumerate(zip(self._pieces, self._widths, strict=True)):
            rows = np.flatnonzero(U[:, 0] == k)
            if len(rows):
                yield rows, piece, width


class Moons(Union):
    """Two half circles of radius 1 that hook into each other, in 2 columns.

    The coordinates are the index of the moon, 0 for the upper one, and the angle along it. Rows are
    uniform by length.

    Attributes
    ----------
    n_features : int
        2.
    dimension : int
        1.

    See Also
    --------
    sklearn.datasets.make_moons : The same set, with evenly spaced rows.

    Examples
    --------
    >>> from benchmarks.known_manifolds import Moons
    >>> Moons().project([[0.0, 3.0], [1.0, -3.0]]).round(2) + 0.0
    array([[ 0. ,  1. ],
           [ 1. , -0.5]])
    """

    def __init__(self):
        moons = _Arc(0.0, np.pi), _Arc(np.pi, 2 * np.pi)
        self._arrange(moons, np.full(2, 0.5), np.array([[0.0, 0.0], [1.0, 0.5]]))

    _parameters = Manifold._parameters


class RareModes(Union):
    """Flat Gaussian discs in random planes, of which one is rare.

    What a sampler loses first is a mode of few rows. The last mode is the rare one; all others
    share the rest evenly. The coordinates are the index of the mode and two Gaussian ones in its
    plane.

    Parameters
    ----------
    n_modes : int, default=10
        Number of discs, at least 2.
    rare_weight : float, default=0.01
        Share of the last one.
    n_features : int, default=10
        Number of columns, at least 2.
    spread : float, default=1.5
        Standard deviation of the centres, which are normal. In ten columns they are then about 7
        apart and the discs do not touch.
    scale : float, default=0.4
        Standard deviation of the rows in the plane, in both directions.
    reach : float, default=4.0
        Radius of the discs in units of `scale`, where the Gaussian is cut off. At 4, one row in
        3,000 is drawn anew.
    random_state : int, RandomState instance or None, default=0
        Source of the centres and planes. Fixed by default, so that the set is the same each time.

    Attributes
    ----------
    dimension : int
        2.
    weights : ndarray of shape (n_modes,)
        Shares of the modes.
    centers : ndarray of shape (n_modes, n_features)
        Middles of the discs.
    axes : ndarray of shape (n_modes, n_features, 2)
        Orthonormal bases of the planes.

    Raises
    ------
    ValueError
        Where a parameter is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.known_manifolds import RareModes
    >>> modes = RareModes()
    >>> X = modes.sample(5000, noise=0.03, random_state=0)
    >>> np.mean(modes.mode(X) == 9).round(3)
    np.float64(0.009)
    """

    def __init__(
        self,
        n_modes=10,
        rare_weight=0.01,
        n_features=10,
        *,
        spread=1.5,
        scale=0.4,
        reach=4.0,
        random_state=0,
    ):
        self.n_modes = check_scalar(n_modes, "n_modes", int, min_val=2)
        self.rare_weight = check_scalar(rare_weight, "rare_weight", Real, min_val=0, max_val=1)
        check_scalar(n_features, "n_features", int, min_val=2)
        self.spread = check_scalar(spread, "spread", Real, min_val=0)
        self.scale = check_positive(scale, "scale")
        self.reach = check_positive(reach, "reach")
        self.random_state = random_state
        rng = check_random_state(random_state)
        self.centers = spread * rng.normal(size=(n_modes, n_features))
        self.axes = np.linalg.qr(rng.normal(size=(n_modes, n_features, 2)))[0]
        weights = np.full(n_modes, (1 - rare_weight) / (n_modes - 1))
        weights[-1] = rare_weight
        discs = [_Disc(axes, scale, reach) for axes in self.axes]
        self._arrange(discs, weights, self.centers)

    _parameters = Manifold._parameters

    def mode(self, X, *, noise=0.03):
        """Index of the mode that each row is most likely from.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows anywhere in space.
        noise : float, default=0.03
            Standard deviation of the noise on the columns that is reckoned with, above 0. The
            default is what the rows of benchmarks have.

        Returns
        -------
        mode : ndarray of int of shape (n_samples,)
            Indices; ``n_modes - 1`` is the rare mode. The weights of the modes are left out, so
            that the share of the rare one is not biased.

        Raises
        ------
        ValueError
            Where the number of columns is not `n_features`, or `noise` is not positive.
        """
        check_noise(noise, positive=True)
        apart = self._check(X)[:, None] - self.centers
        inside = np.einsum("nkd,kdj->nkj", apart, self.axes)
        square = (inside**2).sum(axis=2)
        across = (apart**2).sum(axis=2) - square
        return (square / (self.scale**2 + noise**2) + across / noise**2).argmin(axis=1)


class _Arc(Patch):
    """Part of the unit circle, by its angle."""

    n_features = 2
    dimension = 1

    def __init__(self, low, high):
        self.low, self.high = np.array([low]), np.array([high])

    def points(self, U):
        return np.column_stack([np.cos(U[:, 0]), np.sin(U[:, 0])])

    def _frame(self, U):
        return np.column_stack([-np.sin(U[:, 0]), np.cos(U[:, 0])])[:, :, None]

    def _nearest(self, X):
        return nearest_angle(np.arctan2(X[:, 1], X[:, 0]), self.low, self.high)[:, None]

    def _geodesic(self, U, V):
        return np.abs(U - V)[:, 0]


class _Disc(Manifold):
    """A Gaussian in a plane, cut off at a circle."""

    dimension = 2

    def __init__(self, axes, scale, reach):
        self.axes, self.scale, self.radius = axes, scale, reach * scale
        self.n_features = len(axes)
        self._log_constant = -np.log(2 * np.pi * scale**2) - np.log(-np.expm1(-(reach**2) / 2))

    def _draw(self, n, rng):
        U = self.scale * rng.normal(size=(n, 2))
        while (outside := (U**2).sum(axis=1) > self.radius**2).any():
            U[outside] = self.scale * rng.normal(size=(outside.sum(), 2))
        return U

    def points(self, U):
        return U @ self.axes.T

    def _nearest(self, X):
        return self._clip(X @ self.axes)

    def _clip(self, U):
        length = np.linalg.norm(U, axis=1, keepdims=True)
        return U * (self.radius / np.maximum(length, self.radius))

    def _frame(self, U):
        return np.broadcast_to(self.axes, (len(U), *self.axes.shape))

    def _move(self, U, S):
        return self._clip(U + S)

    def _geodesic(self, U, V):
        return np.linalg.norm(U - V, axis=1)

    def _log_density(self, U):
        return self._log_constant - (U**2).sum(axis=1) / (2 * self.scale**2)


def _shares(weights, n):
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    if weights.shape != (n,) or not (weights >= 0).all() or not weights.sum() > 0:
        raise ValueError(f"weights must be {n} numbers of at least 0, not all 0; got {weights}.")
    return weights / weights.sum()


def _as_list(values):
    return None if values is None else np.asarray(values).tolist()
