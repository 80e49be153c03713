import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp

from skdiffusion.metrics import coverage_density, shape_error, trend_error


@pytest.fixture
def rng():
    return np.random.default_rng(0)


class TestCoverageDensity:
    def test_against_the_definition(self, rng):
        real, fake, k = rng.normal(size=(40, 2)), rng.normal(0.5, size=(60, 2)), 3
        radii = np.sort(cdist(real, real, "cityblock"), axis=1)[:, k]
        inside = cdist(real, fake, "cityblock") <= radii[:, None]
        coverage, density = coverage_density(real, fake, k=k)
        assert coverage == pytest.approx(inside.any(axis=1).mean())
        assert density == pytest.approx(inside.sum() / (k * len(fake)))

    def test_expectation_for_a_perfect_generator(self):
        n_real, n_fake, k = 200, 100, 2
        i = np.arange(1, k + 1)
        expected = 1 - np.prod((n_real - i) / (n_real + n_fake - i))
        values = []
        for seed in range(30):
            draws = np.random.default_rng(seed).normal(size=(n_real + n_fake, 2))
            values.append(coverage_density(draws[:n_real], draws[n_real:], k=k))
        coverage, density = np.mean(values, axis=0)
        assert coverage == pytest.approx(expected, abs=0.015)
        assert density == pytest.approx(1, abs=0.05)

    def test_a_dropped_mode_and_a_faraway_cloud(self, rng):
        modes = [rng.normal(size=(50, 2)), rng.normal(100, size=(50, 2))]
        coverage, _ = coverage_density(np.vstack(modes), rng.normal(size=(500, 2)))
        assert 0.4 < coverage <= 0.5
        assert coverage_density(np.vstack(modes), rng.normal(-500, size=(50, 2))) == (0, 0)

    def test_copies_of_repeated_rows_cover_them(self):
        real = np.repeat([[0.0], [1.0]], 10, axis=0)
        assert coverage_density(real, real[:10]) == (0.5, 2.0)

    @pytest.mark.parametrize("k", [0, 4])
    def test_rejects_k(self, k):
        with pytest.raises(ValueError, match="less than the 4 real rows"):
            coverage_density(np.zeros((4, 1)), np.zeros((4, 1)), k=k)


class TestShapeError:
    def test_numeric_is_kolmogorov_smirnov(self, rng):
        real, fake = rng.normal(size=(50, 2)), rng.exponential(size=(80, 2))
        expected = [ks_2samp(real[:, j], fake[:, j]).statistic for j in range(2)]
        assert shape_error(real, fake) == pytest.approx(100 * np.mean(expected))

    def test_categorical_is_total_variation(self):
        real = np.array([0, 0, 0, 1, 1, 2.0])[:, None]
        fake = np.array([0, 1, 1, 3.0])[:, None]
        shares = abs(np.array([3 / 6 - 1 / 4, 2 / 6 - 2 / 4, 1 / 6, -1 / 4])).sum() / 2
        assert shape_error(real, fake, categorical=[0]) == pytest.approx(100 * shares)

    def test_bounds(self, rng):
        real = rng.normal(size=(30, 2))
        assert shape_error(real, real[::-1]) == 0
        assert shape_error(real, real + 100) == pytest.approx(100)

    def test_a_category_has_no_order(self, rng):
        codes = rng.integers(0, 3, size=(60, 1)).astype(float)
        fake = codes[:40]
        relabelled = np.array([5.0, 1.0, 9.0])
        names = [relabelled[c.astype(int)] for c in (codes, fake)]
        assert shape_error(*names, categorical=[0]) == pytest.approx(
            shape_error(codes, fake, categorical=[0])
        )


class TestTrendError:
    def test_numeric_pair_is_half_the_gap_of_correlations(self, rng):
        real = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=200)
        fake = rng.normal(size=(100, 2))
        gap = abs(np.corrcoef(real.T)[0, 1] - np.corrcoef(fake.T)[0, 1])
        assert trend_error(real, fake) == pytest.approx(50 * gap)

    def test_categorical_pair_sees_what_shapes_do_not(self):
        a = np.array([0.0, 0, 1, 1])
        real, fake = np.column_stack([a, a]), np.column_stack([a, 1 - a])
        assert shape_error(real, fake, categorical=[0, 1]) == 0
        assert trend_error(real, fake, categorical=[0, 1]) == pytest.approx(100)

    def test_mixed_pair_by_hand(self):
        # Ten bins of width 1 between 0 and 10; what lies outside belongs to the outer ones.
        real = np.column_stack([[0.0, 1.5, 2.5, 10.0], [0, 0, 1, 1]])
        fake = np.column_stack([[-9.0, 1.2, 1.7, 99.0], [0, 0, 1, 1]])
        # Only the third row moved: from (bin 2, code 1) to (bin 1, code 1).
        assert trend_error(real, fake, categorical=[1]) == pytest.approx(25)

    def test_mean_over_pairs(self, rng):
        real, fake = rng.normal(size=(2, 80, 3))
        pairs = [trend_error(real[:, p], fake[:, p]) for p in ([0, 1], [0, 2], [1, 2])]
        assert trend_error(real, fake) == pytest.approx(np.mean(pairs))

    def test_constant_columns(self, rng):
        real, fake = rng.normal(size=(2, 50, 3))
        real[:, 2] = 1
        assert trend_error(real, fake) == pytest.approx(trend_error(real[:, :2], fake[:, :2]))
        x = np.arange(10.0)
        flat = np.column_stack([x, np.ones(10)])
        assert trend_error(np.column_stack([x, x]), flat) == pytest.approx(50)
        assert trend_error(flat, np.column_stack([x, x])) == 0

    def test_no_pair_no_error(self):
        assert trend_error(np.zeros((3, 1)), np.ones((3, 1))) == 0
