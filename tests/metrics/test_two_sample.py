import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance
from sklearn.linear_model import LogisticRegression

from skdiffusion.metrics import c2st, wasserstein

pytest.importorskip("ot")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


class TestWasserstein:
    @pytest.mark.parametrize("n_fake", [40, 25])
    def test_of_a_shifted_cloud_is_the_shift(self, rng, n_fake):
        # Two clouds of unequal size that are the same measure: every point twice.
        A = rng.normal(size=(n_fake, 3))
        shift = np.array([0.5, -2.0, 0.25])
        B = np.repeat(A, 2, axis=0) if n_fake == 25 else A
        assert wasserstein(A, B + shift) == pytest.approx(2.75)

    @pytest.mark.parametrize("sizes", [(50, 50), (50, 31)])
    def test_one_dimension_against_scipy(self, rng, sizes):
        a, b = rng.normal(size=sizes[0]), rng.exponential(size=sizes[1])
        expected = wasserstein_distance(a, b)
        assert wasserstein(a[:, None], b[:, None]) == pytest.approx(expected)

    def test_of_clouds_of_one_size_is_an_assignment(self, rng):
        A, B = rng.normal(size=(60, 4)), rng.exponential(size=(60, 4))
        cost = cdist(A, B, "cityblock")
        expected = cost[linear_sum_assignment(cost)].mean()
        assert wasserstein(A, B) == pytest.approx(expected)

    def test_without_pot_the_error_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "ot", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[metrics\]"):
            wasserstein(np.zeros((2, 1)), np.zeros((3, 1)))

    def test_symmetric_and_zero_only_for_equal_clouds(self, rng):
        A, B = rng.normal(size=(20, 2)), rng.normal(size=(33, 2))
        assert wasserstein(A, B) == pytest.approx(wasserstein(B, A))
        assert wasserstein(A, A[::-1]) == pytest.approx(0, abs=1e-12)
        assert wasserstein(A, B) > 0

    def test_max_rows_is_reproducible_and_unbiased_enough(self, rng):
        A = rng.normal(size=(300, 1))
        drawn = [wasserstein(A, A + 5, max_rows=100, random_state=s) for s in (0, 0, 1)]
        assert drawn[0] == drawn[1] != drawn[2]
        np.testing.assert_allclose(drawn, 5, atol=0.5)

    def test_rejects_tables_of_different_width(self, rng):
        with pytest.raises(ValueError, match="same columns"):
            wasserstein(np.zeros((3, 2)), np.zeros((3, 1)))


class TestC2st:
    @pytest.mark.parametrize("classifier", [None, LogisticRegression()])
    def test_same_law_cannot_be_told_apart(self, rng, classifier):
        real, fake = rng.normal(size=(400, 2)), rng.normal(size=(600, 2))
        assert c2st(real, fake, classifier=classifier, random_state=0) == pytest.approx(
            0.5, abs=0.06
        )

    @pytest.mark.parametrize("classifier", [None, LogisticRegression()])
    def test_disjoint_laws_are_told_apart(self, rng, classifier):
        real, fake = rng.normal(size=(90, 2)), rng.normal(20, size=(150, 2))
        assert c2st(real, fake, classifier=classifier, random_state=0) == 1

    def test_known_auc_of_shifted_normals(self, rng):
        # The best AUC between N(0, 1) and N(d, 1) is Phi(d / sqrt 2): 0.760 for d = 1.
        real, fake = rng.normal(size=(2000, 1)), rng.normal(1, size=(2000, 1))
        auc = c2st(real, fake, classifier=LogisticRegression(), random_state=0)
        assert auc == pytest.approx(0.760, abs=0.02)

    def test_only_boosting_sees_a_wrong_spread(self, rng):
        real, fake = rng.normal(size=(500, 1)), rng.normal(scale=4, size=(500, 1))
        assert c2st(real, fake, random_state=0) > 0.75
        assert c2st(real, fake, classifier=LogisticRegression(), random_state=0) < 0.6

    def test_does_not_see_single_precision(self, rng):
        real, fake = rng.normal(scale=0.3, size=(2, 600, 3)).round(1)
        auc = c2st(real, fake.astype(np.float32), random_state=0)
        assert auc == c2st(real, fake, random_state=0) < 0.6

    def test_reproducible(self, rng):
        real, fake = rng.normal(size=(60, 2)), rng.normal(0.5, size=(90, 2))
        values = [c2st(real, fake, random_state=s) for s in (0, 0, 1)]
        assert values[0] == values[1] != values[2]
