"""Columns that identify rows are recognised, and drawn anew."""

import re
import sys
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdiffusion import TableEncoder

N = 300


def table(**columns):
    rng = np.random.default_rng(0)
    return pd.DataFrame({**columns, "x": rng.normal(size=N), "g": rng.choice(list("ab"), N)})


def codes(seed, pattern="P-{:05d}"):
    return [pattern.format(k) for k in np.random.default_rng(seed).permutation(10**5)[:N]]


def numbers(seed, digits=8):
    rng = np.random.default_rng(seed)
    return rng.choice(9 * 10 ** (digits - 1), N, replace=False) + 10 ** (digits - 1)


FOUND = {
    "patients": table(key=codes(1, "Patient {:05d}")),
    "zeros": table(key=codes(2, "{:08d}")),
    "mails": table(key=[f"{a}.{b}@mail.org" for a, b in zip(codes(3), codes(4), strict=True)]),
    "letters": table(key=[f"{chr(65 + k % 26)}{chr(97 + k % 23)}{k % 29:02d}x" for k in range(N)]),
    "numbers": table(account_number=numbers(0)),
    "camel": table(customerId=numbers(1, 6).astype(float)),
    "counter": table(**{"Unnamed: 0": 1000 + np.arange(N)}),
    "nearly numbers": table(PhoneNumber=np.r_[numbers(2)[:-9], numbers(2)[:9]]),
    "nearly": table(key=[*codes(5)[:-9], *codes(5)[:9]]),
}


@pytest.mark.parametrize("name", FOUND)
class TestFound:
    def test_with_a_warning(self, name):
        X = FOUND[name]
        with pytest.warns(UserWarning, match=f"{X.columns[0]!r} seem to identify rows"):
            encoder = TableEncoder().fit(X)
        assert encoder.kinds_[0] == "identifier"
        assert 0 not in encoder.groups_

    @pytest.mark.filterwarnings("ignore:Cells of")
    def test_new_ones_look_like_the_real_ones(self, name):
        X = FOUND[name]
        encoder = TableEncoder().fit(X)
        S = encoder.inverse_transform(np.zeros((1000, encoder.n_encoded_)), random_state=0)
        new, real = S.iloc[:, 0], X.iloc[:, 0]
        assert new.dtype == real.dtype
        assert not set(new) & set(real)
        assert new.is_unique

        def shape(cell):
            text = str(int(cell)) if isinstance(cell, float) else str(cell)
            return re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", re.sub(r"\d", "0", text)))

        assert set(map(shape, new)) <= set(map(shape, real))
        again = encoder.inverse_transform(np.zeros((1000, encoder.n_encoded_)), random_state=0)
        assert again.equals(S)


@pytest.mark.filterwarnings("ignore:Cells of")
@pytest.mark.parametrize("make", [uuid.UUID, str])
def test_new_uuids_are_uuids(make):
    rng = np.random.default_rng(0)
    cells = [make(str(uuid.UUID(bytes=rng.bytes(16), version=4))) for _ in range(N)]
    X = table(key=pd.Series(cells, dtype=object))
    encoder = TableEncoder().fit(X)
    assert encoder.kinds_[0] == "identifier"
    new = encoder.inverse_transform(encoder.transform(X), random_state=0)["key"]
    assert {type(cell) for cell in new} == {make}
    assert not set(new) & set(cells)
    assert {uuid.UUID(str(cell)).version for cell in new} == {4}


@pytest.mark.filterwarnings("error")
class TestNotFound:
    @pytest.mark.parametrize(
        "column",
        [
            {"amount": numbers(0)},
            {"city": [f"town {k % 40}" for k in range(N)]},
            {"x_id": np.arange(N) % 50},
            {"day": pd.date_range("2024", periods=N)},
        ],
    )
    def test_amounts_and_levels(self, column):
        encoder = TableEncoder().fit(table(**column))
        assert "identifier" not in encoder.kinds_

    def test_few_rows(self):
        X = pd.DataFrame({"name": list("abcdefgh"), "x": np.arange(8.0)})
        assert TableEncoder().fit(X).kinds_[0] == "categorical"

    @pytest.mark.parametrize("given", [None, {"key": None}])
    def test_unless_wanted(self, given):
        encoder = TableEncoder(identifiers=given).fit(FOUND["patients"])
        assert encoder.kinds_[0] == "categorical"


class TestDraws:
    X = FOUND["patients"]

    def drawn(self, how, X=None, n=50):
        encoder = TableEncoder(identifiers={"key": how}).fit(self.X if X is None else X)
        return encoder.inverse_transform(np.zeros((n, encoder.n_encoded_)), random_state=1)

    def test_by_a_function(self):
        S = self.drawn(lambda n, rng: [f"new {k}" for k in range(n)])
        assert S["key"].tolist() == [f"new {k}" for k in range(50)]

    def test_none_at_all(self):
        assert self.drawn("drop")["key"].isna().all()

    def test_where_the_pattern_is_used_up(self):
        X = table(key=[f"{k:02d}" for k in range(100)] * 3)
        new = self.drawn("pattern", X)["key"]
        assert not set(new) & set(X["key"])
        assert new.is_unique

    @pytest.mark.parametrize(("dtype", "most"), [("int16", 32767), ("uint16", 65535)])
    def test_numbers_within_their_data_type(self, dtype, most):
        X = table(key=np.sort(np.random.default_rng(0).permutation(most + 1)[:N]).astype(dtype))
        new = self.drawn("pattern", X, 2000)["key"]
        assert new.is_unique
        assert not set(new) & set(X["key"])
        assert new.min() >= 0

    def test_short_numbers_that_are_used_up(self):
        X = table(key=(np.arange(N) % 100).astype("int8"))
        new = self.drawn("pattern", X, 20)["key"]
        assert new.between(100, 126).all()
        assert new.is_unique

    def test_polars(self):
        X = pl.from_pandas(self.X)
        new = self.drawn("pattern", X)["key"]
        assert new.dtype == pl.String
        assert not set(new) & set(X["key"])

    def test_made_up_names_need_their_library(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "faker", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[faker\]"):
            self.drawn("faker:name")

    def test_made_up_names(self):
        pytest.importorskip("faker")
        S = self.drawn("faker:name")
        assert S["key"].str.contains(" ").all()
        assert S.equals(self.drawn("faker:name"))

    def test_otherwise(self):
        with pytest.raises(ValueError, match=r"identifiers of column 'key' must be.*'hide'"):
            self.drawn("hide")
        with pytest.raises(ValueError, match="identifiers names the column 'no'"):
            TableEncoder(identifiers={"no": "drop"}).fit(self.X)
