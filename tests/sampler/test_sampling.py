"""What the drawn rows are like: given a target, by any solver, of any noise process."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import balanced_accuracy_score

from skdiffusion.diffusion import SOLVERS, karras
from skdiffusion.diffusion.schedule import SCHEDULES
from skdiffusion.model import drawing


def changed(sampler, **parameters):
    """A fitted sampler with other parameters of sampling."""
    return copy.copy(sampler).set_params(**parameters)


BASELINES = ("auto", "mixture", "gaussian", None)


class TestRows:
    def test_follow_the_distribution(self, gaussian):
        rows = gaussian.sampler.sample(3000, random_state=0)
        scale = np.sqrt(np.diag(gaussian.truth.cov))
        assert_allclose((rows.mean(axis=0) - gaussian.truth.mean) / scale, 0, atol=0.12)
        ratio = np.cov(rows.T) / np.outer(scale, scale)
        assert_allclose(ratio, gaussian.truth.cov / np.outer(scale, scale), atol=0.15)

    def test_are_new(self, gaussian):
        rows = gaussian.sampler.sample(200, random_state=0)
        assert len(np.unique(rows, axis=0)) == 200
        assert not (rows[:, None] == gaussian.X[None]).all(axis=-1).any()

    def test_one_by_default(self, gaussian):
        assert gaussian.sampler.sample().shape == (1, 5)

    @pytest.mark.parametrize("n_samples", [0, -1])
    def test_at_least_one(self, gaussian, n_samples):
        with pytest.raises(ValueError, match="n_samples must be at least 1"):
            gaussian.sampler.sample(n_samples)


class TestClasses:
    @pytest.mark.parametrize("name", ["blue", "green", "red"])
    def test_one_for_all(self, blobs, name):
        rows = blobs.sampler.sample(300, y=name, random_state=0)
        own = rows[blobs.class_of(rows) == name]
        assert len(own) > 0.97 * len(rows)
        assert_allclose(rows.mean(axis=0), blobs.centres[name], atol=0.25)
        # a row in another class, eight deviations off, would tell more than all others
        assert_allclose(own.std(axis=0), blobs.std, rtol=0.25)

    def test_one_for_each(self, blobs):
        y = np.tile(["red", "blue", "green", "red"], 50)
        rows = blobs.sampler.sample(y=y, random_state=0)
        assert rows.shape == (200, 2)
        assert np.mean(blobs.class_of(rows) != y) < 0.03

    def test_one_for_each_across_chunks(self, blobs, monkeypatch):
        monkeypatch.setattr(drawing, "CHUNK_ROWS", 30)
        y = np.repeat(["red", "blue", "green"], 25)
        assert np.mean(blobs.class_of(blobs.sampler.sample(y=y, random_state=0)) != y) < 0.05

    def test_are_returned_as_given(self, blobs):
        y = ["red", "blue", "green"]
        _, drawn = blobs.sampler.sample(3, y=y, return_y=True)
        assert_array_equal(drawn, y)
        _, drawn = blobs.sampler.sample(4, y="green", return_y=True)
        assert_array_equal(drawn, ["green"] * 4)

    @pytest.mark.parametrize("n_samples", [1, 50, 333])
    def test_have_the_frequencies_of_fit(self, blobs, n_samples):
        _, y = blobs.sampler.sample(n_samples, return_y=True, random_state=1)
        for name in blobs.classes:
            expected = n_samples * np.mean(blobs.y == name)
            assert abs(np.sum(y == name) - expected) < 1

    def test_come_in_random_order(self, blobs):
        _, y = blobs.sampler.sample(200, return_y=True, random_state=0)
        assert 60 < np.sum(y[1:] != y[:-1]) < 180

    def test_belong_to_their_rows(self, blobs):
        rows, y = blobs.sampler.sample(300, return_y=True, random_state=0)
        assert balanced_accuracy_score(y, blobs.class_of(rows)) > 0.97

    def test_without_y_the_rows_are_of_all_classes(self, blobs):
        drawn = blobs.class_of(blobs.sampler.sample(400, random_state=0))
        for name in blobs.classes:
            assert abs(np.mean(drawn == name) - np.mean(blobs.y == name)) < 0.04

    def test_returning_y_changes_no_row(self, blobs):
        rows, _ = blobs.sampler.sample(9, return_y=True, random_state=0)
        assert_array_equal(rows, blobs.sampler.sample(9, random_state=0))

    def test_unseen(self, blobs):
        with pytest.raises(ValueError, match=r"unknown categories 'purple' in column 'y'"):
            blobs.sampler.sample(3, y="purple")
        with pytest.raises(ValueError, match="purple"):
            blobs.sampler.sample(y=["red", "purple"])

    def test_numbers_of_rows_disagree(self, blobs):
        with pytest.raises(ValueError, match="y has 2 entries, but n_samples=3"):
            blobs.sampler.sample(3, y=["red", "blue"])

    @pytest.mark.parametrize("asked", [{"y": "red"}, {"return_y": True}])
    def test_without_target_in_fit(self, gaussian, asked):
        with pytest.raises(ValueError, match=r"no target.*fitted without y"):
            gaussian.sampler.sample(3, **asked)


class TestGuidance:
    def test_exaggerates_the_class(self, blobs):
        """Towards where the class is more probable: away from the others, and less spread."""
        plain, guided = (
            changed(blobs.sampler, guidance_scale=scale).sample(200, y="green", random_state=0)
            for scale in (1.0, 3.0)
        )
        away = blobs.centres["green"] - blobs.X.mean(axis=0)
        assert guided.mean(axis=0) @ away > plain.mean(axis=0) @ away
        assert np.prod(guided.std(axis=0)) < 0.7 * np.prod(plain.std(axis=0))
        assert_array_equal(blobs.class_of(guided), "green")

    def test_zero_ignores_the_class(self, blobs):
        ignorant = changed(blobs.sampler, guidance_scale=0.0)
        red, blue = (ignorant.sample(100, y=name, random_state=0) for name in ("red", "blue"))
        assert_allclose(red, blue, atol=1e-9)
        assert len(np.unique(blobs.class_of(red))) == 3


class TestNumericTarget:
    @pytest.mark.parametrize("value", [-1.0, 2.0])
    def test_conditional_distribution(self, regression, value):
        rows = regression.sampler.sample(500, y=value, random_state=0)
        assert_allclose(rows[:, 0].mean(), value, atol=0.12)
        assert_allclose(rows[:, 0].std(), regression.noise, rtol=0.25)
        assert_allclose(rows[:, 1].mean(), 0, atol=0.25)
        assert_allclose(rows[:, 1].std(), 1, rtol=0.2)

    def test_one_for_each(self, regression):
        y = np.linspace(-2, 2, 300)
        rows = regression.sampler.sample(y=y, random_state=0)
        residual = rows[:, 0] - y
        assert abs(residual.mean()) < 0.1
        assert_allclose(residual.std(), regression.noise, rtol=0.25)

    def test_is_drawn_together_with_the_rows(self, regression):
        rows, y = regression.sampler.sample(1000, return_y=True, random_state=0)
        assert_allclose(np.mean(y), 0, atol=0.15)
        assert_allclose(np.std(y), 1, rtol=0.12)
        assert_allclose(np.std(rows[:, 0] - y), regression.noise, rtol=0.3)
        assert abs(np.corrcoef(rows[:, 1], y)[0, 1]) < 0.2

    def test_is_returned_as_given(self, regression):
        _, y = regression.sampler.sample(y=[0.25, -1.5], return_y=True)
        assert_allclose(y, [0.25, -1.5])


class TestTargetTypes:
    X = np.random.default_rng(0).normal(size=(60, 2))
    name = np.array(["no", "yes"])[np.arange(60) % 2]

    @pytest.mark.parametrize(
        "y",
        [
            pd.Series(name, name="answer", index=np.arange(60) + 7),
            pd.Series(name, name="answer", dtype="category"),
            pd.Series(name == "yes", name="answer"),
            pd.Series(X[:, 0].astype(np.float32), name="answer"),
            pd.Series(np.arange(60), name="answer", dtype="Int64"),
        ],
        ids=lambda y: str(y.dtype),
    )
    def test_pandas(self, quick, y):
        _, drawn = quick().fit(self.X, y).sample(5, return_y=True)
        assert isinstance(drawn, pd.Series)
        assert drawn.dtype == y.dtype
        assert drawn.name == "answer"
        assert drawn.index.tolist() == list(range(5))

    @pytest.mark.parametrize(
        "y",
        [
            pl.Series("answer", name.tolist()),
            pl.Series("answer", name == "yes"),
            pl.Series("answer", X[:, 0], dtype=pl.Float32),
        ],
        ids=lambda y: str(y.dtype),
    )
    def test_polars(self, quick, y):
        _, drawn = quick().fit(self.X, y).sample(5, return_y=True)
        assert isinstance(drawn, pl.Series)
        assert drawn.dtype == y.dtype
        assert drawn.name == "answer"

    @pytest.mark.parametrize("wanted", [pd.Series, pl.Series, np.array, list])
    def test_wanted_classes_in_any_container(self, quick, wanted):
        sampler = quick().fit(self.X, self.name)
        rows, drawn = sampler.sample(y=wanted(["yes", "no"]), return_y=True)
        assert rows.shape == (2, 2)
        assert_array_equal(drawn, ["yes", "no"])

    def test_booleans(self, quick):
        _, drawn = quick().fit(self.X, self.name == "yes").sample(6, y=True, return_y=True)
        assert drawn.dtype == bool
        assert drawn.all()

    def test_a_single_class(self, quick):
        """It says nothing, and comes back."""
        sampler = quick().fit(self.X, np.full(60, 3))
        rows, drawn = sampler.sample(4, y=3, return_y=True)
        assert np.isfinite(rows).all()
        assert_array_equal(drawn, 3)

    def test_a_class_of_one_row(self, quick):
        y = np.array(["rare"] + ["common"] * 59)
        assert np.isfinite(quick().fit(self.X, y).sample(20, y="rare")).all()


class TestSolvers:
    @pytest.mark.parametrize("name", SOLVERS)
    def test_each_draws_the_wanted_class(self, blobs, name, global_random_seed):
        sampler = changed(blobs.sampler, solver=name)
        rows = sampler.sample(100, y="green", random_state=global_random_seed)
        assert np.isfinite(rows).all()
        assert np.mean(blobs.class_of(rows) != "green") < 0.06
        assert_allclose(rows.mean(axis=0), blobs.centres["green"], atol=0.4)

    def test_a_function_serves_like_its_name(self, gaussian):
        by_name = changed(gaussian.sampler, solver="heun")
        by_function = changed(gaussian.sampler, solver=SOLVERS["heun"])
        assert_array_equal(by_name.sample(5, random_state=0), by_function.sample(5, random_state=0))

    def test_a_function_of_ones_own(self, gaussian):
        """One that ends in zero codes, which stand for the means of the columns."""

        def stop_at_zero(denoiser, x, sigmas, *, generator=None):
            yield x
            yield torch.zeros_like(x)

        rows = changed(gaussian.sampler, solver=stop_at_zero).sample(3)
        assert_allclose(rows, np.tile(gaussian.X.mean(axis=0), (3, 1)))

    def test_is_given_the_noise_levels_wanted(self, gaussian):
        """Down from the largest, or from that of the rows that draws start from."""
        seen = []

        def watching(denoiser, x, sigmas, *, generator=None):
            seen.append(sigmas)
            yield x

        sampler = changed(gaussian.sampler, solver=watching, n_steps=7)
        sampler.sample(2)
        starts = sampler.model_.starts
        sampler._model = replace(sampler._model, starts=None)
        sampler.sample(2)
        for sigmas, highest in zip(seen, (starts.sigma, 20.0), strict=True):
            assert_array_equal(sigmas, karras(0.005, highest, 7))


class TestNoise:
    @pytest.mark.parametrize("schedule", SCHEDULES)
    def test_each_schedule_trains_and_samples(self, quick, gaussian, schedule):
        X = gaussian.X[:300]
        sampler = quick(n_steps=40).set_params(denoiser__schedule=schedule).fit(X)
        assert np.isfinite(sampler.history_[:, "train_loss"]).all()
        rows = sampler.sample(300, random_state=0)
        assert_allclose(rows.std(axis=0) / X.std(axis=0), 1, atol=0.3)
        assert_allclose((rows.mean(axis=0) - X.mean(axis=0)) / X.std(axis=0), 0, atol=0.3)

    @pytest.mark.parametrize("baseline", BASELINES)
    def test_each_baseline_trains_and_samples(self, quick, gaussian, baseline):
        X = gaussian.X[:300]
        rows = quick(baseline=baseline).fit(X).sample(300, random_state=0)
        assert_allclose(rows.std(axis=0) / X.std(axis=0), 1, atol=0.3)


class TestOptions:
    @pytest.mark.parametrize(
        ("parameter", "allowed"),
        [
            ("solver", list(SOLVERS)),
            ("denoiser__schedule", ["edm", *SCHEDULES]),
            ("baseline", [str(name) for name in BASELINES]),
            ("target", ["auto", "categorical", "continuous"]),
        ],
    )
    def test_a_wrong_name_names_the_right_ones(self, quick, parameter, allowed):
        X, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
        with pytest.raises(ValueError, match="nonsense") as error:
            quick().set_params(**{parameter: "nonsense"}).fit(X, y)
        message = str(error.value)
        assert parameter.removeprefix("denoiser__") in message
        assert all(name in message for name in allowed)

    @pytest.mark.parametrize("low, high", [(0, 1), (-1, 1), (2, 1), (1, 1), (0.1, np.nan)])
    def test_noise_levels_out_of_order(self, quick, low, high):
        sampler = quick().set_params(denoiser__sigma_min=low, denoiser__sigma_max=high)
        with pytest.raises(ValueError, match="0 < sigma_min < sigma_max, got"):
            sampler.fit(np.random.default_rng(0).normal(size=(20, 2)))
