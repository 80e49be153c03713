"""Tables of every make: few and many columns, rows and gaps, in every container."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder
from skdiffusion.closed_forms import gap_filling


@pytest.fixture(scope="module", autouse=True)
def few_rounds():
    """Fill gaps before training in fewer rounds, which take most of the time of a small fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gap_filling, "N_MIXTURE_ROUNDS", 1)
        yield


def tiny(**options):
    net = DenoiserNet(max_epochs=1, steps_per_epoch=2, module__width=8, module__depth=1)
    fast = {"denoiser": net, "baseline": "gaussian", "n_steps": 3, "n_likelihood_steps": 1}
    return DiffusionManifoldSampler(**fast | {"random_state": 0} | options)


def table(n, n_numbers, n_levels, gaps):
    """Numbers with and without fractions, and columns of two to four levels."""
    rng = np.random.default_rng(0)
    data = {}
    for k in range(n_numbers):
        data[f"n{k}"] = rng.normal(size=n) if k % 2 == 0 else rng.integers(0, 50, n) + 0.0
    for k in range(n_levels):
        data[f"c{k}"] = np.array(list("abcd"[: 2 + k % 3]), dtype=object)[
            np.append([0, 1], rng.integers(0, 2 + k % 3, n - 2))
        ]
    frame = pd.DataFrame(data)
    missing = rng.random(frame.shape) < 0.2
    if gaps == "every row":
        missing[np.arange(n), rng.integers(0, frame.shape[1], n)] = True
    if frame.shape[1] == 1 or n == 2:
        missing[:2] = False
    return frame if gaps == "none" else frame.mask(missing)


def target(kind, n):
    """A target one class of which has one row, or numbers."""
    if kind == "classes":
        return np.array(["rare"] + ["common"] * (n - 1))
    return np.random.default_rng(1).normal(size=n) if kind == "numbers" else None


def assert_fits_and_samples(frame, y=None, **options):
    sampler = tiny(**options).fit(frame, y)
    rows = sampler.sample(6, random_state=0)
    assert type(rows) is type(frame)
    if isinstance(frame, pl.DataFrame):
        assert rows.schema == frame.schema
    elif isinstance(frame, pd.DataFrame):
        pd.testing.assert_series_equal(rows.dtypes, frame.dtypes)
    else:
        assert rows.dtype == frame.dtype
    assert rows.shape == (6, frame.shape[1])
    scores = sampler.score_samples(frame[:4])
    assert np.isfinite(scores).all()
    if y is not None:
        assert sampler.sample_y(frame[:2], 3, random_state=0).shape == (2, 3)
        drawn = sampler.sample(3, return_y=True, random_state=0)[1]
        assert np.asarray(drawn).dtype.kind == y.dtype.kind
    return sampler, rows


# rows, columns of numbers and of categories, gaps, target, whether gaps are drawn: each kind of
# each of them meets each of every other, but not all of them together
MATRIX = [
    (2, 0, 1, "none", "classes", False),
    (2, 1, 0, "some", None, True),
    (2, 4, 4, "every row", "numbers", True),
    (2, 1, 1, "none", None, False),
    (20, 0, 4, "some", "numbers", True),
    (20, 1, 1, "every row", "classes", True),
    (20, 4, 0, "none", "numbers", False),
    (20, 1, 4, "some", "classes", False),
    (20, 0, 1, "every row", None, True),
    (90, 4, 1, "some", "classes", True),
    (90, 0, 4, "every row", "classes", False),
    (90, 1, 0, "none", "numbers", False),
    (90, 4, 4, "every row", None, True),
    (90, 1, 4, "none", None, False),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("n", "n_numbers", "n_levels", "gaps", "kind", "generate_missing"), MATRIX)
def test_matrix(n, n_numbers, n_levels, gaps, kind, generate_missing):
    frame = table(n, n_numbers, n_levels, gaps)
    encoder = TableEncoder(missing_indicator=generate_missing)
    sampler, rows = assert_fits_and_samples(frame, target(kind, n), encoder=encoder)
    if generate_missing:
        assert sampler.model_.encoder.is_indicator_.sum() == frame.isna().any().sum()
    else:
        assert not rows.isna().any(axis=None)


class TestNothing:
    @pytest.mark.parametrize("gaps", [False, True])
    def test_only_constants(self, gaps):
        frame = pd.DataFrame({"a": [1.0] * 9, "b": ["x"] * 9})
        if gaps:
            frame.iloc[3] = None
        with pytest.raises(ValueError, match="Every column of X is constant"):
            tiny().fit(frame)

    def test_only_empty_columns(self):
        with pytest.raises(ValueError, match="Every column of X is constant"):
            tiny().fit(np.full((9, 2), np.nan))

    def test_no_columns(self):
        with pytest.raises(ValueError, match=r"0 feature\(s\)"):
            tiny().fit(pd.DataFrame(index=range(5)))

    def test_only_which_cells_are_missing(self):
        """A column that is constant where it is there still tells when it is there."""
        frame = pd.DataFrame({"a": [1.0, np.nan, 1.0, 1.0] * 40})
        sampler, _ = assert_fits_and_samples(frame, encoder=TableEncoder(missing_indicator=True))
        rows = sampler.sample(400, random_state=0)
        assert set(rows["a"].dropna()) == {1.0}
        assert abs(rows["a"].isna().mean() - 0.25) < 0.1


class TestNextToNothing:
    """Whole columns, rows and batches without a cell."""

    @pytest.mark.parametrize("baseline", ["gaussian", "auto", None])
    def test_two_cells_of_many(self, baseline):
        """Most batches of training hold not one."""
        frame = pd.DataFrame({"a": [0.0, 1.0] + [np.nan] * 300})
        sampler, rows = assert_fits_and_samples(frame, baseline=baseline)
        assert np.isfinite(rows["a"]).all()
        assert np.isfinite(sampler.history_[:, "train_loss"]).all()

    def test_an_empty_column_among_others(self):
        frame = table(30, 2, 1, "some").assign(empty=np.nan, nothing=None)
        for generate_missing in (False, True):
            _, rows = assert_fits_and_samples(
                frame, encoder=TableEncoder(missing_indicator=generate_missing)
            )
            assert rows[["empty", "nothing"]].isna().all(axis=None)

    def test_empty_rows(self):
        frame = table(30, 2, 2, "some")
        frame.iloc[4:12] = None
        sampler, _ = assert_fits_and_samples(frame)
        assert sampler.score_samples(frame[4:5]) == 0.0
        assert_fits_and_samples(
            frame, target("classes", 30), encoder=TableEncoder(missing_indicator=True)
        )

    def test_constant_columns_with_and_without_gaps(self):
        frame = table(30, 1, 1, "some").assign(one=1, only=["x", None] * 15)
        _, rows = assert_fits_and_samples(frame)
        assert set(rows["one"]) == {1}
        assert set(rows["only"]) == {"x"}

    @pytest.mark.parametrize("name", ["rare", "common"])
    def test_a_class_of_one_row(self, name):
        frame = table(20, 2, 2, "some")
        frame.iloc[0] = None
        sampler, _ = assert_fits_and_samples(frame, target("classes", 20))
        rows, y = sampler.sample(5, y=name, return_y=True, random_state=0)
        assert set(y) == {name}
        assert not rows.isna().any(axis=None)


def kinds(n=40):
    rng = np.random.default_rng(0)
    start = np.datetime64("2024-01-01", "ns")
    return {
        "when": start + rng.integers(0, 300, n).astype("m8[D]"),
        "long": rng.integers(1, 90, n).astype("m8[s]").astype("m8[ns]"),
        "flag": rng.random(n) < 0.3,
        "amount": np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2.0, size=n).round(2)),
        "city": rng.choice(["Bern", "Oslo", "Rome"], n).astype(object),
    }


class TestKinds:
    """Dates, durations, booleans, ordered levels, numbers with a spike."""

    def frame(self, gaps):
        frame = pd.DataFrame(kinds())
        frame["flag"] = frame["flag"].astype("boolean")
        frame["many"] = pd.array(np.random.default_rng(1).integers(0, 90, 40), dtype="Int64")
        frame["size"] = pd.Categorical(
            np.tile(["S", "M", "L", "M"], 10), categories=["S", "M", "L"], ordered=True
        )
        frame["local"] = frame["when"].dt.tz_localize("Europe/Zurich")
        if gaps:
            frame = frame.mask(np.random.default_rng(2).random(frame.shape) < gaps)
        return frame

    @pytest.mark.parametrize(
        ("gaps", "generate_missing", "kind"),
        [(0, False, "classes"), (0, True, "numbers"), (0.3, False, "numbers"), (0.3, True, None)],
    )
    def test_pandas(self, gaps, generate_missing, kind):
        frame = self.frame(gaps)
        y = target(kind, 40)
        sampler, rows = assert_fits_and_samples(
            frame, y, encoder=TableEncoder(missing_indicator=generate_missing)
        )
        assert "spike" in sampler.model_.encoder.transforms_
        if not (gaps and generate_missing):
            assert not rows.isna().any(axis=None)

    def test_each_alone(self):
        encoder = TableEncoder(missing_indicator=True)
        for name in self.frame(0):
            assert_fits_and_samples(self.frame(0.3)[[name]], encoder=encoder)

    @pytest.mark.parametrize("generate_missing", [False, True])
    def test_polars(self, generate_missing):
        data = {name: list(cells) for name, cells in kinds().items()}
        frame = pl.DataFrame({**data, "when": kinds()["when"], "long": kinds()["long"]})
        frame = frame.with_columns(
            day=pl.col("when").dt.date(),
            level=pl.Series(data["city"], dtype=pl.Enum(["Oslo", "Bern", "Rome"])),
            count=pl.Series(range(40), dtype=pl.UInt8),
        )
        gap = pl.Series(np.random.default_rng(2).random(40) < 0.3)
        gappy = frame.with_columns(
            pl.when(~gap).then(pl.col(c)).otherwise(None).alias(c) for c in ("when", "city", "flag")
        )
        encoder = TableEncoder(missing_indicator=generate_missing)
        _, drawn = assert_fits_and_samples(gappy, encoder=encoder)
        if not generate_missing:
            assert drawn.null_count().sum_horizontal().item() == 0

    @pytest.mark.parametrize("generate_missing", [False, True])
    def test_objects_of_numpy(self, generate_missing):
        data = kinds()
        X = np.empty((40, 4), dtype=object)
        X[:, 0] = data["amount"]
        X[:, 1] = data["city"]
        X[:, 2] = [date(2024, 1, 1 + k % 28) for k in range(40)]
        X[:, 3] = data["flag"]
        X[::5, 0] = X[1::5, 1] = X[2::5, 2] = X[3::5, 3] = None
        _, rows = assert_fits_and_samples(
            X, encoder=TableEncoder(missing_indicator=generate_missing)
        )
        there = [[cell for cell in column if cell is not None] for column in rows.T]
        assert generate_missing or min(map(len, there)) == 6
        for cells, kind in zip(there, (float, str, date, bool), strict=True):
            assert all(isinstance(cell, kind) for cell in cells)

    def test_numbers_of_numpy_with_gaps(self):
        X = table(30, 4, 0, "some").to_numpy()
        assert np.isfinite(assert_fits_and_samples(X)[1]).all()
        rows = tiny(encoder=TableEncoder(missing_indicator=True)).fit(X).sample(200, random_state=0)
        assert 0.05 < np.isnan(rows).mean() < 0.4
