"""One verb, one meaning, over all estimators; what is fitted and public is documented."""

import inspect
import re

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_regression

import skdiffusion._base
from skdiffusion import (
    AugmentedEstimator,
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

NET = DenoiserNet(max_epochs=1, steps_per_epoch=5, module__width=8, module__depth=1)
SAMPLER = DiffusionManifoldSampler(denoiser=NET, random_state=0)
GENERATIVE = [SAMPLER, RiemannianKernelSmoother(bandwidth="scott"), OperatorScoreMatching()]
WITH_INVERSE = [*GENERATIVE[:2], TableEncoder(), AutoencoderEmbedding(), InvertibleEmbedding()]


def fitted_estimators():
    from sklearn.linear_model import LogisticRegression

    X, y = load_iris(return_X_y=True)
    rare = np.r_[0:60, 100:110]
    yield SAMPLER.fit(X, y)
    yield RiemannianKernelSmoother(bandwidth="scott", random_state=0).fit(X, y)
    yield OperatorScoreMatching(random_state=0).fit(X[:, :2])
    yield DiffusionAnomalyDetector(method=("neighbors", "kernel"), random_state=0).fit(X)
    yield DiffusionImputer(sampler=SAMPLER, n_models=1, n_draws=2, random_state=0).fit(X)
    oversampler = DiffusionOversampler(sampler=SAMPLER, random_state=0)
    oversampler.fit_resample(X[rare], y[rare])
    yield oversampler
    yield AugmentedEstimator(LogisticRegression(), sampler=SAMPLER, ratio=1.0).fit(X, y)
    yield TableEncoder().fit(X)
    yield InvertibleEmbedding(random_state=0, estimator=AutoencoderEmbedding(max_epochs=1)).fit(X)


FITTED = list(fitted_estimators())


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

    @pytest.mark.parametrize("estimator", **named(WITH_INVERSE))
    def test_inverse_transform_takes_X(self, estimator):
        assert next(iter(inspect.signature(estimator.inverse_transform).parameters)) == "X"

    def test_the_sampler_has_few_parameters_and_methods(self):
        own = [n for n in dir(SAMPLER) if not n.startswith("_") and callable(getattr(SAMPLER, n))]
        inherited = {"get_params", "set_params", "set_output", "get_feature_names_out"}
        inherited |= {"fit_transform", "get_metadata_routing"}
        own = [n for n in own if n not in inherited and not n.endswith("_request")]
        assert len(SAMPLER.get_params(deep=False)) <= 16
        assert len(own) <= 10


class TestSample:
    """The same kind of thing for the same arguments."""

    @pytest.mark.parametrize("conditions", [None, {0: 5.0}, {0: (5.0, None)}])
    def test_rows_alone_or_with_targets(self, conditions):
        sampler = FITTED[0]
        options = {"conditions": conditions, "random_state": 0}
        assert isinstance(sampler.sample(3, **options), np.ndarray)
        X, y = sampler.sample(3, return_y=True, **options)
        assert (X.shape, y.shape) == ((3, 4), (3,))

    def test_acceptance_is_a_method_of_its_own(self):
        sampler = FITTED[0]
        assert sampler.acceptance_rate({0: 5.0}, n_samples=10, random_state=0) == 1.0
        assert 0 < sampler.acceptance_rate({0: (5.0, None)}, random_state=0) < 1


class TestFittedState:
    @pytest.mark.parametrize("estimator", **named(FITTED))
    def test_what_is_public_is_documented(self, estimator):
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

        for module in ("skdiffusion._base", "skdiffusion.tables.encoder"):
            monkeypatch.setattr(f"{module}.validate_table", counted_validate)
        monkeypatch.setattr(TableEncoder, "encode_columns", counted_encode)
        return counts

    @pytest.mark.parametrize("estimator", **named(GENERATIVE[:2]))
    @pytest.mark.parametrize("table", ["plain", "geometric"])
    def test_once(self, estimator, table, count):
        X, y = load_iris(return_X_y=True)
        if table == "geometric":
            X, y = make_regression(200, 4, random_state=0)
        estimator.fit(X, y)
        assert count == {"validate": 1, "encode": 1}
        count.update(validate=0, encode=0)
        estimator.score_samples(X[:5])
        assert count == {"validate": 1, "encode": 1}
