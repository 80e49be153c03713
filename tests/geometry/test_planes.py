"""Local planes: exact on flat data, tangent on curved data, floors as large as the noise."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skdiffusion.geometry.planes import local_planes


def test_flat_rows_lie_in_their_planes():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(5, 2)))[0]
    X = rng.normal(size=(100, 2)) @ basis.T + 3.0
    planes = local_planes(X, 2, n_neighbors=8)
    np.testing.assert_allclose(planes.distance(X), 0, atol=1e-12)
    np.testing.assert_allclose(planes.floors, 0, atol=1e-20)


def test_the_floor_is_the_variance_of_the_noise():
    rng = np.random.default_rng(0)
    X = np.zeros((4000, 6))
    X[:, :2] = 10 * rng.uniform(size=(4000, 2))
    X += 0.03 * rng.normal(size=X.shape)
    floors = local_planes(X, 2, n_neighbors=40).floors
    assert np.mean(floors) == pytest.approx(0.03**2, rel=0.03)


def test_tangent_to_a_sphere():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    planes = local_planes(X, 2, n_neighbors=12, queries=X[:200])
    slant = np.abs(np.einsum("ndk,nd->nk", planes.bases, X[:200])).max(1)
    assert np.quantile(slant, 0.95) < 0.05


def test_radius_is_the_distance_to_the_last_neighbor():
    X = np.arange(20.0)[:, None] * [1.0, 0.0]
    assert local_planes(X, 1, n_neighbors=5).radii[10] == 2.0


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_distance_is_what_least_squares_leave(dimension):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    queries = 3 * rng.normal(size=(7, 4))
    planes = local_planes(X, dimension, n_neighbors=10, queries=queries)
    # another basis of the same plane, neither orthogonal nor of length one
    slanted = planes.bases @ rng.normal(size=(dimension, dimension))
    expected = []
    for basis, rest in zip(slanted, queries - planes.centres, strict=True):
        expected.append(np.linalg.norm(rest - basis @ np.linalg.lstsq(basis, rest, rcond=None)[0]))
    np.testing.assert_allclose(planes.distance(queries), expected, atol=1e-12)


def test_distance_along_the_normal():
    """Rows moved off a flat sheet by a known length, wherever they are moved along it."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    sheet, axes, normal = turn[:, :2], turn[:, 2:4], turn[:, 4]
    X = rng.normal(size=(200, 2)) @ sheet.T
    height = rng.uniform(0, 3, size=50)
    along = rng.normal(size=(50, 2))
    queries = X[:50] + along @ sheet.T + height[:, None] * normal
    planes = local_planes(X, 2, n_neighbors=8, queries=queries)
    np.testing.assert_allclose(planes.distance(queries), height, atol=1e-10)
    both = queries + 4 * axes[:, 0]
    np.testing.assert_allclose(planes.distance(both), np.hypot(height, 4), atol=1e-10)


def test_parts_of_the_queries_are_as_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    X, queries = rng.normal(size=(100, 3)), rng.normal(size=(23, 3))
    whole = local_planes(X, 2, n_neighbors=9, queries=queries)
    monkeypatch.setattr("skdiffusion.geometry.planes.CHUNK", 9 * 3 * 5)
    for part, expected in zip(
        local_planes(X, 2, n_neighbors=9, queries=queries), whole, strict=True
    ):
        np.testing.assert_array_equal(part, expected)


def test_bases_are_those_of_principal_components():
    X = np.random.default_rng(0).normal(size=(40, 3))
    bases = local_planes(X, 2, n_neighbors=40, queries=X[:1]).bases
    np.testing.assert_allclose(np.abs(PCA(2).fit(X).components_ @ bases[0]), np.eye(2), atol=1e-12)
