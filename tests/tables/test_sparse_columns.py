"""Sparse columns of pandas are read like dense ones and come back sparse."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import sparse

from skdiffusion import (
    DiffusionAnomalyDetector,
    DiffusionImputer,
    DiffusionManifoldSampler,
    RiemannianKernelSmoother,
    TableEncoder,
)

RNG = np.random.default_rng(0)
N = 80
SPARSE = {
    "zeros": pd.arrays.SparseArray(np.where(RNG.random(N) < 0.7, 0.0, RNG.normal(size=N))),
    "gaps": pd.arrays.SparseArray(np.where(RNG.random(N) < 0.3, np.nan, RNG.normal(size=N))),
    "counts": pd.arrays.SparseArray(RNG.poisson(0.5, N), fill_value=0),
    "flags": pd.arrays.SparseArray(RNG.random(N) < 0.2, fill_value=False),
}


def test_of_each_type():
    for beside in ({}, {"x": RNG.normal(size=N)}):
        table = pd.DataFrame(SPARSE | beside)
        encoder = TableEncoder().fit(table)
        assert_frame_equal(encoder.inverse_transform(encoder.transform(table)), table)


@pytest.mark.parametrize("name", SPARSE)
def test_are_coded_as_dense_ones(name):
    table = pd.DataFrame({"a": SPARSE[name]})
    encoder, dense = TableEncoder().fit(table), table.sparse.to_dense()
    np.testing.assert_array_equal(encoder.transform(table), TableEncoder().fit_transform(dense))
    np.testing.assert_array_equal(encoder.transform(dense), encoder.transform(table))


def test_dummies_of_a_mixed_frame():
    frame = pd.DataFrame({"k": RNG.choice(list("uvw"), N), "a": RNG.normal(size=N)})
    table = pd.get_dummies(frame, sparse=True, dtype=float)
    model = RiemannianKernelSmoother(random_state=0).fit(table)
    new = model.sample(20, random_state=0)
    assert new.dtypes.equals(table.dtypes)
    assert set(np.asarray(new["k_u"])) <= {0.0, 1.0}
    filled = model.impute(table.assign(a=table["a"].mask(table["a"] > 0)))
    assert filled.dtypes.equals(table.dtypes) and filled.notna().all(axis=None)


@pytest.mark.parametrize(
    "estimator",
    [
        TableEncoder(),
        DiffusionManifoldSampler(),
        RiemannianKernelSmoother(),
        DiffusionImputer(),
        DiffusionAnomalyDetector(),
    ],
)
def test_matrices_are_refused_in_the_words_of_scikit_learn(estimator):
    with pytest.raises(TypeError, match=r"[Ss]parse.*toarray"):
        estimator.fit(sparse.eye_array(20, format="csr"))
