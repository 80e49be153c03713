"""Manifolds with known truth: points, nearest points, tangents and densities."""

import math
import pickle

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial import cKDTree
from scipy.stats import chi, kstest
from sklearn.datasets import make_s_curve, make_swiss_roll

from benchmarks.known_manifolds import (
    Cube,
    CurvedSheet,
    Embedded,
    Manifold,
    Moons,
    RareModes,
    SCurve,
    Sphere,
    SwissRoll,
    Torus,
    Union,
)

MANIFOLDS = {
    "swiss roll": SwissRoll(),
    "S-curve": SCurve(),
    "sphere": Sphere(2),
    "torus": Torus(),
    "cube": Cube(3),
    "curved sheet": CurvedSheet(),
    "moons": Moons(),
    "rare modes": RareModes(),
    "union": Union([Sphere(1), Sphere(2), Cube(5)]),
    "roll in 50 columns": Embedded(SwissRoll(), 50),
    "bent roll": Embedded(SwissRoll(), 10, kind="nonlinear"),
    "bent sphere": Embedded(Sphere(2), 6, kind="nonlinear"),
    "bent union": Embedded(Union([Sphere(1), Cube(2)]), 6, kind="nonlinear"),
}
every_manifold = pytest.mark.parametrize("manifold", MANIFOLDS.values(), ids=MANIFOLDS)


def unit_normals(manifold, X, rng):
    """Random directions of length 1 that are normal to the manifold at its points X."""
    T = manifold.tangent_basis(X)
    directions = rng.normal(size=X.shape)
    directions -= np.einsum("nji,ni->nj", T, np.einsum("nji,nj->ni", T, directions))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def spiral_length(low, high):
    """Length of the spiral ``r = t``, by quadrature."""
    return quad(lambda t: math.hypot(1, t), low, high)[0]


# Surfaces over all of which rows are spread.
AREAS = {
    "swiss roll": spiral_length(1.5 * np.pi, 4.5 * np.pi) * 21 / 49,
    "S-curve": 3 * np.pi * 2,
    "sphere": 4 * np.pi,
    "torus": 4 * np.pi**2 * 0.4,
    "cube": 8,
    "moons": 2 * np.pi,
    "union": 2 * np.pi + 4 * np.pi + 32,
    "roll in 50 columns": spiral_length(1.5 * np.pi, 4.5 * np.pi) * 21 / 49,
}


class TestEveryManifold:
    @every_manifold
    def test_shapes(self, manifold):
        X, U = manifold.sample(7, return_coordinates=True, random_state=0)
        D, d = manifold.n_features, manifold.dimension
        assert isinstance(manifold, Manifold)
        assert X.shape == manifold.project(X).shape == (7, D)
        assert manifold.coordinates(X).shape == U.shape
        assert manifold.tangent_basis(X).shape == (7, D, d)
        for of_rows in ("distance", "local_dimension", "log_density"):
            assert getattr(manifold, of_rows)(X).shape == (7,)
        assert manifold.local_dimension(X).max() <= d

    @every_manifold
    def test_rows_lie_on_the_manifold(self, manifold):
        X, U = manifold.sample(50, return_coordinates=True, random_state=1)
        np.testing.assert_array_equal(manifold.points(U), X)
        np.testing.assert_allclose(manifold.distance(X), 0, atol=1e-9)
        np.testing.assert_allclose(manifold.points(manifold.coordinates(X)), X, atol=1e-9)

    @every_manifold
    def test_projection_is_idempotent(self, manifold):
        P = manifold.project(manifold.sample(40, noise=0.3, random_state=2))
        np.testing.assert_allclose(manifold.project(P), P, atol=1e-9)

    @pytest.mark.parametrize("name", sorted(MANIFOLDS.keys() - {"cube"}))
    def test_nearest_point_along_a_normal(self, name):
        """Up to the reach of the manifold, a point and all of its normal have the same foot."""
        manifold = MANIFOLDS[name]
        X = manifold.sample(40, random_state=3)
        X = X[manifold.local_dimension(X) < manifold.n_features]
        moved = X + 0.05 * unit_normals(manifold, X, np.random.RandomState(0))
        np.testing.assert_allclose(manifold.distance(moved), 0.05, atol=1e-9)
        np.testing.assert_allclose(manifold.project(moved), X, atol=1e-8)

    @every_manifold
    def test_no_point_is_nearer(self, manifold):
        crowd = manifold.sample(20_000, random_state=4)
        X = np.concatenate([manifold.sample(20, noise=s, random_state=5) for s in (0.05, 0.5)])
        found, distance = cKDTree(crowd).query(X)[0], manifold.distance(X)
        assert (distance <= found + 1e-9).all()
        if manifold.dimension <= 2:
            assert np.mean(found - distance) < 0.02

    @every_manifold
    def test_distance_of_noisy_rows(self, manifold):
        """The noise across the manifold is chi-distributed, but for edges and curvature."""
        X = manifold.sample(600, noise=0.01, random_state=6)
        normals = manifold.n_features - manifold.local_dimension(X)
        expected = np.where(normals > 0, 0.01 * chi.mean(np.maximum(normals, 1)), 0).mean()
        # Rows next to the edge of a cube leave it by noise that it has no normals for.
        edge = 0.001 if isinstance(manifold, Cube | Union) else 0
        # Four standard errors: the spread of a chi variable is at most .76 of its mean.
        assert manifold.distance(X).mean() == pytest.approx(expected, rel=0.12, abs=edge)

    @every_manifold
    def test_tangents_are_orthonormal(self, manifold):
        X = manifold.sample(50, noise=0.1, random_state=7)
        T = manifold.tangent_basis(X)
        rank = manifold.local_dimension(X)
        expected = np.arange(manifold.dimension) < rank[:, None]
        gram = np.swapaxes(T, 1, 2) @ T
        np.testing.assert_allclose(gram, expected[:, None] * np.eye(len(T[0, 0])), atol=1e-12)

    @every_manifold
    def test_tangents_are_limits_of_chords(self, manifold):
        """A small step along the tangent stays on the manifold, up to its square."""
        X = manifold.sample(300, random_state=8)
        T = manifold.tangent_basis(X)
        S = np.random.RandomState(0).normal(size=(300, manifold.dimension))
        steps = np.einsum("nji,ni->nj", T, S)
        off = [manifold.distance(X + h * steps) for h in (1e-3, 1e-4)]
        # All but the few rows that leave through an edge.
        assert np.mean(off[1] < 3e-7) > 0.97
        assert np.median(off[1]) <= 0.02 * np.median(off[0]) + 1e-9

    @every_manifold
    def test_density_counts_rows(self, manifold):
        """Rows in small balls, against density times volume."""
        X = manifold.sample(100_000, random_state=9)
        places = manifold.sample(300, random_state=10)
        d = manifold.local_dimension(places)
        radius = np.where(d <= 2, 0.1, 0.25)
        ball = np.pi ** (d / 2) / np.array([math.gamma(k / 2 + 1) for k in d]) * radius**d
        expected = len(X) * np.exp(manifold.log_density(places)) * ball
        counts = cKDTree(X).query_ball_point(places, radius, return_length=True)
        # Balls over an edge are cut, and balls on a bent piece hold a little more.
        inside = expected > 10
        ratio = np.median(counts[inside] / expected[inside])
        assert ratio == pytest.approx(1, abs=0.3 if d.max() > 2 else 0.05)

    @every_manifold
    def test_seed_settles_the_rows(self, manifold):
        X = manifold.sample(20, noise=0.1, random_state=3)
        np.testing.assert_array_equal(X, manifold.sample(20, noise=0.1, random_state=3))
        clean = manifold.sample(20, random_state=3)
        assert not np.array_equal(clean, manifold.sample(20, random_state=4))
        assert np.std(X - clean) == pytest.approx(0.1, rel=0.5)

    @every_manifold
    def test_pickle_and_repr(self, manifold):
        X = manifold.sample(5, noise=0.1, random_state=0)
        again = pickle.loads(pickle.dumps(manifold))
        np.testing.assert_array_equal(again.project(X), manifold.project(X))
        np.testing.assert_array_equal(eval(repr(manifold)).project(X), manifold.project(X))

    def test_repr_is_short(self):
        assert repr(Embedded(Torus(tube=0.2), 9)) == (
            "Embedded(manifold=Torus(tube=0.2), n_features=9)"
        )
        union = Union([Cube(1)], weights=np.ones(1))
        assert repr(union) == "Union(manifolds=[Cube(dimension=1)], weights=[1.0])"

    @every_manifold
    def test_wrong_input(self, manifold):
        D = manifold.n_features
        for method in ("project", "distance", "tangent_basis", "local_dimension", "log_density"):
            with pytest.raises(ValueError, match=f"the manifold lies in {D}"):
                getattr(manifold, method)(np.zeros((2, D + 1)))
        with pytest.raises(ValueError, match="noise"):
            manifold.sample(noise=-1.0)
        with pytest.raises(ValueError, match="n_samples"):
            manifold.sample(0)
        with pytest.raises(ValueError, match="NaN"):
            manifold.project(np.full((1, D), np.nan))


class TestAreas:
    """Where rows are spread over all of a surface, the mean of 1 / density is its area."""

    @pytest.mark.parametrize(("name", "area"), AREAS.items(), ids=AREAS)
    def test_area(self, name, area):
        manifold = MANIFOLDS[name]
        X = manifold.sample(10_000, random_state=0)
        assert np.exp(-manifold.log_density(X)).mean() == pytest.approx(area, rel=0.02)

    @pytest.mark.parametrize("name", ["curved sheet", "bent roll"])
    def test_area_of_triangles(self, name):
        """The area of a fine mesh of triangles, on the coordinates of the sheet."""
        manifold = MANIFOLDS[name]
        low, high = manifold.base.low, manifold.base.high
        n = 250
        ticks = [np.linspace(a, b, n) for a, b in zip(low, high, strict=True)]
        U = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1)
        P = manifold.points(U.reshape(-1, 2)).reshape(n, n, -1)
        a, b, c, d = P[:-1, :-1], P[1:, :-1], P[:-1, 1:], P[1:, 1:]

        def double_area(p, q):
            return np.sqrt((p**2).sum(-1) * (q**2).sum(-1) - (p * q).sum(-1) ** 2).sum()

        area = (double_area(b - a, c - a) + double_area(b - d, c - d)) / 2
        X = manifold.sample(3000, random_state=0)
        assert np.exp(-manifold.log_density(X)).mean() == pytest.approx(area, rel=0.02)


class TestSwissRoll:
    def test_same_rows_as_scikit_learn(self):
        X, t = make_swiss_roll(50, random_state=0)
        own, U = SwissRoll(scale=1.0).sample(50, return_coordinates=True, random_state=0)
        np.testing.assert_allclose(own, X, atol=1e-12)
        np.testing.assert_allclose(U[:, 0], t)

    def test_scale_of_the_columns(self):
        std = SwissRoll().sample(5000, random_state=0).std(axis=0)
        assert ((std > 0.8) & (std < 1.2)).all()

    def test_nearest_ends(self):
        ends = SwissRoll().points([[1.5 * np.pi, 0.0], [4.5 * np.pi, 21.0]])
        outside = [[0.0, -2.0, ends[0, 2] + 0.1], [-1.0, 9.0, 10.0]]
        nearest = SwissRoll().coordinates(outside)
        assert nearest[0, 1] == 0
        np.testing.assert_allclose(nearest[1], [4.5 * np.pi, 21.0])

    @pytest.mark.parametrize("option", ["height", "scale"])
    def test_wrong_parameters(self, option):
        with pytest.raises(ValueError, match=option):
            SwissRoll(**{option: 0.0})


class TestSCurve:
    def test_same_rows_as_scikit_learn(self):
        X, t = make_s_curve(50, random_state=0)
        own, U = SCurve().sample(50, return_coordinates=True, random_state=0)
        np.testing.assert_allclose(own, X, atol=1e-12)
        np.testing.assert_allclose(U[:, 0], t)


class TestSphere:
    def test_origin_has_a_nearest_point(self):
        np.testing.assert_allclose(Sphere(2).distance(np.zeros((1, 3))), 1)

    def test_poles_have_tangents(self):
        poles = np.concatenate([np.eye(4), -np.eye(4)])
        T = Sphere(3).tangent_basis(poles)
        np.testing.assert_allclose(np.einsum("nji,nj->ni", T, poles), 0, atol=1e-15)

    def test_tiny_and_huge_rows(self):
        P = Sphere(1).project([[3e-200, 4e-200], [3e150, 4e150]])
        np.testing.assert_allclose(P, [[0.6, 0.8]] * 2)


class TestTorus:
    def test_uniform_by_area(self):
        _, U = Torus().sample(20_000, return_coordinates=True, random_state=0)
        angle = U[:, 1] % (2 * np.pi)
        assert kstest(angle + 0.4 * np.sin(angle), "uniform", (0, 2 * np.pi)).pvalue > 1e-3
        assert kstest(U[:, 0] % (2 * np.pi) / (2 * np.pi), "uniform").pvalue > 1e-3

    def test_tube_must_be_thin(self):
        with pytest.raises(ValueError, match=r"tube=1\.0 must be below"):
            Torus(1.0, 1.0)


class TestEmbedded:
    def test_linear_keeps_everything(self):
        inner, outer = Torus(), Embedded(Torus(), 10)
        A, B = (inner.sample(30, noise=0.1, random_state=s) for s in (0, 1))
        C, D = A @ outer.axes.T, B @ outer.axes.T
        np.testing.assert_allclose(outer.axes.T @ outer.axes, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(outer.distance(C), inner.distance(A), atol=1e-12)
        np.testing.assert_allclose(outer.log_density(C), inner.log_density(A))
        np.testing.assert_allclose(outer.geodesic_distance(C, D), inner.geodesic_distance(A, B))
        np.testing.assert_allclose(outer.project(C), inner.project(A) @ outer.axes.T, atol=1e-12)

    def test_distance_to_a_rotated_plane_is_known(self):
        plane = Embedded(Cube(2), 5, random_state=3)
        normals = np.linalg.svd(plane.axes)[0][:, 2:]
        X = plane.sample(20, random_state=0) + 3 * normals[:, 0]
        np.testing.assert_allclose(plane.distance(X), 3)

    def test_nonlinear_is_bent_and_one_to_one(self):
        bent, X = MANIFOLDS["bent roll"], SwissRoll().sample(300, random_state=0)
        Y = bent.points(SwissRoll().coordinates(X))
        # More linear directions than the roll has, and no two points nearer than before.
        assert np.linalg.svd(Y - Y.mean(axis=0))[1][:8].min() > 1
        before = np.linalg.norm(X[:, None] - X, axis=2)
        assert (np.linalg.norm(Y[:, None] - Y, axis=2) >= before - 1e-12).all()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_features": 2}, "at least 3"),
            ({"n_features": 3, "kind": "nonlinear"}, "at least 4"),
            ({"n_features": 5, "kind": "cubic"}, "'linear' or 'nonlinear'"),
        ],
    )
    def test_wrong_parameters(self, options, message):
        with pytest.raises(ValueError, match=message):
            Embedded(Sphere(2), **options)
