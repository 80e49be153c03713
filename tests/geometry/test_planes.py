"""Local planes: exact on flat data, tangent on curved data, floors as large as the noise."""

import numpy as np
import pytest

from skdiffusion.geometry.planes import local_planes


def test_flat_rows_lie_in_their_planes():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(5, 2)))[0]
    X = rng.normal(size=(100, 2)) @ basis.T + 3.0
    planes = local_planes(X, 2, n_neighbors=8)
    rest = X - planes.centres
    rest -= np.einsum("ndk,nek,ne->nd", planes.bases, planes.bases, rest)
    np.testing.assert_allclose(rest, 0, atol=1e-12)
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


@pytest.mark.parametrize(("dimension", "n_neighbors"), [(2, 2), (1, 11), (0, 5), (3, 5)])
def test_bad_sizes(dimension, n_neighbors):
    with pytest.raises(ValueError, match=r"dimension|n_neighbors"):
        local_planes(
            np.random.default_rng(0).normal(size=(10, 2)), dimension, n_neighbors=n_neighbors
        )
