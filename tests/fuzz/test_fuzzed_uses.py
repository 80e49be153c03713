"""What is done with models, on tables of any kind: detection, imputation and oversampling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdiffusion import (
    DiffusionAnomalyDetector,
    DiffusionImputer,
    DiffusionOversampler,
)
from tests.fuzz.fuzzed_tables import SEEDS, build, cases, tables
from tests.fuzz.oracles import (
    assert_same_cells,
    assert_same_format,
    attempt,
    cells_of,
    has_gaps,
    take,
)
from tests.fuzz.test_fuzzed_models import empty_columns, tiny_sampler

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")


@cases(20)
@given(
    table=tables(),
    contamination=st.sampled_from(["auto", "auto", 0, 0.1]),
    seed=SEEDS,
)
def test_detector_of_any_table(table, contamination, seed):
    X = build(table)
    detector = DiffusionAnomalyDetector(contamination=contamination, random_state=0)
    if attempt(lambda: detector.fit(X)) is None:
        return
    scores = detector.score_samples(X)
    assert np.isfinite(scores).all()
    assert np.isfinite(detector.training_scores_).all()
    some = np.random.default_rng(seed).choice(table.n, min(3, table.n), replace=False)
    alone = [detector.score_samples(take(X, [int(i)]))[0] for i in some]
    # where columns add up, a Gaussian of the rows is all but singular
    np.testing.assert_allclose(alone, scores[some], rtol=1e-9, atol=1e-7)
    assert np.all(np.isin(detector.predict(X), [-1, 1]))
    p = detector.predict_pvalue(X)
    assert np.all((p > 0) & (p <= 1))
    assert np.isfinite(detector.transform(X)).all()
    explained = detector.explain(X)
    for part in (explained.contributions, explained.marginal):
        assert np.isfinite(np.array(cells_of(part), dtype=float)).all()
    empty = empty_columns(X)
    assert not has_gaps(explained.expected, but=empty).any()
    assert_same_format(X, explained.expected)
    repaired = detector.repair(X)
    assert_same_format(X, repaired)
    assert np.all(detector.predict(repaired) == 1)
    drawn = detector.sample(4, random_state=seed)
    assert_same_format(X, drawn)
    again = DiffusionAnomalyDetector(contamination=contamination, random_state=0).fit(X)
    np.testing.assert_array_equal(again.score_samples(X), scores)


@cases(15)
@given(table=tables(least=2), strategy=st.sampled_from(["mean", "draw"]), seed=SEEDS)
def test_imputer_of_any_table(table, strategy, seed):
    X = build(table)
    imputer = DiffusionImputer(
        sampler=tiny_sampler(), n_models=1, n_draws=2, strategy=strategy, random_state=0
    )
    if attempt(lambda: imputer.fit(X)) is None:
        return
    for filled in (imputer.transform(X), *imputer.sample_imputations(X, 1, random_state=seed)):
        assert not has_gaps(filled, but=empty_columns(X)).any()
        # a cell that was there is as it was, and one that was not has any
        assert_same_cells(X, filled, filled=range(20))
        for j, (before, after) in enumerate(zip(cells_of(X), cells_of(filled), strict=True)):
            known = [(a, b) for a, b in zip(before, after, strict=True) if a is not None]
            assert all(a == b for a, b in known), f"column {j}"


def upper_third(y):
    return (y > np.quantile(y, 2 / 3)).astype(float)


@cases(10)
@given(
    table=tables(least=4),
    numeric=st.booleans(),
    sigma=st.sampled_from([0.3, 0.3, None]),
    seed=SEEDS,
)
def test_oversampler_of_any_table(table, numeric, sigma, seed):
    X = build(table)
    rng = np.random.default_rng(seed)
    y = rng.lognormal(0, 2, table.n) if numeric else np.where(rng.random(table.n) < 0.2, "b", "a")
    oversampler = DiffusionOversampler(
        sampler=tiny_sampler(), sigma=sigma, relevance=upper_third, random_state=0
    )
    result = attempt(lambda: oversampler.fit_resample(X, y))
    if result is None:
        return
    rows, targets = result
    assert len(rows) == len(targets) == table.n + oversampler.n_synthetic_
    assert_same_cells(X, take(rows, range(table.n)))
    new = take(rows, range(table.n, len(rows)))
    for seen, drawn in zip(cells_of(X), cells_of(new), strict=True):
        numbers = [cell for cell in drawn if isinstance(cell, float)]
        assert np.isfinite(numbers).all()
        assert None in seen or None not in drawn
