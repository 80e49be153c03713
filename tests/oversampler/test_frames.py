"""Containers, data types and kinds of columns."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.repeat(["often", "rare"], [50, 8])
    size = rng.normal(size=58) + 2 * (y == "rare")
    return {
        "size": size,
        "weight": (size + rng.normal(size=58)).astype(np.float32),
        "count": rng.poisson(4, 58),
        "flag": size > 0,
        "city": np.where(rng.random(58) < 0.5, "Bern", "Rome"),
    }, y


def test_pandas(quick, data):
    columns, y = data
    frame = pd.DataFrame(columns, index=np.arange(58) + 100)
    frame["kind"] = pd.Categorical(columns["city"], categories=["Rome", "Bern", "Nowhere"])
    target = pd.Series(pd.Categorical(y), name="label", index=frame.index)
    oversampler = quick()
    X, y_out = oversampler.fit_resample(frame, target)
    assert X.dtypes.equals(frame.dtypes)
    assert y_out.dtype == target.dtype and y_out.name == "label"
    pd.testing.assert_frame_equal(X.iloc[:58], frame.reset_index(drop=True))
    pd.testing.assert_index_equal(X.index, pd.RangeIndex(100))
    pd.testing.assert_index_equal(y_out.index, X.index)
    assert set(X["city"][oversampler.is_synthetic_]) <= {"Bern", "Rome"}


def test_polars(quick, data):
    columns, y = data
    frame = pl.DataFrame(columns).with_columns(pl.col("city").cast(pl.Categorical))
    X, y_out = quick().fit_resample(frame, pl.Series("label", y))
    assert X.schema == frame.schema
    assert X.head(58).equals(frame)
    assert y_out.name == "label" and y_out.dtype == pl.String
    assert y_out.value_counts()["count"].to_list() == [50, 50]


def test_an_array_of_objects(quick, data):
    columns, y = data
    X = np.array(list(zip(*columns.values(), strict=True)), dtype=object)
    new, _ = quick().fit_resample(X, y)
    assert new.dtype == object
    assert all(isinstance(value, str) for value in new[58:, 4])
    assert all(isinstance(value, float) for value in new[58:, 0])


def test_categories_alone(quick, data):
    columns, y = data
    frame = pd.DataFrame({"city": columns["city"], "flag": columns["flag"].astype(str)})
    X, y_out = quick().fit_resample(frame, y)
    assert (y_out == "rare").sum() == 50
    assert set(X["city"]) == {"Bern", "Rome"}


def test_frame_of_one_target_column(quick, data):
    columns, y = data
    frame = pd.DataFrame(columns)
    _, y_out = quick().fit_resample(frame, pd.DataFrame({"label": y}))
    assert y_out.columns.tolist() == ["label"] and len(y_out) == 100


def test_numbers_keep_their_type(quick):
    rng = np.random.default_rng(0)
    y = pd.Series(rng.lognormal(size=200).astype(np.float32), name="price")
    X = pd.DataFrame({"a": np.log(y), "b": rng.integers(0, 9, 200)})
    X_out, y_out = quick(sampling_strategy=0.2).fit_resample(X, y)
    assert y_out.dtype == np.float32 and y_out.name == "price"
    assert X_out.dtypes.equals(X.dtypes)
    assert len(X_out) == len(y_out) == 240


@pytest.mark.parametrize("cell", [np.nan, np.inf])
def test_missing_targets(quick, skewed, cell):
    y = skewed.y.copy()
    y[3] = cell
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        quick().fit_resample(skewed.X, y)


@pytest.mark.parametrize("sigma", [0.3, None])
def test_missing_cells_may_stay(quick, data, sigma):
    columns, y = data
    frame = pd.DataFrame(columns)
    frame.loc[3:8, "size"] = np.nan
    frame.loc[[10, 57], "city"] = None
    oversampler = quick(sigma=sigma)
    X, _ = oversampler.fit_resample(frame, y)
    pd.testing.assert_frame_equal(X.iloc[:58], frame)
    assert X[oversampler.is_synthetic_].notna().all(axis=None)


@pytest.mark.parametrize(
    "names",
    [
        pd.MultiIndex.from_tuples([("g", "x"), ("g", "y"), ("h", "x")]),
        pd.to_datetime(["2024-01", "2024-02", "2024-03"]),
        [0.5, 1.5, 2.5],
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_names_of_any_kind(quick, names, share):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(58, 3))
    frame = pd.DataFrame(np.where(rng.random((58, 3)) < share, np.nan, values), columns=names)
    X, _ = quick().fit_resample(frame, np.repeat([0, 1], [50, 8]))
    pd.testing.assert_frame_equal(X.iloc[:58], frame)
    assert X.columns.equals(frame.columns) and len(X) == 100


@pytest.mark.parametrize("is_mixed", [True, False])
@pytest.mark.parametrize("sigma", [0.3, None])
def test_sparse_columns(quick, data, is_mixed, sigma):
    columns, y = data
    frame = pd.get_dummies(pd.DataFrame(columns)[["size", "city"]], sparse=True, dtype=float)
    frame = frame if is_mixed else frame.drop(columns="size")
    X, _ = quick(sigma=sigma).fit_resample(frame, y)
    assert X.dtypes.equals(frame.dtypes)
    pd.testing.assert_frame_equal(X.iloc[:58], frame)


def test_odd_types(quick, data):
    columns, y = data
    cents = [Decimal(k * 37 % 1000).scaleb(-2) for k in range(58)]
    frame = pd.DataFrame(columns).assign(price=cents)
    frame.loc[3:9, "price"] = None
    X, _ = quick().fit_resample(frame, y)
    pd.testing.assert_frame_equal(X.iloc[:58], frame)
    assert all(cell.as_tuple().exponent == -2 for cell in X["price"][58:])


@pytest.mark.parametrize("as_cell", [float, lambda cell: Decimal(str(cell))])
def test_numbers_in_objects_are_numbers(quick, skewed, as_cell):
    y = skewed.y.round(2)
    given = pd.Series([as_cell(cell) for cell in y.tolist()], dtype=object, name="price")
    X, of_objects = quick().fit_resample(skewed.X, given)
    same, of_floats = quick().fit_resample(skewed.X, y)
    np.testing.assert_array_equal(of_objects.to_numpy(float), of_floats)
    np.testing.assert_array_equal(X, same)


@pytest.mark.parametrize("cells", [pd.date_range("2024", periods=58), [0, "one"] * 29])
def test_targets_that_are_neither_classes_nor_numbers(quick, data, cells):
    with pytest.raises(TypeError, match="target"):
        quick().fit_resample(pd.DataFrame(data[0]), pd.Series(cells))
