"""`TableEncoder` on tables of any kind. SKDIFFUSION_FUZZ=3000 makes as many cases of each test."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdiffusion import TableEncoder
from tests.fuzz.fuzzed_tables import SEEDS, build, cases, tables
from tests.fuzz.oracles import assert_like, assert_same_cells, attempt, cells_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

OPTIONS = st.fixed_dictionaries(
    {
        "numeric_transform": st.sampled_from(["auto", "auto", "standard", "quantile"]),
        "clip": st.booleans(),
        "missing_indicator": st.booleans(),
        "min_frequency": st.sampled_from([None, None, 0.2, 3]),
        "constraints": st.sampled_from(["auto", "auto", None]),
        "identifiers": st.sampled_from(["auto", "auto", None]),
        "handle_unknown": st.sampled_from(["error", "rare", "missing"]),
    }
)


def inexact_columns(encoder, cells):
    """Columns whose numbers have no grid to come back to, or are beyond all whole numbers."""
    return [
        j
        for j, (kind, column) in enumerate(zip(encoder.kinds_, cells, strict=True))
        if kind == "continuous"
        or any(isinstance(cell, float) and abs(cell) > 2**53 for cell in column)
    ]


@cases(60)
@given(table=tables(), options=OPTIONS, seed=SEEDS)
def test_codes_of_any_table(table, options, seed):
    X = build(table)
    before = cells_of(X)
    encoder = attempt(lambda: TableEncoder(**options).fit(X))
    if encoder is None:
        return
    Z = encoder.transform(X)
    gaps = np.array([[cell is None for cell in column] for column in before]).any(0)
    assert Z.shape == (table.n, encoder.n_encoded_)
    assert np.isfinite(Z[~gaps]).all()
    assert not np.isinf(Z).any()
    assert len(encoder.get_feature_names_out()) == Z.shape[1]
    assert np.isfinite(encoder.log_volume(X, 0.1)).all()
    # what has no feature may come back where it was missing
    made = {j for relation in encoder._recoding.relations for j in relation.coded}
    made |= {j for j, name in enumerate(encoder.transforms_) if name == "constant"}
    lost = {j for j, kind in enumerate(encoder.kinds_) if kind == "identifier"}
    if encoder.min_frequency:
        lost |= {j for j, kind in enumerate(encoder.kinds_) if kind == "categorical"}
    back = attempt(lambda: encoder.inverse_transform(Z))
    if back is None:
        return
    assert_same_cells(X, back, inexact_columns(encoder, before), made, lost)
    spread = encoder.dequantize(Z, random_state=seed)
    assert_same_cells(back, encoder.inverse_transform(spread), (), (), ())
    assert str(cells_of(X)) == str(before)
    if any(column.dtype == "Object" for column in table.columns):
        return  # which polars cannot pickle
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.transform(X), Z)


@cases(40)
@given(table=tables(), options=OPTIONS, seed=SEEDS)
def test_rows_of_any_codes(table, options, seed):
    X = build(table)
    encoder = attempt(lambda: TableEncoder(**options).fit(X))
    if encoder is None:
        return
    rng = np.random.default_rng(seed)
    size = rng.choice([0.5, 2.0, 1e3], size=(20, 1))
    codes = size * rng.normal(size=(20, encoder.n_encoded_))
    rows = attempt(lambda: encoder.inverse_transform(codes, random_state=seed))
    if rows is None:
        return
    assert_like(rows, X, encoder, options["missing_indicator"], options["clip"])
    assert_same_cells(rows, encoder.inverse_transform(codes, random_state=seed))
    # beyond what was seen there are numbers that floating point does not hold
    again = encoder.transform(rows) if encoder.clip else attempt(lambda: encoder.transform(rows))
    assert again is None or not np.isinf(again).any()
