import numpy as np
import pytest

from skdiffusion.metrics import GowerScaler, fidelity_report, wasserstein


def draw(n, seed):
    """Rows of two related numerics and a category."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 3, n)
    x = rng.normal(code, 0.5)
    return np.column_stack([1000 * x, x + rng.normal(scale=0.1, size=n), code])


@pytest.fixture(scope="module")
def tables():
    return draw(400, 0), draw(200, 1)


@pytest.fixture(scope="module")
def reports(tables):
    train, test = tables
    rng = np.random.default_rng(0)
    fakes = {
        "fresh": draw(400, 2),
        "copy": train,
        "shuffled": np.column_stack([rng.permutation(column) for column in train.T]),
    }
    return {
        name: fidelity_report(train, test, fake, categorical=[2], random_state=0)
        for name, fake in fakes.items()
    }


class TestFidelityReport:
    def test_a_perfect_generator(self, reports):
        fresh = reports["fresh"]
        assert fresh["c2st_boosting"] == pytest.approx(0.5, abs=0.12)
        assert fresh["dcr_ratio"] == pytest.approx(1, abs=0.3)
        assert fresh["coverage"] > 0.95
        assert fresh["exact_copies"] == 0

    def test_copies_are_close_and_exposed(self, reports):
        copy = reports["copy"]
        assert copy["w1_train"] == copy["dcr_ratio"] == 0
        assert copy["exact_copies"] == 1
        assert copy["w1_test"] < 1.3 * reports["fresh"]["w1_test"]

    def test_independent_columns_are_found_out(self, reports):
        shuffled, fresh = reports["shuffled"], reports["fresh"]
        assert shuffled["c2st_boosting"] > 0.8
        assert shuffled["trend_error"] > 3 * fresh["trend_error"]
        assert shuffled["w1_test"] > 2 * fresh["w1_test"]
        assert shuffled["shape_error"] < fresh["shape_error"]

    def test_units_do_not_matter(self, tables):
        train, test = tables
        fake = draw(400, 2)
        units = np.array([0.001, 7.0, 1.0])
        before = fidelity_report(train, test, fake, categorical=[2], random_state=0)
        after = fidelity_report(
            train * units, test * units, fake * units, categorical=[2], random_state=0
        )
        for name in ("w1_test", "coverage", "shape_error", "dcr_ratio"):
            assert after[name] == pytest.approx(before[name], rel=1e-4), name

    def test_distances_are_taken_in_gower_coordinates(self, tables):
        train, test = tables
        fake = draw(400, 2)
        scale = GowerScaler([2]).fit(train).transform
        report = fidelity_report(train, test, fake, categorical=[2], random_state=0)
        assert report["w1_test"] == pytest.approx(wasserstein(scale(test), scale(fake)))

    def test_reproducible(self, tables, reports):
        train, test = tables
        again = fidelity_report(train, test, draw(400, 2), categorical=[2], random_state=0)
        assert again == reports["fresh"]


def test_does_not_see_single_precision():
    # A range that is small beside the values: scaling before rounding would leave the difference.
    train, test, fake = 1000 + np.random.default_rng(0).normal(scale=0.3, size=(3, 300, 2)).round(1)
    rounded = fake.astype(np.float32)
    report, expected = (fidelity_report(train, test, t, random_state=0) for t in (rounded, fake))
    assert report == pytest.approx(expected, nan_ok=True)
    assert report["exact_copies"] > 0.5
