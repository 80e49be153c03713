"""One verb, one meaning, over all estimators; what is fitted and public is documented."""

import inspect
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression

import skdiffusion._base
from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionImputer,
    DiffusionManifoldSampler,
    DiffusionOversampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding

NET = DenoiserNet(max_epochs=1, steps_per_epoch=2, module__width=8, module__depth=1)
SAMPLER = DiffusionManifoldSampler(denoiser=NET, baseline="gaussian", n_steps=4, random_state=0)
SMOOTHER = RiemannianKernelSmoother(bandwidth=0.3, random_state=0)
GENERATIVE = [SAMPLER, SMOOTHER, OperatorScoreMatching(random_state=0)]
WITH_INVERSE = [*GENERATIVE[:2], TableEncoder(), AutoencoderEmbedding(), InvertibleEmbedding()]
X, Y = load_iris(return_X_y=True)
RARE = np.r_[0:60, 100:110]

# how each estimator is fitted
FITS = {
    "sampler": lambda: clone(SAMPLER).fit(X, Y),
    "smoother": lambda: clone(SMOOTHER).fit(X, Y),
    "operator": lambda: clone(GENERATIVE[2]).fit(X[:, :2]),
    "detector": lambda: DiffusionAnomalyDetector(method=("neighbors", "kernel")).fit(X),
    "imputer": lambda: DiffusionImputer(sampler=SAMPLER, n_models=1, n_draws=2).fit(X),
    "oversampler": lambda: resampled(DiffusionOversampler(sampler=SAMPLER), X[RARE], Y[RARE]),
    "encoder": lambda: TableEncoder().fit(X),
    "embedding": lambda: InvertibleEmbedding(AutoencoderEmbedding(max_epochs=1)).fit(X),
}


def resampled(estimator, X, y):
    estimator.fit_resample(X, y)
    return estimator


@pytest.fixture(scope="module")
def sampler():
    return FITS["sampler"]()


def named(estimators):
    return {"argvalues": estimators, "ids": [type(e).__name__ for e in estimators]}


class TestSignatures:
    @pytest.mark.parametrize("estimator", **named([*GENERATIVE, DiffusionAnomalyDetector()]))
    def test_sample(self, estimator):
        parameters = list(inspect.signature(estimator.sample).parameters.values())
        assert (parameters[0].name, parameters[0].default) == ("n_samples", 1)
        assert all(p.kind is p.KEYWORD_ONLY for p in parameters[1:])
        assert parameters[-1].name == "random_state"
        assert not {"given", "method", "return_acceptance"} & {p.name for p in parameters}

    @pytest.mark.parametrize("estimator", **named(GENERATIVE[:2]))
    def test_those_with_conditions_are_equal(self, estimator):
        assert inspect.signature(estimator.sample) == inspect.signature(SAMPLER.sample)
        assert inspect.signature(estimator.impute) == inspect.signature(SAMPLER.impute)
        assert inspect.signature(estimator.denoise) == inspect.signature(SAMPLER.denoise)
        assert inspect.signature(estimator.vary) == inspect.signature(SAMPLER.vary)

    @pytest.mark.parametrize("estimator", **named(WITH_INVERSE))
    def test_inverse_transform_takes_X(self, estimator):
        assert next(iter(inspect.signature(estimator.inverse_transform).parameters)) == "X"

    def test_the_sampler_has_few_parameters_and_methods(self):
        kind = type(SAMPLER)
        own = [n for n in dir(kind) if not n.startswith("_") and callable(getattr(kind, n))]
        inherited = {"get_params", "set_params", "set_output", "get_feature_names_out"}
        inherited |= {"fit_transform", "get_metadata_routing"}
        own = [n for n in own if n not in inherited and not n.endswith("_request")]
        assert len(SAMPLER.get_params(deep=False)) <= 16
        assert len(own) <= 11


class TestSample:
    """The same kind of thing for the same arguments."""

    @pytest.mark.parametrize("conditions", [None, {0: 5.0}, {0: (5.0, None)}])
    def test_rows_alone_or_with_targets(self, sampler, conditions):
        options = {"conditions": conditions, "random_state": 0}
        assert isinstance(sampler.sample(3, **options), np.ndarray)
        X, y = sampler.sample(3, return_y=True, **options)
        assert (X.shape, y.shape) == ((3, 4), (3,))

    def test_acceptance_is_a_method_of_its_own(self, sampler):
        assert sampler.acceptance_rate({0: 5.0}, n_samples=10, random_state=0) == 1.0
        assert 0 < sampler.acceptance_rate({0: (5.0, None)}, random_state=0) < 1


class TestFittedState:
    @pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
    def test_what_is_public_is_documented(self, fit):
        estimator = fit()
        doc = inspect.getdoc(type(estimator))
        section = re.search(r"Attributes\n-+\n(.*?)\n\n[A-Z]", doc, re.DOTALL)
        names = re.findall(r"^(\w[\w, ]*) :", section[1] if section else "", re.MULTILINE)
        documented = {name for line in names for name in line.split(", ")}
        public = {n for n in vars(estimator) if n.endswith("_") and not n.startswith("_")}
        assert public - documented == set()


class TestOneReading:
    """X is validated once and encoded once, in `fit` and in `score_samples`."""

    @pytest.fixture
    def count(self, monkeypatch):
        counts = {"validate": 0, "encode": 0}
        validate, encode = skdiffusion._base.validate_table, TableEncoder.encode_columns

        # the target has an encoder of its own, of one column
        def counted_validate(estimator, X, **options):
            counts["validate"] += np.shape(X)[1] > 1
            return validate(estimator, X, **options)

        def counted_encode(self, columns):
            counts["encode"] += len(columns) > 1
            return encode(self, columns)

        for module in ("_base", "tables.row_source", "tables.encoder"):
            monkeypatch.setattr(f"skdiffusion.{module}.validate_table", counted_validate)
        monkeypatch.setattr(TableEncoder, "encode_columns", counted_encode)
        return counts

    @pytest.mark.parametrize("estimator", **named(GENERATIVE[:2]))
    @pytest.mark.parametrize("table", ["plain", "geometric"])
    def test_once(self, estimator, table, count):
        data = (X, Y) if table == "plain" else make_regression(120, 4, random_state=0)
        estimator = clone(estimator).fit(*data)
        assert count == {"validate": 1, "encode": 1}
        count.update(validate=0, encode=0)
        estimator.score_samples(data[0][:5])
        assert count == {"validate": 1, "encode": 1}
