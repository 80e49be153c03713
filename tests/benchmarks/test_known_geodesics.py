"""Shortest paths on manifolds, against closed forms, meshes and the axioms of a distance."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from benchmarks.known_manifolds import (
    Cube,
    CurvedSheet,
    Embedded,
    Moons,
    RareModes,
    SCurve,
    Sphere,
    SwissRoll,
    Torus,
    Union,
)
from benchmarks.known_manifolds.embedded import _Mapped

MANIFOLDS = {
    "swiss roll": SwissRoll(),
    "S-curve": SCurve(),
    "sphere": Sphere(2),
    "torus": Torus(),
    "cube": Cube(3),
    "moons": Moons(),
    "rare modes": RareModes(3, 0.3),
    "roll in 50 columns": Embedded(SwissRoll(), 50),
    "curved sheet": CurvedSheet(),
    "bent roll": Embedded(SwissRoll(), 10, kind="nonlinear"),
    "bent sphere": Embedded(Sphere(2), 6, kind="nonlinear"),
    "bent moons": Embedded(Moons(), 4, kind="nonlinear"),
}
every_manifold = pytest.mark.parametrize("manifold", MANIFOLDS.values(), ids=MANIFOLDS)


CLOSED_FORMS = {
    "swiss roll": SwissRoll(),
    "S-curve": SCurve(),
    "sphere": Sphere(2),
    "sphere of dimension 4": Sphere(4),
    "rare modes": RareModes(3, 0.3),
    "union": Union([Moons(), Sphere(2)]),
}


class Unmoved(_Mapped):
    """A manifold itself, with nearest points and geodesics by minimisation."""

    def __init__(self, base):
        self.base, self.n_features, self.dimension = base, base.n_features, base.dimension

    def _map(self, B):
        return B

    def _map_jacobian(self, B):
        return np.broadcast_to(np.eye(self.n_features), (len(B), self.n_features, self.n_features))


def mesh_distances(manifold, low, high, shape, periodic=False):
    """Nodes of a mesh, some sources, and lengths of the shortest paths along moves on it."""
    ticks = [
        np.linspace(a, b, n, endpoint=not periodic)
        for a, b, n in zip(low, high, shape, strict=True)
    ]
    U = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1)
    index = np.arange(U[..., 0].size).reshape(shape)
    widths = [t[1] - t[0] for t in ticks]
    rows, columns, lengths = [], [], []
    for move in np.ndindex(7, 7):
        i, j = np.array(move) - 3
        if np.gcd(i, j) != 1:
            continue
        spots = np.indices(shape) + np.array([i, j])[:, None, None]
        inside = ((spots >= 0) & (spots < np.array(shape)[:, None, None])).all(axis=0) | periodic
        start = U[inside]
        # Moves are curved: their lengths are added up in four parts.
        parts = [manifold.points(start + k / 4 * np.array([i, j]) * widths) for k in range(5)]
        lengths.append(np.linalg.norm(np.diff(parts, axis=0), axis=2).sum(axis=0))
        rows.append(index[inside])
        columns.append(np.roll(index, (-i, -j), axis=(0, 1))[inside])
    entries = np.concatenate(lengths), (np.concatenate(rows), np.concatenate(columns))
    graph = coo_matrix(entries, shape=(index.size, index.size)).tocsr()
    sources = np.random.RandomState(0).choice(index.size, size=4, replace=False)
    return manifold.points(U.reshape(-1, 2)), sources, dijkstra(graph, indices=sources)


class TestAxioms:
    @every_manifold
    def test_distance_of_paths(self, manifold):
        A, B, C = (manifold.sample(12, noise=0.01, random_state=seed) for seed in range(3))
        ab, ba, bc, ac = (
            manifold.geodesic_distance(*ends) for ends in ((A, B), (B, A), (B, C), (A, C))
        )
        np.testing.assert_allclose(ab, ba, rtol=1e-6)
        finite = np.isfinite(ab) & np.isfinite(bc)
        assert finite.any()
        assert (ac[finite] <= (ab + bc)[finite] * (1 + 1e-3)).all()
        chord = np.linalg.norm(manifold.project(A) - manifold.project(B), axis=1)
        assert (ab >= chord * (1 - 1e-6)).all()
        np.testing.assert_allclose(manifold.geodesic_distance(A, A), 0, atol=1e-7)

    @every_manifold
    def test_short_paths_are_straight(self, manifold):
        X = manifold.sample(12, random_state=0)
        steps = np.random.RandomState(0).normal(size=(12, manifold.dimension))
        Y = manifold.project(X + 1e-3 * np.einsum("nji,ni->nj", manifold.tangent_basis(X), steps))
        np.testing.assert_allclose(
            manifold.geodesic_distance(X, Y), np.linalg.norm(X - Y, axis=1), rtol=1e-4, atol=1e-8
        )

    def test_as_many_rows(self):
        with pytest.raises(ValueError, match="A has 2 rows and B has 1"):
            Sphere(1).geodesic_distance(np.eye(2), np.eye(2)[:1])


class TestClosedForms:
    def test_sphere(self):
        A, B = (Sphere(3).sample(50, random_state=seed) for seed in (0, 1))
        expected = np.arccos((A * B).sum(axis=1))
        np.testing.assert_allclose(Sphere(3).geodesic_distance(A, B), expected, rtol=1e-10)
        np.testing.assert_allclose(Sphere(3).geodesic_distance(A, -2 * A), np.pi)

    def test_swiss_roll_is_a_rectangle(self):
        roll = SwissRoll()
        (A, U), (B, V) = (
            roll.sample(10, return_coordinates=True, random_state=seed) for seed in (0, 1)
        )
        along = [
            quad(lambda t: np.hypot(1, t), u, v)[0] for u, v in zip(U[:, 0], V[:, 0], strict=True)
        ]
        expected = np.hypot(along, U[:, 1] - V[:, 1]) / 7
        np.testing.assert_allclose(roll.geodesic_distance(A, B), expected, rtol=1e-9)

    def test_s_curve_is_a_rectangle(self):
        (A, U), (B, V) = (
            SCurve().sample(10, return_coordinates=True, random_state=seed) for seed in (0, 1)
        )
        np.testing.assert_allclose(
            SCurve().geodesic_distance(A, B), np.linalg.norm(U - V, axis=1), rtol=1e-9
        )

    def test_torus_along_its_symmetries(self):
        torus = Torus()
        angles = np.linspace(0, 3, 7)
        around_tube = np.column_stack([np.full(7, 0.3), 1 + angles])
        start = torus.points(np.tile(around_tube[0], (7, 1)))
        np.testing.assert_allclose(
            torus.geodesic_distance(start, torus.points(around_tube)), 0.4 * angles, rtol=1e-3
        )
        inner = np.column_stack([angles, np.full(7, np.pi)])
        start = torus.points(np.tile(inner[0], (7, 1)))
        np.testing.assert_allclose(
            torus.geodesic_distance(start, torus.points(inner)), 0.6 * angles, rtol=1e-3
        )

    def test_torus_leaves_the_outer_equator_when_it_is_far(self):
        ends = Torus().points([[0.0, 0.0], [np.pi, 0.0]])
        assert Torus().geodesic_distance(ends[:1], ends[1:])[0] < 0.9 * np.pi * 1.4

    def test_moons_by_arc_length(self):
        ends = Moons().points([[0, 0.2], [0, 2.2], [1, 4.0]])
        lengths = Moons().geodesic_distance(ends[[0, 0]], ends[[1, 2]])
        np.testing.assert_allclose(lengths, [2.0, np.inf])


class TestMinimised:
    @pytest.mark.parametrize("manifold", CLOSED_FORMS.values(), ids=CLOSED_FORMS)
    def test_agrees_with_closed_forms(self, manifold):
        A, B = (manifold.sample(12, noise=0.05, random_state=seed) for seed in (0, 1))
        numeric = Unmoved(manifold)
        np.testing.assert_allclose(numeric.project(A), manifold.project(A), atol=1e-9)
        np.testing.assert_allclose(
            numeric.geodesic_distance(A, B), manifold.geodesic_distance(A, B), rtol=1e-3
        )

    def test_torus_from_a_graph(self):
        A, B = (Torus().sample(20, random_state=seed) for seed in (0, 1))
        ratio = Unmoved(Torus()).geodesic_distance(A, B) / Torus().geodesic_distance(A, B)
        # A graph may lead to the second best of two paths, never to a shorter one.
        assert ratio.min() > 1 - 1e-3
        assert np.quantile(ratio, 0.9) < 1 + 1e-3

    @pytest.mark.parametrize(
        ("manifold", "shape", "periodic"),
        [
            (Torus(), (140, 56), True),
            (CurvedSheet(), (70, 70), False),
            (Embedded(SwissRoll(), 10, kind="nonlinear"), (160, 40), False),
        ],
        ids=["torus", "curved sheet", "bent roll"],
    )
    def test_between_the_mesh_and_a_little_less(self, manifold, shape, periodic):
        """Moves on a mesh turn by 18 degrees at most and so are a little too long."""
        base = getattr(manifold, "base", None)
        low, high = ((0, 0), (2 * np.pi,) * 2) if periodic else (base.low, base.high)
        P, sources, lengths = mesh_distances(manifold, low, high, shape, periodic)
        targets = np.random.RandomState(1).choice(len(P), size=6, replace=False)
        A, B = np.repeat(P[sources], 6, axis=0), np.tile(P[targets], (4, 1))
        ratio = manifold.geodesic_distance(A, B) / lengths[:, targets].ravel()
        assert ratio.max() < 1 + 2e-3
        assert ratio.min() > 0.97
