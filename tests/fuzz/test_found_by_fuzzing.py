"""Small tables of the kinds that fuzzing found to fail."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA

from skdiffusion import (
    DiffusionAnomalyDetector,
    DiffusionOversampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding
from skdiffusion.metrics import fidelity_report

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

N = 40
NAMES = [f"name{i}x" for i in range(N)]
NUMBERS = np.random.default_rng(0).normal(size=N)


@pytest.mark.parametrize("n", [3, 30])
def test_lists_are_refused_by_the_name_of_their_column(n):
    with pytest.raises(TypeError, match="Column 'tags' holds objects"):
        TableEncoder().fit(pd.DataFrame({"tags": [[i] for i in range(n)]}))


def categories_of_names():
    frame = pd.DataFrame({"name": NAMES, "x": NUMBERS})
    polars = pl.DataFrame({"name": NAMES, "x": NUMBERS})
    return {
        "pandas": frame.astype({"name": "category"}),
        "enum": polars.with_columns(pl.col("name").cast(pl.Enum(NAMES))),
        "categorical": polars.with_columns(pl.col("name").cast(pl.Categorical)),
    }


@pytest.mark.parametrize("name", categories_of_names())
def test_identities_that_are_categories_are_drawn_anew(name):
    X = categories_of_names()[name]
    encoder = TableEncoder().fit(X)
    drawn = encoder.inverse_transform(encoder.transform(X), random_state=0)["name"]
    assert encoder.kinds_[0] == "identifier"
    assert len(set(drawn)) == N
    assert not set(drawn) & set(NAMES)
    if name == "pandas":
        assert not set(drawn.cat.categories) & set(NAMES)
    else:
        assert type(drawn.dtype) is type(X["name"].dtype)


@pytest.mark.parametrize("name", categories_of_names())
def test_missing_identities_are_filled(name):
    X = categories_of_names()[name]
    if name == "pandas":
        X.loc[3, "name"] = None
    else:
        X = X.with_columns(name=pl.when(pl.col("x") == NUMBERS[3]).then(None).otherwise("name"))
    filled = RiemannianKernelSmoother(random_state=0).fit(X).impute(X)["name"].to_list()
    assert filled[:3] + filled[4:] == NAMES[:3] + NAMES[4:]
    assert filled[3] is not None
    assert filled[3] not in NAMES[:3] + NAMES[4:]


def test_dates_of_python_stay_dates_beyond_those_seen():
    X = np.array([[date(2024, 1, 1)], [date(9999, 12, 31)], [date(1, 1, 1)]], dtype=object)
    encoder = TableEncoder(clip=False).fit(X)
    rows = encoder.inverse_transform([[-1e3], [1e3]])
    assert rows.ravel().tolist() == [date(1, 1, 1), date(9999, 12, 31)]


def test_days_beyond_those_seen_are_of_the_calendar():
    X = pl.DataFrame({"day": [date(9999, 12, 30), date(9999, 12, 31)]})
    encoder = TableEncoder(clip=False).fit(X)
    rows = encoder.inverse_transform([[-1e9], [1e9]])
    assert rows["day"].to_list() == [date(1, 1, 1), date(9999, 12, 31)]


def test_columns_without_a_type_stay_empty_where_others_are_filled():
    X = pl.DataFrame({"x": [*NUMBERS[1:], None], "nothing": pl.Series([None] * N)})
    filled = RiemannianKernelSmoother(random_state=0).fit(X).impute(X)
    assert filled["x"].null_count() == 0
    assert filled["nothing"].null_count() == N


def test_days_beyond_all_calendars_come_back():
    X = np.array([[-(2**40)], [0], [2**40]]).view("M8[D]")
    encoder = TableEncoder(clip=False).fit(X)
    assert_array_equal(encoder.inverse_transform(encoder.transform(X)), X)


@pytest.mark.parametrize("lag", ["0D", "1D", "90min"])
def test_nanoseconds_survive_relations_between_times(lag):
    ticks = 1_600_000_000 * 10**9 + np.random.default_rng(0).integers(0, 10**16, 60)
    X = pd.DataFrame({"sent": ticks.view("M8[ns]")})
    X["arrived"] = X["sent"] + pd.Timedelta(lag)
    encoder = TableEncoder().fit(X)
    assert encoder.inverse_transform(encoder.transform(X)).equals(X)


def test_whole_numbers_beyond_those_seen_can_be_read_again():
    X = np.array([[0], [1], [2**52]])
    encoder = TableEncoder(clip=False).fit(X)
    assert np.isfinite(encoder.transform(encoder.inverse_transform([[1e9], [-1e9]]))).all()


def test_rows_of_polars_are_conditions_whatever_their_types():
    X = pl.DataFrame(
        {
            "wide": pl.Series(range(N), dtype=pl.Int128),
            "length": pl.Series(range(N), dtype=pl.Duration("us")),
            "flag": [True, False] * (N // 2),
            "x": NUMBERS,
        }
    )
    smoother = RiemannianKernelSmoother(random_state=0).fit(X)
    assert smoother.sample(conditions=X[:2], random_state=0).equals(X[:2])


@pytest.mark.parametrize("name", categories_of_names())
def test_identities_that_are_categories_stand_beside_drawn_ones(name):
    X, y = categories_of_names()[name], np.repeat(["a", "b"], [30, 10])
    rows, _ = DiffusionOversampler(random_state=0).fit_resample(X, y)
    column = rows["name"]
    assert len(column) == 60
    assert list(column)[:N] == NAMES
    assert not set(list(column)[N:]) & set(NAMES)
    # with other categories, still some
    assert type(column.dtype) is type(X["name"].dtype)


def test_conditions_without_a_dimension():
    X = pd.DataFrame({"x": NUMBERS, "g": ["a", "b"] * 20})
    smoother = RiemannianKernelSmoother(random_state=0).fit(X)
    rows = smoother.sample(3, conditions={"x": np.array(0.5), "g": np.array("b")}, random_state=0)
    assert (rows["x"] == 0.5).all()
    assert (rows["g"] == "b").all()


def test_repairs_leave_normal_rows_with_gaps_alone():
    X = pd.DataFrame({"x": NUMBERS, "constant": pd.Series([7.0] * N).where(NUMBERS < 1)})
    detector = DiffusionAnomalyDetector(contamination=0).fit(X)
    assert np.all(detector.predict(X) == 1)
    assert detector.repair(X).equals(X)


def test_numbers_as_names_are_no_positions():
    X = pd.DataFrame({1: NUMBERS, 0: 1.0, 2: NUMBERS**2})
    fields = [
        OperatorScoreMatching(random_state=0).fit(table).score_field(table, 0.1)
        for table in (X, X.set_axis(["a", "b", "c"], axis=1))
    ]
    assert_array_equal(*fields)


@pytest.mark.parametrize("embedding", [AutoencoderEmbedding(1), InvertibleEmbedding(PCA(1))])
@pytest.mark.parametrize("kind", ["text", "128 bits"])
def test_embeddings_say_what_to_do_with_other_columns(embedding, kind):
    X = pl.DataFrame({"x": NUMBERS, "other": ["a", "b"] * (N // 2)})
    if kind == "128 bits":
        X = pl.DataFrame({"x": pl.Series(range(N), dtype=pl.Int128)})
    with pytest.raises(ValueError, match=r"needs columns of numbers.*encode the table first"):
        embedding.fit(X)


@pytest.mark.parametrize("names", [[2, 1], [("a", 1), ("a", 2)], [0.5, 1.5]])
def test_reports_take_names_that_are_no_text(names):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)) * [1, 5])
    parts = [X.set_axis(pd.Index(names), axis=1)[k::3] for k in range(3)]
    swapped = [parts[0], parts[1], parts[2].iloc[:, ::-1]]
    plain = fidelity_report(
        *(X[k::3].set_axis(["a", "b"], axis=1) for k in range(3)), random_state=0
    )
    assert dict(fidelity_report(*swapped, random_state=0)) == dict(plain)
