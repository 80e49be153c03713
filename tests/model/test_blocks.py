"""Many rows are worked on in blocks, which change nothing but the memory it takes."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context

from skdiffusion import DenoiserNet, DiffusionImputer, DiffusionManifoldSampler
from skdiffusion._utils import chunks
from skdiffusion.model import drawing, table_model

N = 120


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=N), "b": rng.exponential(size=N)})
    X["c"] = np.where(X.a + rng.normal(size=N) > 0, "up", "down")
    X["d"] = X.a + rng.normal(size=N)
    return X, np.arange(N) % 3


def sampler(**options):
    net = DenoiserNet(max_epochs=1, steps_per_epoch=5, module__width=16, module__depth=1)
    return DiffusionManifoldSampler(
        denoiser=net, manifold=None, n_likelihood_steps=3, random_state=0, **options
    )


@pytest.fixture(scope="module")
def fitted(table):
    return sampler().fit(*table)


@pytest.fixture
def gaps(table):
    X = table[0].copy()
    X.loc[::2, "a"] = np.nan
    X.loc[::3, "c"] = None
    return X


@pytest.fixture
def small(monkeypatch):
    """Blocks and chunks of few rows."""
    monkeypatch.setattr(drawing, "BLOCK_ROWS", 50)
    monkeypatch.setattr(table_model, "BLOCK_ROWS", 50)
    monkeypatch.setattr(drawing, "CHUNK_ROWS", 20)
    monkeypatch.setattr(table_model, "CHUNK_ROWS", 20)


def little_memory():
    """Return a context in which blocks have about twenty rows."""
    return config_context(working_memory=0.04)


def test_blocks_follow_the_working_memory():
    assert chunks.row_blocks(1000, 10) == [slice(0, 1000, None)]
    with little_memory():
        sizes = [rows.stop - rows.start for rows in chunks.row_blocks(1000, 10)]
    assert sum(sizes) == 1000 and max(sizes) < 30


@pytest.mark.parametrize("method", ["score_samples", "transform"])
def test_scores_do_not_depend_on_the_memory(fitted, gaps, method):
    expected = getattr(fitted, method)(gaps)
    with little_memory():
        assert_allclose(getattr(fitted, method)(gaps), expected, rtol=1e-9)


def test_scores_need_memory_for_a_block_alone(fitted, table, monkeypatch):
    sizes = []
    encode = type(fitted.model_.encoder).encode_columns

    def record(encoder, columns):
        sizes.append(len(columns[0].values))
        return encode(encoder, columns)

    monkeypatch.setattr(type(fitted.model_.encoder), "encode_columns", record)
    with little_memory():
        fitted.score_samples(table[0])
    assert sum(sizes) == N and max(sizes) < 50


@pytest.mark.parametrize("strategy", ["mean", "draw"])
def test_imputations_do_not_depend_on_the_memory(gaps, strategy):
    imputer = DiffusionImputer(sampler=sampler(dcr_ratio=None), strategy=strategy, n_draws=3)
    imputer.set_params(random_state=0).fit(gaps)
    expected = imputer.transform(gaps)
    assert not expected.isna().any(axis=None)
    with little_memory():
        pd.testing.assert_frame_equal(imputer.transform(gaps), expected)


def test_means_do_not_depend_on_the_memory(fitted, gaps):
    expected = fitted.impute(gaps, return_y=True, n_draws=3)
    with little_memory():
        found = fitted.impute(gaps, return_y=True, n_draws=3)
    pd.testing.assert_frame_equal(found[0], expected[0])
    assert_array_equal(found[1], expected[1])


def test_draws_of_several_blocks(fitted, table, small):
    y = np.arange(N) % 3
    rows, drawn = fitted.sample(y=y, return_y=True, random_state=0)
    assert_array_equal(drawn, y)
    assert len(rows.drop_duplicates()) == N
    given = pd.DataFrame({"c": np.where(np.arange(N) % 2, "up", "down")})
    assert_array_equal(fitted.sample(conditions=given, random_state=0)["c"], given["c"])
    inside = fitted.sample(N, conditions={"a": (0.0, None)}, random_state=0)
    assert inside["a"].min() >= 0
    pd.testing.assert_frame_equal(
        fitted.sample(N, random_state=0), fitted.sample(N, random_state=0)
    )


def test_the_first_block_is_as_it_was(fitted, monkeypatch):
    expected = fitted.sample(50, random_state=0)
    monkeypatch.setattr(drawing, "BLOCK_ROWS", 50)
    pd.testing.assert_frame_equal(fitted.sample(50, random_state=0), expected)


def test_targets_of_several_blocks(fitted, table, small):
    Y = fitted.sample_y(table[0], 7, random_state=0)
    assert Y.shape == (N, 7)
    assert set(np.unique(Y)) <= {0, 1, 2}
    assert len(np.unique(Y, axis=0)) > N / 2


def test_bars_of_many_rows(fitted, table, small, capsys):
    silent = fitted.score_samples(table[0])
    assert capsys.readouterr().err == ""
    fitted.set_params(verbose=1)
    try:
        assert_array_equal(fitted.score_samples(table[0]), silent)
        assert "/6" in capsys.readouterr().err
        fitted.sample(N, random_state=0)
        assert "/3" in capsys.readouterr().err
        fitted.score_samples(table[0][:20])
        assert capsys.readouterr().err == ""
    finally:
        fitted.set_params(verbose=0)
