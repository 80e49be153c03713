import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skdiffusion.metrics import dcr_ratio, exact_copies


@pytest.fixture
def tables():
    """Train, test and fake rows of one distribution."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 3)), rng.normal(size=(200, 3)), rng.normal(size=(300, 3))


class TestDcrRatio:
    def test_against_the_definition(self, tables):
        train, test, fake = tables
        closest = [np.median(cdist(rows, train, "cityblock").min(axis=1)) for rows in (fake, test)]
        assert dcr_ratio(*tables) == pytest.approx(closest[0] / closest[1])

    def test_fresh_rows_copies_and_far_rows(self, tables):
        train, test, fake = tables
        assert dcr_ratio(train, test, fake) == pytest.approx(1, abs=0.15)
        assert dcr_ratio(train, test, train) == 0
        assert dcr_ratio(train, test, fake + 50) > 10

    def test_interpolation_looks_like_copying(self, tables):
        train, test, _ = tables
        order = np.argsort(cdist(train, train, "cityblock"), axis=1)[:, 1]
        assert dcr_ratio(train, test, (train + train[order]) / 2) < 0.6

    def test_means_where_most_real_rows_repeat(self):
        train = np.array([[0.0], [1.0]])
        test, fake = np.array([[0.0], [1.0], [1.5]]), np.array([[0.0], [1.25], [1.5]])
        assert dcr_ratio(train, test, fake) == pytest.approx(0.75 / 0.5)

    def test_one_where_all_rows_repeat(self):
        rows = np.repeat([[0.0], [1.0]], 5, axis=0)
        assert dcr_ratio(rows, rows, rows) == 1
        assert dcr_ratio(rows, rows, rows + 0.25) == pytest.approx(1.25)


class TestExactCopies:
    def test_counts_rows_that_are_equal_in_every_cell(self, tables):
        train, test, _ = tables
        assert exact_copies(train, np.vstack([train[:50], test[:150]])) == 0.25
        assert exact_copies(train, np.nextafter(train, np.inf)) == 0

    def test_minus_zero_is_zero(self):
        assert exact_copies(np.array([[0.0]]), np.array([[-0.0]])) == 1
