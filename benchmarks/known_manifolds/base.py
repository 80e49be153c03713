"""What every manifold with known truth can do."""

import inspect

import numpy as np
from sklearn.utils import check_array, check_random_state

from benchmarks.known_manifolds.checks import check_count, check_noise


class Manifold:
    """A surface in several columns that is known exactly, and a distribution of rows on it.

    The base of `SwissRoll`, `SCurve`, `Sphere`, `Torus`, `Cube`, `CurvedSheet`, `Embedded`,
    `Union`, `Moons` and `RareModes`; it is not used by itself.

    Every method takes rows anywhere in space and answers for the *nearest point* of the manifold:
    the geodesic distance of two rows is that of their nearest points, and so on.

    Attributes
    ----------
    n_features : int
        Number of columns.
    dimension : int
        Intrinsic dimension; the largest one where pieces differ.

    See Also
    --------
    Embedded : Puts a manifold into more columns.
    Union : Puts several manifolds side by side.

    Notes
    -----
    A manifold of one's own needs the two attributes and these methods, where ``U`` are intrinsic
    coordinates of shape (n_samples, n_coordinates) and ``d`` is the dimension:

    ============================  ================================================================
    ``_draw(n, rng)``             coordinates of independent rows
    ``points(U)``                 the points, (n, n_features)
    ``_nearest(X)``               coordinates of the nearest points
    ``_frame(U)``                 derivatives of the points along d local parameters, (n, D, d)
    ``_move(U, S)``               coordinates after local steps ``S``, (n, d)
    ``_room(U)``                  the lowest and the highest step that each parameter allows
    ``_geodesic(U, V)``           lengths of shortest paths, (n,)
    ``_log_density(U)``           log-density by area, (n,)
    ============================  ================================================================
    """

    n_features: int
    dimension: int

    def __repr__(self):
        # As in scikit-learn, only what differs from the defaults.
        values = self._parameters()
        given = [
            f"{name}={values[name]!r}"
            for name, parameter in inspect.signature(type(self)).parameters.items()
            if values[name] is not parameter.default and values[name] != parameter.default
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    def _parameters(self):
        """What the constructor was given."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def sample(self, n_samples=100, *, noise=0.0, return_coordinates=False, random_state=None):
        """Draw rows.

        Parameters
        ----------
        n_samples : int, default=100
            Number of rows.
        noise : float, default=0.0
            Standard deviation of the normal noise on every column, in their unit. The mean
            distance from the manifold is then about ``noise * sqrt(n_features - dimension)``.
        return_coordinates : bool, default=False
            Whether to return the intrinsic coordinates too.
        random_state : int, RandomState instance or None, default=None
            Source of the rows. The same int gives the same rows with another noise, up to it.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, independent and in random order.
        U : ndarray of shape (n_samples, n_coordinates)
            Intrinsic coordinates of the rows before the noise, for `points`. Only with
            ``return_coordinates=True``.

        Raises
        ------
        ValueError
            Where `n_samples` is below 1 or `noise` is negative.
        """
        rng, n = check_random_state(random_state), check_count(n_samples, "n_samples")
        check_noise(noise)
        U = self._draw(n, rng)
        X = self.points(U)
        if noise > 0:
            X = X + noise * rng.normal(size=X.shape)
        return (X, U) if return_coordinates else X

    def points(self, U):
        """Points of the manifold from intrinsic coordinates.

        Parameters
        ----------
        U : array-like of shape (n_samples, n_coordinates)
            Intrinsic coordinates; the class says what they are.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The points, without noise.
        """
        raise NotImplementedError(f"{type(self).__name__} has no points.")

    def coordinates(self, X):
        """Intrinsic coordinates of the nearest points.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows anywhere in space.

        Returns
        -------
        U : ndarray of shape (n_samples, n_coordinates)
            Coordinates, for `points`.

        Raises
        ------
        ValueError
            Where the number of columns is not `n_features`.
        """
        return self._nearest(self._check(X))

    def project(self, X):
        """Nearest points of the manifold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows anywhere in space.

        Returns
        -------
        P : ndarray of shape (n_samples, n_features)
            The points of the manifold that are nearest to the rows.

        Raises
        ------
        ValueError
            Where the number of columns is not `n_features`.
        """
        return self.points(self.coordinates(X))

    def distance(self, X):
        """Distance from the manifold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows anywhere in space.

        Returns
        -------
        distance : ndarray of shape (n_samples,)
            Distances to the nearest points, in the unit of the columns.

        Raises
        ------
        ValueError
            Where the number of columns is not `n_features`.
        """
        X = self._check(X)
        return np.linalg.norm(X - self.points(self._nearest(X)), axis=1)

    def tangent_basis(self, X):
        """Orthonormal bases of the tangent spaces at the nearest points.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows anywhere in space.

        Returns
        -------
        T : ndarray of shape (n_samples, n_features, dimension)
            A basis for each row, in its columns. Where the piece that a row belongs to has a lower
            dimension than others, the last columns are zero.

        Raises
        ------
        ValueError
            Where the number of columns is not `n_features`.
        """
        frame = self._frame(self.coordinates(X))
        basis = np.linalg.qr(frame)[0]
        return basis * (np.abs(frame).max(axis=1, keepdims=True) > 0)

    def local_dimension(self, X):
        """Intrinsic dimension of the piece that each row belongs to.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows anywhere in space.

        Returns
        -------
        dimension : ndarray of int of shape (n_samples,)
            Dimensions at the nearest points.

        Raises
        ------
        ValueError
            Where the number of columns is not `n_features`.
        """
        return self._local_dimension(self.coordinates(X))

    def geodesic_distance(self, A, B):
        """Lengths of the shortest paths in the manifold, pair by pair.

        Parameters
        ----------
        A : array-like of shape (n_samples, n_features)
            Rows, of which the nearest points are taken.
        B : array-like of shape (n_samples, n_features)
            As many rows at the other ends.

        Returns
        -------
        length : ndarray of shape (n_samples,)
            Length for each row of `A` and the same row of `B`; infinite between separate pieces.

        Raises
        ------
        ValueError
            Where the shapes differ, or the number of columns is not `n_features`.
        """
        A, B = self._check(A), self._check(B)
        if len(A) != len(B):
            raise ValueError(f"A has {len(A)} rows and B has {len(B)}: give as many of each.")
        return self._geodesic(self._nearest(A), self._nearest(B))

    def log_density(self, X):
        """Log-density of the distribution of noise-free rows, at the nearest points.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows anywhere in space.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithms of the density by area (by length or volume, as the dimension is),
            which integrates to one over the manifold.

        Raises
        ------
        ValueError
            Where the number of columns is not `n_features`.
        """
        return self._log_density(self.coordinates(X))

    def _draw(self, n, rng):
        raise NotImplementedError(f"{type(self).__name__} cannot be sampled.")

    def _nearest(self, X):
        raise NotImplementedError(f"{type(self).__name__} has no nearest points.")

    def _frame(self, U):
        raise NotImplementedError(f"{type(self).__name__} has no tangent spaces.")

    def _geodesic(self, U, V):
        raise NotImplementedError(f"{type(self).__name__} has no geodesics.")

    def _log_density(self, U):
        raise NotImplementedError(f"{type(self).__name__} has no density.")

    def _move(self, U, S):
        return U + S

    def _room(self, U):
        unlimited = np.full((len(U), self.dimension), np.inf)
        return -unlimited, unlimited

    def _local_dimension(self, U):
        return np.full(len(U), self.dimension)

    # Of connected pieces, between which there is no path.
    _n_pieces = 1

    def _piece(self, U):
        """Index of the connected piece."""
        return np.zeros(len(U), dtype=int)

    def _check(self, X):
        X = check_array(X, dtype=np.float64)
        if X.shape[1] != self.n_features:
            raise ValueError(
                f"X has {X.shape[1]} columns, but the manifold lies in {self.n_features}."
            )
        return X


class Patch(Manifold):
    """A manifold whose coordinates are the local parameters, between `low` and `high`."""

    low: np.ndarray
    high: np.ndarray

    def _move(self, U, S):
        return np.clip(U + S, self.low, self.high)

    def _room(self, U):
        return self.low - U, self.high - U

    def _draw(self, n, rng):
        return self.low + (self.high - self.low) * rng.uniform(size=(n, self.dimension))

    def _log_density(self, U):
        """Density of coordinates that are uniform."""
        frame = self._frame(U)
        area = np.linalg.slogdet(np.swapaxes(frame, 1, 2) @ frame)[1] / 2
        return -area - np.log(self.high - self.low).sum()


def check_coordinates(U, n_coordinates):
    """Return float64 coordinates, as many as the manifold has."""
    U = check_array(U, dtype=np.float64)
    if U.shape[1] != n_coordinates:
        raise ValueError(f"U has {U.shape[1]} columns, but there are {n_coordinates} coordinates.")
    return U


def nearest_angle(angle, low, high):
    """Nearest angle to `angle`, on the circle, of those between `low` and `high`."""
    # Wrapped around the middle, so that the end that is nearer on the circle is the clipped one.
    middle = (low + high) / 2
    wrapped = middle + wrap(angle - middle)
    return np.clip(wrapped, low, high)


def wrap(angle):
    """Angles between -pi and pi."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
