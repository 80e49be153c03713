"""Rows that count more than others, or occur several times."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skdiffusion import TableEncoder
from skdiffusion.model.encoded import EncodedRows, merge_copies
from skdiffusion.tables.frames import read_table

RNG = np.random.RandomState(0)
WEIGHTS = RNG.randint(1, 5, 200)
TABLE = pd.DataFrame(
    {
        "normal": RNG.normal(size=200),
        "skewed": RNG.lognormal(sigma=2.0, size=200),
        "spike": np.where(RNG.uniform(size=200) < 0.4, 0.0, RNG.normal(5.0, size=200)),
        "whole": RNG.poisson(3.0, 200),
        "category": RNG.choice(list("abcd"), 200, p=[0.6, 0.3, 0.08, 0.02]),
        "date": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.randint(0, 900, 200), "D"),
        "gaps": np.where(RNG.uniform(size=200) < 0.2, np.nan, RNG.normal(size=200)),
    }
)


def encoded(table, weights=None, **options):
    encoder = TableEncoder(**options)
    encoder.fit_columns(table, read_table(table), weights)
    return encoder


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"numeric_transform": "standard"},
        {"numeric_transform": "quantile"},
        {"min_frequency": 0.1, "missing_indicator": True},
    ],
)
def test_weights_of_an_encoder_are_repetitions(options):
    weighted = encoded(TABLE, WEIGHTS.astype(float), **options)
    repeated = encoded(TABLE.loc[TABLE.index.repeat(WEIGHTS)], **options)
    assert weighted.transforms_ == repeated.transforms_
    Z = weighted.transform(TABLE)
    assert_array_equal(Z, repeated.transform(TABLE))
    spread = (e.dequantize(Z, random_state=0) for e in (weighted, repeated))
    assert_array_equal(*spread)
    assert_array_equal(weighted.log_volume(TABLE, 0.01), repeated.log_volume(TABLE, 0.01))
    assert not np.allclose(Z, encoded(TABLE, **options).transform(TABLE), equal_nan=True)


class TestCopies:
    def merged(self, table, weights=None):
        encoder = encoded(table)
        return merge_copies(EncodedRows(encoder, None, encoder.transform(table), weights))

    def test_of_continuous_rows_become_one(self):
        few = TABLE[["normal", "category"]].iloc[:50]
        counts = WEIGHTS[:50]
        rows = self.merged(few.loc[few.index.repeat(counts)])
        order = np.argsort(few["normal"].to_numpy())
        assert_array_equal(np.sort(rows.Z[:, 0]), rows.Z[:, 0])
        assert_array_equal(rows.weights, counts[order])

    def test_have_the_sum_of_their_weights(self):
        rows = self.merged(
            np.array([[0.5], [1.7], [0.5], [np.pi]]), np.array([1.0, 2.0, 0.25, 3.0])
        )
        assert_array_equal(rows.weights, [1.25, 2.0, 3.0])

    def test_of_discrete_rows_stay(self):
        rows = self.merged(TABLE[["whole", "category"]])
        assert len(rows.Z) == 200
        assert rows.weights is None

    def test_no_copies(self):
        rows = self.merged(TABLE[["normal"]])
        assert_array_equal(
            rows.Z[:, 0], encoded(TABLE[["normal"]]).transform(TABLE[["normal"]])[:, 0]
        )
        assert rows.weights is None
