"""Local spectra, against covariances of each neighbourhood by itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.geometry import intrinsic_dimension
from skdiffusion.geometry.local_spectra import _tail_share, local_spectra


def rows(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * np.linspace(3, 0.1, d)


class TestVariances:
    @pytest.mark.parametrize("d", [3, 10, 11, 19, 20, 21, 60])
    def test_are_the_eigenvalues_of_the_covariances(self, d):
        X, at = rows(80, d), np.array([0, 7, 41])
        spectra = local_spectra(X, at, 40)
        assert spectra.sizes == [10, 20, 40]
        assert spectra.n_columns == d
        for i, row in enumerate(at):
            near = np.argsort(np.linalg.norm(X - X[row], axis=1), kind="stable")[1:]
            for k, variances in zip(spectra.sizes, spectra.variances, strict=True):
                cov = np.atleast_2d(np.cov(X[near[:k]].T))
                expected = np.linalg.eigvalsh(cov)[::-1]
                assert_allclose(variances[i], expected, atol=1e-12 * expected[0])

    def test_matrices_are_no_larger_than_the_neighbourhoods(self, monkeypatch):
        shapes, own = [], np.linalg.eigvalsh

        def recorded(matrices):
            shapes.append(matrices.shape[-1])
            return own(matrices)

        monkeypatch.setattr(np.linalg, "eigvalsh", recorded)
        local_spectra(rows(60, 300), np.arange(5), 20)
        assert shapes == [10, 20]

    def test_none_is_negative_and_they_descend(self):
        (variances,) = local_spectra(rows(40, 100), np.arange(40), 12).variances
        assert variances.shape == (40, 100)
        assert (variances >= 0).all()
        assert (np.diff(variances, axis=1) <= 0).all()
        assert_array_equal(variances[:, 12:], 0)

    def test_rows_in_parts(self, monkeypatch):
        X, at = rows(60, 30), np.arange(60)
        whole = local_spectra(X, at, 20)
        monkeypatch.setattr("skdiffusion.geometry.local_spectra._CHUNK", 2000)
        parts = local_spectra(X, at, 20)
        assert_allclose(parts.distances, whole.distances)
        for own, other in zip(parts.variances, whole.variances, strict=True):
            assert_allclose(own, other, atol=1e-12)


@pytest.mark.parametrize(("d", "freedom"), [(8, 20), (20, 20), (20, 19), (20, 8), (60, 12)])
def test_smallest_variances_of_white_noise(d, freedom):
    white = np.random.RandomState(0).normal(size=(40, freedom, d))
    values = np.linalg.eigvalsh(np.einsum("nki,nkj->nij", white, white) / freedom)
    for tail in (1, d // 2, d):
        assert_allclose(_tail_share(d, freedom, tail), values[:, :tail].mean(), atol=1e-12)


def test_dimension_of_a_surface_in_many_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    turn = np.linalg.qr(rng.normal(size=(200, 3)))[0].T
    assert intrinsic_dimension(X @ turn + 0.003 * rng.normal(size=(300, 200))) == 2
