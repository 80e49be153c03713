"""Diffusion tensors and their low-rank form."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skdiffusion.geometry import diffusion_tensors
from skdiffusion.geometry.diffusion_tensors import local_factors, low_rank_factors, tensor_local
from skdiffusion.geometry.nearest_rows import neighbor_graph

X = np.random.default_rng(0).normal(size=(40, 3)) * [1.0, 0.3, 2.0]
GRAPH = neighbor_graph(X, 6)
ALL = np.arange(len(X))


def dense(tensors):
    """The matrices that a low-rank form stands for."""
    along = np.einsum("nir,nr,njr->nij", tensors.vectors, tensors.values, tensors.vectors)
    projector = np.einsum("nir,njr->nij", tensors.vectors, tensors.vectors)
    rest = tensors.residuals[:, None, None] * (np.eye(tensors.vectors.shape[1]) - projector)
    return along + rest


class TestLocal:
    def test_against_a_loop(self):
        actual = tensor_local(X, GRAPH[1], ALL)
        for i, others in enumerate(GRAPH[1]):
            expected = np.mean([np.outer(X[j] - X[i], X[j] - X[i]) for j in others], axis=0)
            assert_allclose(actual[i], expected, atol=1e-14)

    def test_all_other_rows_make_the_covariance(self):
        """Averaged over rows, with the spread of the centres: twice the covariance."""
        tensors = tensor_local(X, neighbor_graph(X, len(X) - 1)[1], ALL)
        expected = 2 * np.cov(X.T, bias=True) * len(X) / (len(X) - 1)
        assert_allclose(tensors.mean(0), expected)

    def test_some_rows(self):
        at = np.array([3, 11])
        assert_allclose(tensor_local(X, GRAPH[1][at], at), tensor_local(X, GRAPH[1], ALL)[at])

    def test_turns_with_the_rows(self):
        turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
        turned = tensor_local(X @ turn, GRAPH[1], ALL)
        assert_allclose(turned, turn.T @ tensor_local(X, GRAPH[1], ALL) @ turn, atol=1e-13)

    def test_equal_rows(self):
        rows = np.ones((5, 2))
        assert_allclose(tensor_local(rows, neighbor_graph(rows, 3)[1], np.arange(len(rows))), 0)


class TestLowRank:
    TENSORS = tensor_local(X, GRAPH[1], ALL)

    def test_full_rank_is_exact(self):
        assert_allclose(dense(low_rank_factors(self.TENSORS, 3)), self.TENSORS, atol=1e-14)

    @pytest.mark.parametrize("rank", [1, 2])
    def test_keeps_what_is_largest_and_the_trace(self, rank):
        kept = low_rank_factors(self.TENSORS, rank)
        values = np.linalg.eigvalsh(self.TENSORS)
        assert_allclose(kept.values, values[:, 3 - rank :])
        assert_allclose(np.trace(dense(kept), axis1=1, axis2=2), values.sum(1))
        assert_allclose(np.linalg.eigvalsh(dense(kept))[:, 0], values[:, : 3 - rank].mean(1))

    @pytest.mark.parametrize("rank", [1, 2, 3])
    def test_kernel(self, rank):
        kept = low_rank_factors(self.TENSORS, rank)
        F, floors = kept.kernel(0.7, 0.1)
        kernels = F @ F.transpose(0, 2, 1) + floors[:, None, None] * np.eye(3)
        assert_allclose(kernels, 0.7 * dense(kept) + 0.01 * np.eye(3), atol=1e-14)

    def test_floor_of_full_rank_is_no_smaller_than_the_tensor_allows(self):
        tensors = np.diag([4.0, 1.0])[None]
        factors, floors = low_rank_factors(tensors, 2).kernel(1.0, 1e-9)
        assert floors[0] >= 0.5
        np.testing.assert_allclose(factors[0] @ factors[0].T + floors[0] * np.eye(2), tensors[0])

    def test_rounding_below_zero_is_cut_off(self):
        kept = low_rank_factors(np.diag([1.0, -1e-17])[None], 2)
        assert (kept.values >= 0).all()
        assert np.isfinite(kept.kernel(1.0, 0.1)[0]).all()


def test_in_chunks(monkeypatch):
    whole = local_factors(X, GRAPH[1], np.arange(40), 2)
    assert_allclose(dense(whole), dense(low_rank_factors(tensor_local(X, GRAPH[1], ALL), 2)))
    monkeypatch.setattr(diffusion_tensors, "_CHUNK_ELEMENTS", 50)
    parts = local_factors(X, GRAPH[1], np.arange(40), 2)
    assert_allclose(dense(parts), dense(whole), atol=1e-14)
