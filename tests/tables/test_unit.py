"""A number as `numeric_transform`: the unit of the columns."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist

from skdiffusion.tables.encoder import TableEncoder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) * [1.0, 5.0, 0.2] + [10.0, 0.0, -4.0]


def encode(rows, unit):
    encoder = TableEncoder(numeric_transform=unit).fit(rows)
    return encoder, encoder.transform(rows)


@pytest.mark.parametrize("unit", [2.0, 3, np.float32(0.5), np.int64(4)])
def test_subtracts_the_mean_and_divides(unit):
    encoder, Z = encode(X, unit)
    assert_allclose(Z, (X - X.mean(0)) / float(unit), atol=1e-12)
    assert encoder.transforms_ == ["standard"] * 3


def test_distances_are_kept():
    _, Z = encode(X, 2.5)
    assert_allclose(pdist(Z), pdist(X) / 2.5)


def test_round_trip():
    encoder, Z = encode(X, 2.5)
    assert_allclose(encoder.inverse_transform(Z), X, rtol=1e-12)


def test_density_of_the_unit():
    """A table in codes of the unit u has its density raised by u for each column."""
    encoder, _ = encode(X, 2.5)
    assert_allclose(encoder.log_volume(X, 1e-9), np.full(60, -3 * np.log(2.5)))


@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_any_unit(factor):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder, Z = encode(X * factor, 2.0 * factor)
        assert_allclose(encoder.inverse_transform(Z), X * factor, rtol=1e-9)
    assert_allclose(Z, encode(X, 2.0)[1], rtol=1e-9, atol=1e-12)


def test_by_column():
    _, Z = encode(X, {0: 2.0, 2: "standard"})
    assert_allclose(Z[:, 0], (X[:, 0] - X[:, 0].mean()) / 2.0, atol=1e-12)
    assert_allclose(Z[:, 2].std(), 1.0)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    assert_allclose(encode(frame, {"a": 2.0, "c": "standard"})[1], Z)


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_frames(container):
    frame = container({"a": X[:, 0], "b": X[:, 1]})
    encoder, Z = encode(frame, 2.0)
    assert_allclose(Z, (X[:, :2] - X[:, :2].mean(0)) / 2.0, atol=1e-12)
    back = encoder.inverse_transform(Z)
    assert isinstance(back, container)
    assert_allclose(back.to_numpy(), X[:, :2], rtol=1e-12)


def test_whole_numbers_come_back_whole():
    counts = RNG.poisson(20, size=(50, 2))
    encoder, Z = encode(counts, 3.0)
    np.testing.assert_array_equal(encoder.inverse_transform(Z), counts)


def test_missing_cells_and_categories():
    frame = pd.DataFrame({"a": X[:, 0], "b": RNG.choice(list("xy"), 60)})
    frame.loc[::7, "a"] = np.nan
    encoder, Z = encode(frame, 2.0)
    assert_allclose(Z[:, 0], (frame["a"] - frame["a"].mean()) / 2.0, atol=1e-12)
    assert np.isnan(encoder.inverse_transform(Z)["a"]).sum() == 9


@pytest.mark.filterwarnings("ignore:Constant")
def test_constant_column_has_no_code():
    assert encode(np.column_stack([X, np.ones(60)]), 2.0)[1].shape == (60, 3)


@pytest.mark.parametrize("unit", [0.0, -1.0, np.nan, np.inf, {0: -2.0}])
def test_a_unit_is_positive(unit):
    with pytest.raises(ValueError, match="positive number"):
        encode(X, unit)


def test_a_flag_is_no_unit():
    with pytest.raises(ValueError, match="numeric_transform"):
        encode(X, True)
