"""Manifolds in more columns: by a rotation, or by smooth maps."""

from functools import cached_property
from numbers import Real

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree
from sklearn.utils import check_random_state, check_scalar, gen_batches

from benchmarks.known_manifolds.base import Manifold
from benchmarks.known_manifolds.checks import check_count
from benchmarks.known_manifolds.shortest_paths import path_lengths, refine_nearest, relax_paths
from benchmarks.known_manifolds.surfaces import Cube

_N_STARTS = 10_000
_N_CLOSE = 48
_N_REFINED = 3
_N_NODES = 3_000
_N_LINKS = 12
_N_PATH_POINTS = 49
_ROWS_AT_ONCE = 200


class _Mapped(Manifold):
    """The image of a manifold under a smooth map that is one to one.

    A subclass sets `base`, `n_features` and `dimension`, and has ``_map(B)`` and its derivatives
    ``_map_jacobian(B)`` of shape (n, n_features, base.n_features) at points of the base.
    """

    base: Manifold

    def points(self, U):
        return self._map(self.base.points(U))

    def _draw(self, n, rng):
        return self.base._draw(n, rng)

    def _frame(self, U):
        return self._map_jacobian(self.base.points(U)) @ self.base._frame(U)

    def _move(self, U, S):
        return self.base._move(U, S)

    def _room(self, U):
        return self.base._room(U)

    def _local_dimension(self, U):
        return self.base._local_dimension(U)

    @property
    def _n_pieces(self):
        return self.base._n_pieces

    def _piece(self, U):
        return self.base._piece(U)

    def _log_density(self, U):
        """Density of the base over the factor by which the map stretches areas."""
        B = self.base.points(U)
        tangents = self.base.tangent_basis(B)
        images = self._map_jacobian(B) @ tangents
        gram = np.swapaxes(images, 1, 2) @ images
        # Directions that the piece does not have are not stretched.
        empty = np.abs(tangents).max(axis=1) == 0
        gram = gram + empty[:, None] * np.eye(self.dimension)
        return self.base._log_density(U) - np.linalg.slogdet(gram)[1] / 2

    @cached_property
    def _starts(self):
        """Points all over the manifold, as a tree, and their coordinates."""
        U = self.base._draw(_N_STARTS, check_random_state(0))
        return cKDTree(self.points(U)), U

    def _nearest(self, X):
        """Best of the points refined from starts that are near to the row and far apart."""
        tree, coordinates = self._starts
        index = tree.query(X, k=_N_CLOSE)[1]
        near = tree.data[index]
        best, found = np.full(len(X), np.inf), np.empty((len(X), coordinates.shape[1]))
        rows, pick = np.arange(len(X)), np.zeros(len(X), dtype=int)
        apart = np.full(index.shape, np.inf)
        for _ in range(_N_REFINED):
            U = refine_nearest(self, X, coordinates[index[rows, pick]])
            square = ((X - self.points(U)) ** 2).sum(axis=1)
            closer = square < best
            best[closer], found[closer] = square[closer], U[closer]
            # The nearest start comes first, then always the one farthest from those before.
            taken = near[rows, pick][:, None]
            apart = np.minimum(apart, ((near - taken) ** 2).sum(axis=2))
            pick = apart.argmax(axis=1)
        return found

    @cached_property
    def _graph(self):
        """Coordinates and base points of nodes, and links between neighbours by their length."""
        U = self.base._draw(_N_NODES, check_random_state(1))
        B, P, piece = self.base.points(U), self.points(U), self._piece(U)
        rows, columns = [], []
        for k in np.unique(piece):
            own = np.flatnonzero(piece == k)
            links = min(_N_LINKS, len(own) - 1)
            near = cKDTree(B[own]).query(B[own], k=links + 1)[1].reshape(len(own), -1)[:, 1:]
            rows.append(np.repeat(own, links))
            columns.append(own[near.ravel()])
        rows, columns = np.concatenate(rows), np.concatenate(columns)
        lengths = np.linalg.norm(P[rows] - P[columns], axis=1)
        graph = coo_matrix((lengths, (rows, columns)), shape=(_N_NODES, _N_NODES)).tocsr()
        return B, piece, graph

    def _geodesic(self, U, V):
        lengths = np.full(len(U), np.inf)
        piece = self._piece(np.concatenate([U, V]))
        same = np.flatnonzero(piece[: len(U)] == piece[len(U) :])
        for batch in gen_batches(len(same), _ROWS_AT_ONCE):
            rows = same[batch]
            paths = relax_paths(self, self._first_paths(U[rows], V[rows]), n_steps=200)
            lengths[rows] = path_lengths(self, paths)
        return lengths

    def _first_paths(self, U, V):
        """Coordinates of points along the shortest paths of the graph."""
        nodes, node_piece, graph = self._graph
        start, stop = self.base.points(U), self.base.points(V)
        source = _nearest_of_piece(start, self._piece(U), nodes, node_piece)
        target = _nearest_of_piece(stop, self._piece(V), nodes, node_piece)
        origins, which = np.unique(source, return_inverse=True)
        before = dijkstra(graph, directed=False, indices=origins, return_predecessors=True)[1]
        paths = np.empty((len(U), _N_PATH_POINTS, U.shape[1]))
        for i in range(len(U)):
            chain = _walk(before[which[i]], source[i], target[i])
            corners = np.concatenate([start[i : i + 1], nodes[chain[1:-1]], stop[i : i + 1]])
            paths[i] = self.base._nearest(self._even(corners))
        paths[:, 0], paths[:, -1] = U, V
        return paths

    def _even(self, corners):
        """Points of the base along a broken line, at even lengths of its image."""
        steps = np.linalg.norm(np.diff(self._map(corners), axis=0), axis=1)
        along = np.append(0, np.cumsum(steps))
        wanted = np.linspace(0, along[-1], _N_PATH_POINTS)
        return np.column_stack([np.interp(wanted, along, column) for column in corners.T])


class Embedded(_Mapped):
    """A manifold put into more columns.

    The coordinates are those of the manifold.

    Parameters
    ----------
    manifold : Manifold
        The manifold.
    n_features : int
        Number of columns to put it into, at least as many as it has (one more where nonlinear).
    kind : {"linear", "nonlinear"}, default="linear"
        A random rotation, which keeps distances, geodesics and densities; or that of the columns
        and as many waves of them as fill the others, which bends and stretches the manifold.
    frequency : float, default=1.0
        Standard deviation of the angular frequencies of the waves, per unit of the columns. Has no
        effect on the linear kind.
    amplitude : float, default=0.5
        Height of the waves, in the unit of the columns. Has no effect on the linear kind.
    random_state : int, RandomState instance or None, default=0
        Source of the map. Fixed by default, so that training and test rows lie on one manifold.

    Attributes
    ----------
    dimension : int
        That of the manifold.
    axes : ndarray of shape (n_features, n_axes)
        Orthonormal columns of the rotation: the first of the columns of the manifold, all of them
        for the nonlinear kind.

    Raises
    ------
    ValueError
        Where the columns are too few or `kind` is unknown.

    Notes
    -----
    The nonlinear kind maps a point `b` to ``axes @ [b, amplitude * sin(W b + phi)]`` with normal
    frequencies `W` and uniform phases `phi`. It holds `b` itself, so it is one to one and keeps at
    least all distances. Nearest points are refined by Gauss-Newton from the nearest of 10,000
    points; where two sheets are all but equally near, the farther one may be taken. Geodesics are
    relaxed from shortest paths in a graph of 3,000 points; lengths are right to about 1e-3,
    relative, where the path found is the shortest one.

    Examples
    --------
    >>> from benchmarks.known_manifolds import Embedded, SwissRoll
    >>> roll = Embedded(SwissRoll(), 50)
    >>> X = roll.sample(500, noise=0.02, random_state=0)
    >>> X.shape, roll.distance(X).mean().round(3)
    ((500, 50), np.float64(0.137))
    """

    def __init__(
        self,
        manifold,
        n_features,
        *,
        kind="linear",
        frequency=1.0,
        amplitude=0.5,
        random_state=0,
    ):
        if kind not in ("linear", "nonlinear"):
            raise ValueError(f"kind={kind!r} is unknown: give 'linear' or 'nonlinear'.")
        inner, least = manifold.n_features, manifold.n_features + (kind == "nonlinear")
        if check_count(n_features, "n_features") < least:
            raise ValueError(f"n_features={n_features} is too few: give at least {least}.")
        self.manifold = self.base = manifold
        self.n_features, self.dimension, self.kind = n_features, manifold.dimension, kind
        self.frequency = check_scalar(frequency, "frequency", Real, min_val=0)
        self.amplitude = check_scalar(amplitude, "amplitude", Real, min_val=0)
        self.random_state = random_state
        rng = check_random_state(random_state)
        self.axes = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0]
        if kind == "linear":
            self.axes = self.axes[:, :inner]
        else:
            self._waves = frequency * rng.normal(size=(inner, n_features - inner))
            self._phases = rng.uniform(0, 2 * np.pi, size=n_features - inner)

    def _map(self, B):
        if self.kind == "linear":
            return B @ self.axes.T
        waves = self.amplitude * np.sin(B @ self._waves + self._phases)
        return np.column_stack([B, waves]) @ self.axes.T

    def _map_jacobian(self, B):
        if self.kind == "linear":
            return np.broadcast_to(self.axes, (len(B), *self.axes.shape))
        inner = B.shape[1]
        slopes = self.amplitude * np.cos(B @ self._waves + self._phases)
        waves = slopes[:, :, None] * self._waves.T
        return self.axes[:, :inner] + self.axes[:, inner:] @ waves

    def _nearest(self, X):
        return self.base._nearest(X @ self.axes) if self.kind == "linear" else super()._nearest(X)

    def _geodesic(self, U, V):
        return self.base._geodesic(U, V) if self.kind == "linear" else super()._geodesic(U, V)

    def _log_density(self, U):
        linear = self.kind == "linear"
        return self.base._log_density(U) if linear else super()._log_density(U)


class CurvedSheet(_Mapped):
    """A square sheet bent through many columns, each a wave of the sheet.

    The coordinates are two numbers between -1 and 1, in which rows are uniform. A column is
    ``sin(w . u + phi)`` with a normal frequency `w` and a uniform phase `phi` of its own.

    Parameters
    ----------
    n_features : int, default=50
        Number of columns. Below about 5 the sheet may cross itself.
    frequency : float, default=2.0
        Standard deviation of the angular frequencies. At 2, a column has about two thirds of a
        period over the sheet, and the sheet needs most of 10 linear directions.
    random_state : int, RandomState instance or None, default=0
        Source of the waves. Fixed by default, so that training and test rows lie on one sheet.

    Attributes
    ----------
    dimension : int
        2.

    Notes
    -----
    Nearest points are refined by Gauss-Newton, within the square, from the nearest of 10,000
    points. Geodesics are relaxed from shortest paths in a graph of 3,000 points; lengths are right
    to about 1e-3, relative.

    Examples
    --------
    >>> from benchmarks.known_manifolds import CurvedSheet
    >>> sheet = CurvedSheet()
    >>> X = sheet.sample(200, noise=0.02, random_state=0)
    >>> X.shape, sheet.distance(X).mean().round(2)
    ((200, 50), np.float64(0.14))
    """

    dimension = 2

    def __init__(self, n_features=50, frequency=2.0, *, random_state=0):
        self.n_features = check_count(n_features, "n_features")
        self.frequency = check_scalar(frequency, "frequency", Real, min_val=0)
        self.random_state = random_state
        self.base = Cube(2)
        rng = check_random_state(random_state)
        self._waves = frequency * rng.normal(size=(2, n_features))
        self._phases = rng.uniform(0, 2 * np.pi, size=n_features)

    def _map(self, B):
        return np.sin(B @ self._waves + self._phases)

    def _map_jacobian(self, B):
        slopes = np.cos(B @ self._waves + self._phases)
        return slopes[:, :, None] * self._waves.T


def _nearest_of_piece(B, piece, nodes, node_piece):
    """Index of the nearest node of the same piece."""
    index = np.empty(len(B), dtype=int)
    for k in np.unique(piece):
        own, rows = np.flatnonzero(node_piece == k), np.flatnonzero(piece == k)
        index[rows] = own[cKDTree(nodes[own]).query(B[rows])[1]]
    return index


def _walk(before, source, target):
    """Nodes from source to target; just the two where no path is known."""
    chain = [target]
    while chain[-1] != source:
        previous = before[chain[-1]]
        if previous < 0:
            return [source, target]
        chain.append(previous)
    return chain[::-1] if len(chain) > 1 else [source, target]
