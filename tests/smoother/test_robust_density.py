"""One gross cell is no unit for the others: densities, draws, and the cell itself."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

from skdiffusion import OperatorScoreMatching, RiemannianKernelSmoother

CODES = [999.0, 1e5, 1e9, -1e6]


def ridge(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return np.column_stack([x, x + 0.3 * rng.normal(size=n)])


def spreads(rows):
    return np.subtract(*np.quantile(rows, [0.75, 0.25], axis=0))


@pytest.fixture(scope="module")
def clean():
    return RiemannianKernelSmoother(random_state=0).fit(ridge(300, 0))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("place", ["cell", "other column", "row"])
def test_others_are_as_without_it(clean, code, place):
    X, fresh = ridge(300, 0), ridge(500, 1)
    if place == "row":
        X = np.vstack([X, [code, 0.0]])
    else:
        X[7, int(place == "other column")] = code
    smoother = RiemannianKernelSmoother(random_state=0).fit(X)
    assert smoother.score(fresh) == pytest.approx(clean.score(fresh), abs=0.05)
    drawn, own = (m.sample(3000, random_state=0) for m in (smoother, clean))
    np.testing.assert_allclose(spreads(drawn), spreads(own), rtol=0.05)
    rank = pd.DataFrame(drawn).corr("spearman").iloc[0, 1]
    assert rank == pytest.approx(pd.DataFrame(own).corr("spearman").iloc[0, 1], abs=0.02)
    far = X[np.abs(X).max(1) > 100]
    assert smoother.score_samples(far) < smoother.score_samples(fresh).min() - 50


def test_rows_are_bit_for_bit_those_without_gross_cells():
    """A table without gross cells is fitted as ever: its scale is its standard deviation."""
    X = load_wine().data[:, :3]
    codecs = RiemannianKernelSmoother(random_state=0).fit(X).model_.encoder.codecs_
    np.testing.assert_allclose([codec.scale for codec in codecs], X.std(0), rtol=1e-12)


@pytest.mark.parametrize("options", [{"metric": "euclidean"}, {"standardize": False}])
def test_other_kernels(options):
    X, fresh = ridge(300, 0), ridge(300, 1)
    before = RiemannianKernelSmoother(random_state=0, **options).fit(X).score(fresh)
    X[7, 1] = 1e9
    after = RiemannianKernelSmoother(random_state=0, **options).fit(X).score(fresh)
    assert after == pytest.approx(before, abs=0.05)


def test_in_a_target():
    X, y = ridge(300, 0), np.random.default_rng(2).normal(size=300)
    y[7] = 1e6
    smoother = RiemannianKernelSmoother(random_state=0).fit(X, y)
    assert np.abs(smoother.sample_y(X[:20], 10, random_state=0)).max() < 10


def test_gaps_beside_it():
    X, fresh = ridge(300, 0), ridge(300, 1)
    X[::10, 0] = np.nan
    before = RiemannianKernelSmoother(random_state=0).fit(X).score(fresh)
    X[7, 1] = 99999.0
    after = RiemannianKernelSmoother(random_state=0).fit(X).score(fresh)
    assert after == pytest.approx(before, abs=0.05)


def test_a_class_of_its_own_stays():
    """The level of a row with a gross cell can be asked for still."""
    X = pd.DataFrame(ridge(300, 0), columns=["a", "b"]).assign(c="u")
    X.loc[7, ["a", "c"]] = [1e6, "v"]
    smoother = RiemannianKernelSmoother(random_state=0).fit(X)
    drawn = smoother.sample(5, conditions={"c": "v"}, random_state=0)
    assert (drawn["c"] == "v").all()
    assert drawn["a"].abs().max() < 10


@pytest.mark.parametrize("code", CODES)
def test_operator_estimator(code):
    X, fresh = ridge(300, 0), ridge(300, 1)
    before = OperatorScoreMatching(random_state=0).fit(X).score(fresh)
    X[7, 0] = code
    model = OperatorScoreMatching(random_state=0).fit(X)
    assert model.score(fresh) == pytest.approx(before, abs=0.1)
    assert model.score_samples(X[7:8]) < model.score_samples(fresh).min()


@pytest.mark.parametrize("model", [RiemannianKernelSmoother, OperatorScoreMatching])
@pytest.mark.parametrize("unit", [1e-149, 1e149])
def test_no_infinities_of_numbers_that_are_accepted(model, unit):
    X = ridge(40, 0) * [unit, 1.0]
    fitted = model(random_state=0).fit(X)
    for far in (1e149, -1e149, 1e-149, 1e-323):
        rows = np.array([[far, 0.0]])
        for values in (
            fitted.score_samples(rows),
            fitted.score_field(rows, 0.1),
            fitted.transform(rows),
        ):
            assert np.isfinite(values).all()
    with pytest.raises(ValueError, match="column 0"):
        fitted.score_samples([[1e300, 0.0]])
    with pytest.raises(ValueError, match="Column 0"):
        model().fit(ridge(40, 0) * [1e-323, 1.0])
