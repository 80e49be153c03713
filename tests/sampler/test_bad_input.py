"""Input that cannot be learned gets a clear error, input at the edge a sensible result."""

import copy
from datetime import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skdiffusion import DenoiserNet, DiffusionManifoldSampler

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.arange(60) % 2


@pytest.fixture(scope="module")
def fitted(quick):
    return quick().fit(X)


def with_cell(value):
    rows = X.copy()
    rows[3, 1] = value
    return rows


def assert_not_fitted(sampler):
    with pytest.raises(NotFittedError):
        check_is_fitted(sampler)
    assert set(vars(sampler)) == set(sampler.get_params(deep=False))
    for call in (sampler.sample, lambda: sampler.score_samples(X), lambda: sampler.transform(X)):
        with pytest.raises(NotFittedError):
            call()


class TestCells:
    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_not_finite(self, quick, fitted, value):
        for method in (quick().fit, fitted.score_samples, fitted.score, fitted.transform):
            with pytest.raises(ValueError, match="infinity"):
                method(with_cell(value))

    def test_rows_with_gaps_have_no_latents(self, fitted):
        fitted, whole = copy.deepcopy(fitted), np.arange(60) != 3
        # to the digits of double precision
        fitted.model_.denoiser.net.double()
        latents = fitted.transform(with_cell(np.nan))
        assert np.isnan(latents[3]).all()
        assert_allclose(latents[whole], fitted.transform(X)[whole], rtol=0, atol=1e-9)

    def test_infinity_in_a_frame_names_the_column(self, quick):
        frame = pd.DataFrame(with_cell(np.inf), columns=["a", "broken", "c"])
        with pytest.raises(ValueError, match="infinity in column 'broken'"):
            quick().fit(frame)

    def test_times_of_day_name_the_column(self, quick):
        times = [time(hour % 24) for hour in range(60)]
        with pytest.raises(TypeError, match="'when': it holds Time"):
            quick().fit(pl.DataFrame({"whole": X[:, 0], "when": times}))

    def test_not_a_table(self, quick):
        with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
            quick().fit(X[:, 0])


class TestFewRows:
    @pytest.mark.parametrize("empty", [X[:0], pd.DataFrame(X)[:0], pl.DataFrame(X)[:0]])
    def test_none(self, quick, empty):
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            quick().fit(empty)

    def test_none_to_score(self, fitted):
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            fitted.score_samples(X[:0])

    def test_one(self, quick):
        with pytest.raises(ValueError, match="n_samples=1: give at least 2"):
            quick().fit(X[:1])

    @pytest.mark.parametrize("n", [2, 5])
    def test_very_few(self, quick, n):
        sampler = quick().fit(X[:n], Y[:n])
        assert np.isfinite(sampler.sample(20)).all()
        assert np.isfinite(sampler.score_samples(X[:n])).all()

    def test_duplicates_only(self, quick):
        with pytest.raises(ValueError, match="Every column of X is constant"):
            quick().fit(np.repeat(X[:1], 30, axis=0))

    def test_two_distinct_rows(self, quick):
        sampler = quick().fit(np.repeat(X[:2], 30, axis=0))
        rows = sampler.sample(20)
        assert np.isfinite(rows).all()
        assert np.isfinite(sampler.score_samples(X[:2])).all()


class TestColumns:
    def test_a_constant_one_comes_back(self, quick):
        frame = pd.DataFrame(X, columns=list("abc")).assign(fixed=7.5, only="here", d=X[:, 0] ** 2)
        sampler = quick().fit(frame)
        rows = sampler.sample(30)
        assert rows.columns.tolist() == frame.columns.tolist()
        assert (rows["fixed"] == 7.5).all()
        assert (rows["only"] == "here").all()
        assert np.isfinite(sampler.score_samples(frame)).all()
        assert (sampler.inverse_transform(sampler.transform(frame[:4]))["fixed"] == 7.5).all()

    def test_all_constant(self, quick):
        with pytest.raises(ValueError, match="Every column of X is constant"):
            quick().fit(np.tile([1.0, 2.0], (30, 1)), Y[:30])

    def test_none(self, quick):
        with pytest.raises(ValueError, match=r"0 feature\(s\)"):
            quick().fit(X[:, :0])

    def test_copies_of_each_other(self, quick):
        """Their covariance is singular."""
        sampler = quick().fit(np.column_stack([X[:, 0], X[:, 0], 2 * X[:, 0], X[:, 1]]))
        rows = sampler.sample(50, random_state=0)
        assert np.isfinite(rows).all()
        assert np.corrcoef(rows[:, 0], rows[:, 2])[0, 1] > 0.9

    def test_a_thousand_of_them(self):
        wide = np.random.default_rng(0).normal(size=(60, 1000))
        net = DenoiserNet(max_epochs=1, steps_per_epoch=3, module__width=32, module__depth=1)
        sampler = DiffusionManifoldSampler(
            denoiser=net, n_likelihood_steps=2, n_steps=8, random_state=0
        )
        rows = sampler.fit(wide).sample(20, random_state=0)
        assert np.isfinite(sampler.history_[:, ("train_loss", "valid_loss")]).all()
        assert rows.shape == (20, 1000)
        assert np.isfinite(rows).all()
        assert 0.6 < rows.std() < 1.4
        assert np.isfinite(sampler.score_samples(wide[:2])).all()

    @pytest.mark.parametrize("factor", [1e-100, 1e100])
    def test_extreme_units(self, quick, factor):
        sampler = quick().fit(X * factor)
        ratio = (sampler.sample(200, random_state=0) / factor).std(axis=0)
        assert np.all((ratio > 0.5) & (ratio < 2))
        assert np.isfinite(sampler.score_samples(X * factor)).all()

    def test_an_outlier_among_ordinary_rows(self, quick):
        sampler = quick().fit(np.vstack([X, [1e8, 0, 0]]))
        rows = sampler.sample(100, random_state=0)
        assert np.isfinite(rows).all()
        assert np.abs(np.median(rows[:, 0])) < 2


class TestTarget:
    @pytest.mark.parametrize("n", [59, 61])
    def test_other_length(self, quick, n):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            quick().fit(X, np.arange(n) % 2)

    @pytest.mark.parametrize("value, said", [(np.nan, "NaN"), (np.inf, "infinity")])
    def test_not_finite(self, quick, value, said):
        with pytest.raises(ValueError, match=f"y contains {said}"):
            quick().fit(X, np.where(Y, value, 1.0))

    def test_missing_class(self, quick):
        with pytest.raises(ValueError, match=r"NaN|missing"):
            quick().fit(X, pd.Series(["a", None] * 30))

    def test_two_columns(self, quick):
        with pytest.raises(ValueError, match="y should be a 1d array"):
            quick().fit(X, X[:, :2])

    def test_not_a_number_to_sample(self, quick):
        sampler = quick().fit(X, X[:, 0])
        with pytest.raises(ValueError, match="y contains NaN"):
            sampler.sample(3, y=np.nan)


class TestUnfitted:
    def test_before_fit(self, quick):
        assert_not_fitted(quick())
        with pytest.raises(NotFittedError):
            quick().inverse_transform(X)

    @pytest.fixture(params=[KeyboardInterrupt, RuntimeError])
    def stopped(self, request, monkeypatch):
        """Stop the training at its fifth batch."""
        get_loss, calls = DenoiserNet.get_loss, []

        def stop(net, *args, **kwargs):
            calls.append(None)
            if len(calls) == 5:
                raise request.param("stopped")
            return get_loss(net, *args, **kwargs)

        def use():
            monkeypatch.setattr(DenoiserNet, "get_loss", stop)
            return request.param

        return use

    def test_after_a_stopped_fit(self, quick, stopped):
        sampler = quick()
        with pytest.raises(stopped(), match=r"stopped|^$"):
            sampler.fit(X, Y)
        assert_not_fitted(sampler)

    def test_after_a_stopped_second_fit(self, quick, stopped):
        sampler = quick().fit(X, Y)
        with pytest.raises(stopped(), match=r"stopped|^$"):
            sampler.fit(X)
        assert_not_fitted(sampler)

    @pytest.mark.parametrize(
        "bad", [{"X": with_cell(np.inf)}, {"X": X, "y": Y[:5]}, {"X": X[:1]}, {"X": 0 * X}]
    )
    def test_after_a_second_fit_on_bad_data(self, quick, bad):
        sampler = quick().fit(X, Y)
        with pytest.raises(ValueError):
            sampler.fit(**bad)
        assert_not_fitted(sampler)

    def test_after_a_second_fit_with_a_bad_parameter(self, quick):
        sampler = quick().fit(X).set_params(solver="nonsense")
        with pytest.raises(ValueError, match="solver"):
            sampler.fit(X)
        assert_not_fitted(sampler)

    def test_can_be_fitted_after_all(self, quick):
        sampler = quick()
        with pytest.raises(ValueError):
            sampler.fit(with_cell(np.inf))
        assert_array_equal(
            sampler.fit(X).sample(4, random_state=0), quick().fit(X).sample(4, random_state=0)
        )
