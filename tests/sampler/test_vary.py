"""New rows near given ones."""

from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion import OperatorScoreMatching, RiemannianKernelSmoother, TableEncoder


@pytest.fixture(scope="module")
def smoother(gaussian):
    return RiemannianKernelSmoother(random_state=0).fit(gaussian.X[:400])


class TestDistribution:
    @pytest.mark.parametrize("noise", [0.1, 1.0, 10.0])
    def test_of_a_gaussian_is_kept(self, gaussian, noise, global_random_seed):
        rows = gaussian.truth.rvs(6000, random_state=10 + global_random_seed)
        new = gaussian.sampler.vary(rows, noise, random_state=global_random_seed)
        std = np.sqrt(np.diag(gaussian.truth.cov))
        assert_allclose((new.mean(axis=0) - gaussian.truth.mean) / std, 0, atol=0.13)
        assert_allclose(new.std(axis=0) / std, 1, atol=0.1)
        correlation = gaussian.truth.cov / np.outer(std, std)
        assert_allclose(np.corrcoef(new.T), correlation, atol=0.08)

    def test_more_noise_goes_farther(self, gaussian):
        rows, std = gaussian.fresh, gaussian.X.std(axis=0)
        steps = [
            np.abs((gaussian.sampler.vary(rows, noise, random_state=0) - rows) / std).mean()
            for noise in (0.02, 0.2, 1.0, 20.0)
        ]
        assert steps[0] < 0.02
        assert all(near < far / 1.5 for near, far in pairwise(steps))
        # of two independent normal numbers
        assert steps[-1] == pytest.approx(2 / np.sqrt(np.pi), abs=0.15)

    def test_of_kernels_is_kept(self, gaussian, smoother):
        rows = gaussian.fresh
        near = smoother.vary(rows, 0.05, random_state=0)
        std = gaussian.X.std(axis=0)
        assert_allclose((near - rows) / std, 0, atol=0.3)
        far = smoother.vary(rows, 20.0, random_state=0)
        assert_allclose((far.mean(axis=0) - gaussian.X.mean(axis=0)) / std, 0, atol=0.3)
        assert_allclose(far.std(axis=0) / std, 1, atol=0.25)

    def test_in_a_box_is_kept(self, gaussian):
        X = gaussian.X[:300, 1:3]
        model = OperatorScoreMatching(degree=4, random_state=0).fit(X)
        new = model.vary(X, 1.0, random_state=0)
        assert_allclose(new.mean(axis=0), X.mean(axis=0), atol=0.2)
        assert_allclose(new.std(axis=0), X.std(axis=0), rtol=0.25)
        assert np.abs(np.corrcoef(new[:, 0], X[:, 0])[0, 1]) < 0.9


class TestTarget:
    @pytest.mark.parametrize("wanted", ["red", np.repeat(["red", "blue"], 100)])
    def test_is_as_given(self, blobs, wanted):
        rows = blobs.X[:200]
        new = blobs.sampler.vary(rows, 20.0, y=wanted, random_state=0)
        assert np.mean(blobs.class_of(new) == wanted) > 0.95

    def test_is_free_otherwise(self, blobs):
        rows = blobs.X[:500]
        far = blobs.sampler.vary(rows, 20.0, random_state=0)
        shares = [np.mean(blobs.class_of(far) == name) for name in blobs.classes]
        assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.1)
        near = blobs.sampler.vary(rows, 0.2, random_state=0)
        assert np.mean(blobs.class_of(near) == blobs.class_of(rows)) > 0.95

    def test_without_one(self, gaussian):
        with pytest.raises(ValueError, match="no target"):
            gaussian.sampler.vary(gaussian.fresh, 1.0, y=0.0)

    def test_of_another_length(self, blobs):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            blobs.sampler.vary(blobs.X[:5], 1.0, y=["red", "blue"])


class TestContainers:
    @pytest.mark.parametrize("fixture", ["pandas_table", "polars_table"])
    def test_come_back(self, quick, fixture, request):
        X = request.getfixturevalue(fixture)
        new = quick().fit(X).vary(X[:50], 1.0, random_state=0)
        assert type(new) is type(X)
        assert len(new) == 50
        if isinstance(X, pl.DataFrame):
            assert new.schema == X.schema
        else:
            pd.testing.assert_series_equal(new.dtypes, X.dtypes)
        assert set(new["city"]) <= {"Oslo", "Bern", "Rome"}
        assert (np.asarray(new["city"]) != np.asarray(X["city"][:50])).any()

    def test_gaps_are_drawn_or_stay(self, quick, pandas_table):
        X = pandas_table[["size", "city"]].reset_index(drop=True)
        gappy = X.mask(np.random.default_rng(0).random(X.shape) < 0.3)
        filled = quick().fit(gappy).vary(gappy, 0.05, random_state=0)
        assert not filled.isna().any(axis=None)
        there = gappy["city"].notna()
        assert (filled["city"] == gappy["city"])[there].all()
        told = quick(encoder=TableEncoder(missing_indicator=True)).fit(gappy)
        kept = told.vary(gappy, 0.05, random_state=0)
        assert_array_equal(kept.isna().to_numpy(), gappy.isna().to_numpy())

    def test_the_same_seed_draws_the_same(self, gaussian):
        one, other, third = (
            gaussian.sampler.vary(gaussian.fresh, 1.0, random_state=seed) for seed in (0, 0, 1)
        )
        assert_array_equal(one, other)
        assert (one != third).all()


class TestNoise:
    def test_that_rows_have_is_part_of_the_level(self, quick, gaussian):
        own = 0.3 * gaussian.X.std(axis=0)
        sampler = quick(data_noise=own).fit(gaussian.X[:300])
        with pytest.raises(ValueError, match=r"sigma_min=0\.34"):
            sampler.vary(gaussian.fresh, 0.3)
        assert sampler.vary(gaussian.fresh, 0.5).shape == gaussian.fresh.shape

    @pytest.mark.parametrize("noise", [0.0, 0.005, 20.5, np.nan, "much", None, [0.1]])
    def test_out_of_range(self, gaussian, noise):
        with pytest.raises(ValueError, match=r"above sigma_min=0\.005 .* sigma_max=20 "):
            gaussian.sampler.vary(gaussian.fresh, noise)

    def test_other_columns(self, gaussian):
        with pytest.raises(ValueError, match="5 features"):
            gaussian.sampler.vary(gaussian.fresh[:, :3], 1.0)
