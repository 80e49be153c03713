"""Randomness, rows by themselves, and the imputer among scikit-learn's tools."""

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

import skdiffusion
from skdiffusion import DenoiserNet, TableEncoder
from skdiffusion.diffusion import SOLVERS
from skdiffusion.model import drawing

SCRIPT = """
import pickle, sys
import torch
torch.set_num_threads(1)
with open(sys.argv[1], "rb") as file:
    imputer, rows = pickle.load(file)
with open(sys.argv[2], "wb") as file:
    drawn = imputer.sample_imputations(rows, 1, random_state=0)[0]
    pickle.dump([imputer.transform(rows), drawn], file)
"""


def table(n=60):
    X = np.random.default_rng(0).normal(size=(n, 3))
    X[np.random.default_rng(1).random(X.shape) < 0.3] = np.nan
    X[5] = np.nan
    X[6] = [0.5, -0.5, 0.0]
    return X


@pytest.fixture(scope="module")
def fitted(quick):
    return quick().fit(table())


def in_double(imputer):
    """The same imputer with networks of double precision, in which rows agree to its digits."""
    imputer = copy.deepcopy(imputer)
    for model in imputer.models_:
        model.denoiser.net.double()
    return imputer


def changed(imputer, **options):
    return copy.copy(imputer).set_params(**options)


class TestRowsByThemselves:
    @pytest.mark.parametrize("strategy", ["mean", "draw"])
    def test_repetition_batch_and_order(self, fitted, strategy, monkeypatch):
        imputer, X = in_double(changed(fitted, strategy=strategy)), table()
        whole = imputer.transform(X)
        assert_array_equal(imputer.transform(X), whole)
        alone = np.concatenate([imputer.transform(row[None]) for row in X[:12]])
        assert_allclose(alone, whole[:12], rtol=0, atol=1e-9)
        order = np.random.default_rng(2).permutation(len(X))
        assert_allclose(imputer.transform(X[order]), whole[order], rtol=0, atol=1e-9)
        monkeypatch.setattr(drawing, "CHUNK_ROWS", 7)
        assert_allclose(imputer.transform(X), whole, rtol=0, atol=1e-9)

    @pytest.mark.parametrize("strategy", ["mean", "draw"])
    def test_in_single_precision(self, fitted, strategy):
        """What a network is given may round up or down."""
        imputer = changed(fitted, strategy=strategy)
        alone = np.concatenate([imputer.transform(row[None]) for row in table()[:12]])
        assert_allclose(alone, imputer.transform(table())[:12], rtol=0, atol=1e-7)

    @pytest.mark.parametrize("solver", ["ancestral", SOLVERS["ancestral"]])
    def test_with_a_stochastic_solver(self, fitted, solver):
        imputer = in_double(fitted)
        sampling = replace(fitted.models_[0].sampling, solver=solver)
        imputer.models_ = [replace(model, sampling=sampling) for model in imputer.models_]
        alone = np.concatenate([imputer.transform(row[None]) for row in table()[:9]])
        assert_allclose(alone, imputer.transform(table())[:9], rtol=0, atol=1e-9)

    def test_rare_categories_do_not_depend_on_other_rows(self, quick, frame):
        encoder = TableEncoder(min_frequency=0.6)
        imputer = quick(strategy="draw", encoder=encoder).fit(frame[["x", "city"]])
        rows = pd.DataFrame({"x": np.linspace(-2, 2, 60), "city": [None] * 60}, dtype=object)
        rows["x"] = rows["x"].astype(float)
        whole = imputer.transform(rows)
        assert whole["city"].nunique() > 2
        assert_frame_equal(imputer.transform(rows[20:]), whole[20:])

    def test_draws_differ_between_rows_that_differ(self, fitted):
        X = np.column_stack([np.linspace(-1, 1, 41), np.full((41, 2), np.nan)])
        X[40] = X[0]
        imputer = in_double(changed(fitted, strategy="draw"))
        filled = imputer.transform(X)
        assert len(np.unique(filled[:40, 1])) > 35
        assert_allclose(filled[40], filled[0], rtol=0, atol=1e-9)
        # what one row has beyond its expectation, another has not
        residual = filled[:40, 1:] - changed(imputer, strategy="mean").transform(X)[:40, 1:]
        assert residual.std(axis=0).min() > 0.25

    def test_known_rows_come_back(self, fitted):
        X = table()
        assert_array_equal(fitted.transform(X)[6], X[6])


class TestRandomness:
    def test_imputations_differ_and_are_reproducible(self, fitted):
        X = table()
        first, second, other = (
            fitted.sample_imputations(X, 3, random_state=seed) for seed in (0, 0, 1)
        )
        assert len(first) == 3
        gap = np.isnan(X)
        for k in range(3):
            assert_array_equal(first[k], second[k])
            assert_array_equal(first[k][~gap], X[~gap])
            # but for those that meet the ends of their column
            assert np.mean(first[k][gap] == other[k][gap]) < 0.1
        assert np.mean(first[0][gap] == first[1][gap]) < 0.1

    def test_imputations_of_equal_rows_differ(self, fitted):
        X = np.tile([0.3, np.nan, np.nan], (20, 1))
        assert len(np.unique(fitted.sample_imputations(X, 1)[0][:, 1])) == 20

    def test_imputations_without_a_seed_differ(self, fitted):
        one, two = (fitted.sample_imputations(table(), 1)[0] for _ in range(2))
        assert not np.array_equal(one, two)

    def test_the_seed_decides(self, quick):
        first, same, other = (quick(random_state=k).fit_transform(table()) for k in (0, 0, 1))
        assert_array_equal(first, same)
        assert not np.array_equal(first, other)

    def test_a_seed_of_the_sampler_is_kept(self, quick):
        fits = [quick(random_state=k).set_params(sampler__random_state=5) for k in (0, 1)]
        models = [imputer.fit(table()).models_[0] for imputer in fits]
        Z = models[0].encoder.transform(table()[:5])
        assert_array_equal(*(model.log_prob(Z) for model in models))

    def test_nothing_but_fit_changes_it(self, fitted):
        # hashed by its own state: a model is copied when it is pickled
        before = joblib.hash([*map(vars, fitted.models_), fitted.get_params()])
        X = table()
        given = joblib.hash(X)
        fitted.transform(X)
        fitted.sample_imputations(X, 2)
        after = joblib.hash([*map(vars, fitted.models_), fitted.get_params()])
        assert after == before
        assert joblib.hash(X) == given


class TestComposition:
    def test_clone(self, quick):
        imputer = quick(strategy="draw", n_draws=3)
        copied = clone(imputer)
        assert copied.sampler is not imputer.sampler
        assert copied.get_params()["sampler__denoiser__module__width"] == 8
        assert (copied.strategy, copied.n_draws) == ("draw", 3)
        imputer.fit(table())
        assert set(vars(clone(imputer))) == set(imputer.get_params(deep=False))
        assert not hasattr(imputer.sampler, "model_")

    def test_pickle_in_a_fresh_process(self, fitted, tmp_path):
        (tmp_path / "in.pkl").write_bytes(pickle.dumps((fitted, table())))
        path = [str(Path(skdiffusion.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "in.pkl"), str(tmp_path / "out.pkl")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            check=True,
            timeout=300,
        )
        transformed, drawn = pickle.loads((tmp_path / "out.pkl").read_bytes())
        assert_array_equal(transformed, fitted.transform(table()))
        assert_array_equal(drawn, fitted.sample_imputations(table(), 1, random_state=0)[0])

    def test_names_and_set_output(self, quick, frame):
        imputer = quick().fit(frame[["x", "city"]])
        assert_array_equal(imputer.get_feature_names_out(), ["x", "city"])
        arrays = quick().fit(table())
        assert_array_equal(arrays.get_feature_names_out(), ["x0", "x1", "x2"])
        filled = arrays.set_output(transform="pandas").transform(table())
        assert filled.columns.tolist() == ["x0", "x1", "x2"]
        assert_array_equal(filled.to_numpy(), quick().fit(table()).transform(table()))
        polars = arrays.set_output(transform="polars").transform(table())
        assert polars.columns == ["x0", "x1", "x2"]

    def test_before_a_classifier_in_a_search(self, quick):
        X = table()
        y = np.nan_to_num(X[:, 0]) > 0
        pipeline = make_pipeline(quick(), LogisticRegression())
        grid = {
            "diffusionimputer__strategy": ["draw"],
            "diffusionimputer__sampler__n_steps": [2, 4],
        }
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.predict(X).shape == (60,)
        assert search.score(X, y) > 0.6


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"strategy": "median"}, r"strategy must be one of \('mean', 'draw'\), got 'median'"),
            ({"n_models": 0}, "n_models must be at least 1, a whole number, got 0"),
            ({"n_draws": 0}, "n_draws must be at least 1, a whole number, got 0"),
            ({"n_draws": 2.5}, "n_draws must be at least 1, a whole number"),
            ({"solver": "nonsense"}, "'solver' parameter"),
        ],
    )
    def test_parameters(self, quick, options, said):
        with pytest.raises(ValueError, match=said):
            quick(**options).fit(table())

    @pytest.mark.parametrize("n", [0, -1, 1.5])
    def test_number_of_imputations(self, fitted, n):
        with pytest.raises(ValueError, match="n_imputations must be at least 1, a whole number"):
            fitted.sample_imputations(table(), n)

    def test_nothing_to_learn(self, quick):
        with pytest.raises(ValueError, match="Every column of X is constant"):
            quick().fit(np.full((9, 2), np.nan))

    def test_other_columns(self, fitted):
        with pytest.raises(ValueError, match="2 features, but DiffusionImputer is expecting 3"):
            fitted.transform(table()[:, :2])

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
    def test_a_failed_fit_leaves_it_unfitted(self, quick, stop, monkeypatch):
        imputer = quick().fit(table())

        def fail(*args, **kwargs):
            raise stop("stopped")

        monkeypatch.setattr(DenoiserNet, "get_loss", fail)
        with pytest.raises(stop):
            imputer.fit(table())
        assert set(vars(imputer)) == set(imputer.get_params(deep=False))
        with pytest.raises(NotFittedError):
            check_is_fitted(imputer)
        for call in (imputer.transform, imputer.sample_imputations):
            with pytest.raises(NotFittedError):
                call(table())
