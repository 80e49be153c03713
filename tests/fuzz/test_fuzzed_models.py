"""Models of distributions on tables of any kind: sampler, smoother and operator estimator."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdiffusion import (
    DenoiserNet,
    DiffusionManifoldSampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)
from tests.fuzz.fuzzed_tables import SEEDS, build, cases, tables
from tests.fuzz.oracles import (
    assert_like,
    assert_same_cells,
    attempt,
    cells_of,
    has_gaps,
    take,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

TARGETS = st.sampled_from(["none", "none", "classes", "numbers"])


def tiny_sampler(**options):
    net = DenoiserNet(max_epochs=1, steps_per_epoch=2, module__width=8, module__depth=1)
    short = {"denoiser": net, "n_steps": 5, "n_likelihood_steps": 3, "random_state": 0}
    return DiffusionManifoldSampler(**short | options)


def target(kind, n, seed):
    rng = np.random.default_rng(seed)
    if kind == "none":
        return None
    return rng.choice(["no", "yes"], n) if kind == "classes" else rng.normal(size=n)


def given_cells(X, encoder, rng):
    """Conditions on one or two columns, with the cells of a row."""
    row = int(rng.integers(len(X)))
    wanted, expected = {}, {}
    for j in rng.permutation(encoder.n_features_in_)[:2].tolist():
        # identities are not to come back
        if encoder.kinds_[j] != "identifier" and cells_of(take(X, [row]))[j][0] is not None:
            try:
                if isinstance(X, pd.DataFrame):
                    key, cell = X.columns[j], X.iloc[row, j]
                else:
                    key, cell = (X.columns[j] if isinstance(X, pl.DataFrame) else j), X[row, j]
            except OverflowError:
                continue  # a time of polars that Python has none for
            if isinstance(X, pl.DataFrame) and "ns" in str(X.dtypes[j]):
                continue  # of which polars drops the nanoseconds
            wanted[key], expected[j] = cell, cells_of(take(X, [row]))[j][0]
    return wanted, expected


def check_model(model, X, seed, clipped=True):
    """What holds of every fitted model of a table."""
    rng = np.random.default_rng(seed)
    encoder = model.model_.encoder
    gaps_allowed = encoder.missing_indicator
    rows = model.sample(5, random_state=seed)
    assert_like(rows, X, encoder, gaps_allowed, clipped)
    assert_same_cells(rows, model.sample(5, random_state=seed))
    scores = model.score_samples(X)
    assert np.isfinite(scores).all()
    some = rng.choice(len(X), min(3, len(X)), replace=False)
    alone = [model.score_samples(take(X, [int(i)]))[0] for i in some]
    np.testing.assert_allclose(alone, scores[some], rtol=1e-9, atol=1e-9)
    latents = model.transform(X)
    assert np.isfinite(latents[~has_gaps(X)]).all()
    wanted, expected = given_cells(X, encoder, rng)
    drawn = model.sample(3, conditions=wanted, random_state=seed)
    assert_like(drawn, X, encoder, gaps_allowed, clipped)
    for j, cell in expected.items():
        assert cells_of(drawn)[j] == [cell] * 3, f"column {j}: {cells_of(drawn)[j]} for {cell}"
    row = take(X, [int(rng.integers(len(X)))])
    again = model.sample(conditions=row, random_state=seed)
    for j, (one, other) in enumerate(zip(cells_of(row), cells_of(again), strict=True)):
        assert one[0] is None or one == other, f"column {j}: {other} for {one}"


@cases(20)
@given(table=tables(), kind=TARGETS, indicator=st.booleans(), seed=SEEDS)
def test_sampler_of_any_table(table, kind, indicator, seed):
    X = build(table)
    encoder = TableEncoder(missing_indicator=True) if indicator else None
    sampler = tiny_sampler(encoder=encoder)
    if attempt(lambda: sampler.fit(X, target(kind, table.n, seed))) is None:
        return
    check_model(sampler, X, seed)
    if kind != "none":
        Y = sampler.sample_y(take(X, [0]), 3, random_state=seed)
        assert Y.shape == (1, 3)
        assert kind == "classes" or np.isfinite(Y).all()


@cases(20)
@given(table=tables(least=2), kind=TARGETS, seed=SEEDS)
def test_smoother_of_any_table(table, kind, seed):
    X = build(table)
    smoother = RiemannianKernelSmoother(n_steps=5, random_state=0)
    if attempt(lambda: smoother.fit(X, target(kind, table.n, seed))) is None:
        return
    check_model(smoother, X, seed, clipped=False)
    filled = smoother.impute(X)
    assert not has_gaps(filled, but=empty_columns(X)).any()


def empty_columns(X):
    return [j for j, column in enumerate(cells_of(X)) if all(cell is None for cell in column)]


@cases(10)
@given(table=tables(gaps=False, only_numbers=True, least=2), seed=SEEDS)
def test_operator_of_any_numbers(table, seed):
    X = build(table)
    operator = OperatorScoreMatching(n_steps=5, n_likelihood_steps=3, random_state=0)
    if attempt(lambda: operator.fit(X)) is None:
        return
    rows = operator.sample(5, random_state=seed)
    assert_like(rows, X, operator.model_.encoder)
    assert_same_cells(rows, operator.sample(5, random_state=seed))
    scores = operator.score_samples(X)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(operator.score_samples(take(X, [0]))[0], scores[0], rtol=1e-9)
    for t in (0.1, 1.0):
        assert np.isfinite(operator.score_field(X, t)).all()
        assert np.isfinite(operator.loss(X, t)).all()
