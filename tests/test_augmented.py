"""Training on synthetic rows: when they are used, how many, and that nothing leaks."""

from unittest import mock

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier, is_regressor
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion._augmented import AugmentedEstimator

NET = DenoiserNet(max_epochs=1, steps_per_epoch=3, module__width=8, module__depth=1)
QUICK = DiffusionManifoldSampler(denoiser=NET, baseline="gaussian", manifold=None, n_steps=5)


class Blobs(BaseEstimator):
    """A sampler that knows the tests' distribution, or takes one class for the other."""

    seen = ()

    def __init__(self, wrong=False):
        self.wrong = wrong

    def fit(self, X, y):
        Blobs.seen = (*Blobs.seen, X[:, 0])
        return self

    def sample(self, n_samples=1, *, y=None, random_state=None):
        return blobs(1 - y if self.wrong else y, random_state)


def blobs(y, rng):
    """Two normal classes in eight columns, half a standard deviation apart in each."""
    return rng.normal(size=(len(y), 8)) + 0.5 * np.asarray(y)[:, None]


@pytest.fixture
def few():
    """Forty rows, too few to tell the classes apart well."""
    rng = np.random.RandomState(0)
    y = np.arange(40) % 2
    Blobs.seen = ()
    return blobs(y, rng), y


@parametrize_with_checks(
    [
        AugmentedEstimator(LogisticRegression(), sampler=QUICK, cv=2, ratio=(0, 0.5)),
        AugmentedEstimator(Ridge(), sampler=QUICK, ratio=0.5),
    ],
    expected_failed_checks=lambda estimator: {},
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


class TestChoice:
    def test_rows_of_the_true_distribution_are_used(self, few):
        # of the 30 rows of a fold 25 are neighbours: with more rows they are near ones
        model = AugmentedEstimator(
            KNeighborsClassifier(25),
            sampler=Blobs(),
            scoring="neg_brier_score",
            ratio=(0, 5, 20),
            sigma=None,
            cv=4,
            random_state=0,
        ).fit(*few)
        assert model.ratio_ > 0
        assert isinstance(model.sampler_, Blobs)

    def test_wrong_rows_are_not_used(self, few):
        wrong = Blobs(wrong=True)
        model = AugmentedEstimator(
            KNeighborsClassifier(1), sampler=wrong, ratio=(0, 1, 5), sigma=None
        ).fit(*few)
        assert model.ratio_ == 0
        assert model.sampler_ is None
        plain = KNeighborsClassifier(1).fit(*few)
        np.testing.assert_array_equal(model.predict(few[0] + 0.1), plain.predict(few[0] + 0.1))

    def test_without_none_the_best_is_used(self, few):
        wrong = Blobs(wrong=True)
        model = AugmentedEstimator(
            KNeighborsClassifier(1), sampler=wrong, ratio=(5, 1), sigma=None
        ).fit(*few)
        np.testing.assert_array_equal(model.cv_results_["ratio"], [1, 5])
        assert model.ratio_ == [1, 5][model.cv_results_["mean_test_score"].argmax()]
        assert model.estimator_.n_samples_fit_ == 40 * (1 + model.ratio_)

    @pytest.mark.parametrize(
        ("gains", "counts"),
        [
            ([0.2, 0.04, -0.02], False),
            ([0.0, 0.1, 0.0], False),
            ([0.2, 0.1, 0.05], False),
            ([0.2, 0.16, 0.12], True),
        ],
    )
    def test_a_gain_within_two_standard_errors_does_not_count(self, few, gains, counts):
        gains = np.array(gains)
        scores = iter(np.column_stack([np.full(3, 0.5), 0.5 + gains]).ravel())  # fold by fold
        model = AugmentedEstimator(
            DummyClassifier(),
            sampler=Blobs(),
            ratio=(0, 1),
            sigma=None,
            cv=3,
            scoring=lambda estimator, X, y: next(scores),
        ).fit(*few)
        results = model.cv_results_
        # Nadeau and Bengio (2003): 1 / J + n_test / n_train in place of 1 / J
        odds = np.mean([len(b) / len(a) for a, b in StratifiedKFold(3).split(*few)])
        error = gains.std(ddof=1) * np.sqrt(1 / 3 + odds)
        assert results["mean_gain"][1] == pytest.approx(gains.mean())
        assert results["se_gain"][1] == pytest.approx(error)
        assert model.ratio_ == counts == (gains.mean() > 2 * error)

    @pytest.mark.parametrize(("margin", "ratio"), [(0, 1), (1.5, 1), (1.7, 0)])
    def test_margin(self, few, margin, ratio):
        """A gain of 1.67 standard errors."""
        scores = iter(np.column_stack([np.full(3, 0.5), [0.7, 0.6, 0.55]]).ravel())
        model = AugmentedEstimator(
            DummyClassifier(),
            sampler=Blobs(),
            ratio=(0, 1),
            sigma=None,
            margin=margin,
            cv=3,
            scoring=lambda estimator, X, y: next(scores),
        ).fit(*few)
        assert model.ratio_ == ratio

    @pytest.mark.parametrize(("margin", "error"), [(-1, ValueError), ("much", TypeError)])
    def test_bad_margin(self, few, margin, error):
        with pytest.raises(error, match="margin"):
            AugmentedEstimator(LogisticRegression(), sampler=Blobs(), margin=margin).fit(*few)

    def test_one_ratio_needs_no_folds(self, few):
        model = AugmentedEstimator(
            LogisticRegression(), sampler=Blobs(), ratio=0.5, sigma=None, cv="nonsense"
        ).fit(*few)
        assert model.ratio_ == 0.5
        assert not hasattr(model, "cv_results_")
        assert len(Blobs.seen) == 1

    def test_folds_do_not_leak(self, few):
        X, y = few
        cv = KFold(4)
        AugmentedEstimator(
            LogisticRegression(), sampler=Blobs(), ratio=(0, 1), sigma=None, cv=cv
        ).fit(X, y)
        for seen, (train, _) in zip(Blobs.seen, cv.split(X), strict=False):
            np.testing.assert_array_equal(seen, X[train, 0])

    def test_scoring(self, few):
        model = AugmentedEstimator(
            LogisticRegression(),
            sampler=Blobs(),
            ratio=(0, 1),
            sigma=None,
            scoring="roc_auc",
            cv=[(np.arange(20), np.arange(20, 40))],
        ).fit(*few)
        plain = LogisticRegression().fit(few[0][:20], few[1][:20])
        expected = roc_auc_score(few[1][20:], plain.decision_function(few[0][20:]))
        assert model.cv_results_["split0_test_score"][0] == pytest.approx(expected)
        assert model.ratio_ == 0  # one fold has no standard error

    def test_small_classes_lower_the_number_of_folds(self, few):
        X, y = few[0], np.repeat([0, 1], [37, 3])
        model = AugmentedEstimator(
            LogisticRegression(), sampler=Blobs(), ratio=(0, 1), sigma=None
        ).fit(X, y)
        assert "split2_test_score" in model.cv_results_
        assert "split3_test_score" not in model.cv_results_

    @pytest.mark.parametrize("ratio", [-1.0, "many", (), None, (0, np.inf)])
    def test_bad_ratio(self, few, ratio):
        with pytest.raises(ValueError, match="ratio"):
            AugmentedEstimator(LogisticRegression(), ratio=ratio).fit(*few)


class TestSyntheticRows:
    @pytest.mark.parametrize(("balance", "counts"), [(False, [60, 20]), (True, [50, 30])])
    def test_balance(self, few, balance, counts):
        y = np.repeat([0, 1], [30, 10])
        model = AugmentedEstimator(
            KNeighborsClassifier(),
            sampler=Blobs(),
            ratio=1.0,
            sigma=None,
            balance=balance,
            random_state=0,
        ).fit(few[0], y)
        # a neighbour classifier stores what it is trained on
        np.testing.assert_array_equal(np.bincount(model.estimator_._y), counts)

    def test_the_real_rows_are_among_them(self, few):
        model = AugmentedEstimator(
            KNeighborsClassifier(1), sampler=QUICK, ratio=2.0, random_state=0
        ).fit(*few)
        assert model.estimator_.n_samples_fit_ == 120
        assert model.score(*few) == 1.0
        assert model.sampler_.random_state is not None

    def test_regression(self):
        rng = np.random.RandomState(0)
        X = rng.normal(size=(150, 3))
        y = X[:, 0] + 0.1 * rng.normal(size=150)
        model = AugmentedEstimator(
            KNeighborsRegressor(3), sampler=QUICK, ratio=1.0, sigma=0.1, random_state=0
        ).fit(X, y)
        assert model.estimator_.n_samples_fit_ == 300
        assert model.score(rng.normal(size=(50, 3)), np.zeros(50)) <= 1.0
        assert np.corrcoef(model.predict(X), y)[0, 1] > 0.9

    def test_reproducible(self, few):
        model = AugmentedEstimator(LogisticRegression(), sampler=QUICK, ratio=1.0, random_state=3)
        first, again = (clone(model).fit(*few).predict_proba(few[0]) for _ in range(2))
        np.testing.assert_array_equal(first, again)


class TestComposition:
    def test_kinds(self):
        assert is_classifier(AugmentedEstimator(LogisticRegression()))
        assert is_regressor(AugmentedEstimator(make_pipeline(StandardScaler(), Ridge())))

    def test_only_methods_of_the_estimator(self, few):
        svc = AugmentedEstimator(LinearSVC(), sampler=QUICK, ratio=0.5).fit(*few)
        assert not hasattr(svc, "predict_proba")
        np.testing.assert_array_equal(
            svc.decision_function(few[0]), svc.estimator_.decision_function(few[0])
        )
        assert not hasattr(AugmentedEstimator(LinearRegression()), "decision_function")
        np.testing.assert_array_equal(svc.classes_, [0, 1])
        assert not hasattr(AugmentedEstimator(LinearSVC()), "classes_")

    def test_probabilities(self, few):
        model = AugmentedEstimator(LogisticRegression(), sampler=QUICK, ratio=0.5).fit(*few)
        expected = model.estimator_.predict_proba(few[0])
        np.testing.assert_array_equal(model.predict_proba(few[0]), expected)

    def test_search_of_nested_parameters(self, few):
        model = AugmentedEstimator(LogisticRegression(), sampler=QUICK, ratio=0.5)
        grid = {"estimator__C": [0.1, 1.0], "sampler__n_steps": [4], "ratio": [0.0, 0.5]}
        search = GridSearchCV(model, grid, cv=2).fit(*few)
        assert search.best_params_["estimator__C"] == search.best_estimator_.estimator_.C

    def test_a_pipeline_on_a_mixed_frame(self):
        rng = np.random.default_rng(0)
        city = rng.choice(["Bern", "Rome"], 60)
        size = rng.normal(size=60)
        frame = pd.DataFrame({"city": city, "size": size})
        y = np.where((city == "Rome") & (size > 0), "yes", "no")
        steps = make_column_transformer((OneHotEncoder(), ["city"]), (StandardScaler(), ["size"]))
        model = AugmentedEstimator(
            make_pipeline(steps, KNeighborsClassifier(3)), sampler=QUICK, ratio=(0, 1), cv=2
        )
        assert cross_val_score(model, frame, y, cv=2).mean() > 0.8
        assert model.fit(frame, y).feature_names_in_.tolist() == ["city", "size"]

    def test_missing_cells_reach_an_estimator_that_takes_them(self, few):
        X, y = few
        X = X.copy()
        X[::5, 0] = np.nan
        trees = HistGradientBoostingClassifier(max_iter=5)
        model = AugmentedEstimator(trees, sampler=QUICK, ratio=1.0).fit(X, y)
        assert model.predict(X).shape == (40,)
        with pytest.raises(ValueError, match="NaN"):
            AugmentedEstimator(LogisticRegression(), sampler=QUICK, ratio=1.0).fit(X, y)


class Groups(GroupKFold):
    """A splitter that notes the groups it is given."""

    seen = ()

    def split(self, X, y=None, groups=None):
        Groups.seen = groups
        return super().split(X, y, groups)


class Weighed(ClassifierMixin, BaseEstimator):
    """A classifier that notes how many rows it is trained on, and with what weights."""

    seen = ()

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        Weighed.seen = (*Weighed.seen, (X[:, 0], sample_weight))
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


class TestMetadata:
    @pytest.fixture(params=[False, True], ids=["without", "routing"])
    def fitted(self, request, few):
        """The table, its groups and weights, and what arrived of them, with routing and without."""
        X, y = few
        groups, weights = np.arange(40) // 4, np.arange(40.0)
        Weighed.seen = ()
        with config_context(enable_metadata_routing=request.param):
            judge = Weighed().set_fit_request(sample_weight=True) if request.param else Weighed()
            AugmentedEstimator(
                judge, sampler=Blobs(), ratio=(0, 1), sigma=None, cv=Groups(3), scoring="accuracy"
            ).fit(X, y, groups=groups, sample_weight=weights)
        return X, groups, weights

    def test_no_group_is_split(self, fitted):
        X, groups, _ = fitted
        np.testing.assert_array_equal(Groups.seen, groups)
        for seen in Blobs.seen:
            inside = np.isin(X[:, 0], seen)
            assert not set(groups[inside]) & set(groups[~inside])

    def test_synthetic_rows_weigh_the_mean_of_real_ones(self, fitted):
        X, _, weights = fitted
        for column, seen in Weighed.seen:
            real = weights[np.isin(X[:, 0], column)]
            np.testing.assert_array_equal(seen[: len(real)], real)
            np.testing.assert_allclose(seen[len(real) :], real.mean())

    def test_rows_of_no_weight_have_no_synthetic_ones(self, few):
        weights = np.where(few[1] == 0, 0.0, 1.0)
        model = AugmentedEstimator(
            SVC(kernel="linear"), sampler=Blobs(), ratio=1.0, sigma=None, random_state=0
        )
        with mock.patch.object(Blobs, "sample", autospec=True, side_effect=Blobs.sample) as sample:
            model.fit(*few, sample_weight=weights + 1e-9)
        assert set(sample.call_args.kwargs["y"]) == {1}

    def test_what_nobody_requests_is_refused(self, few):
        with config_context(enable_metadata_routing=True):
            model = AugmentedEstimator(Weighed(), sampler=Blobs(), ratio=0)
            with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
                model.fit(*few, sample_weight=np.ones(40))

    def test_a_search_routes_through_it(self, few):
        Weighed.seen = ()
        with config_context(enable_metadata_routing=True):
            model = AugmentedEstimator(
                Weighed().set_fit_request(sample_weight=True), sampler=Blobs(), ratio=0
            )
            scorer = make_scorer(accuracy_score).set_score_request(sample_weight=False)
            search = GridSearchCV(model, {"margin": [1.0, 2.0]}, cv=2, scoring=scorer)
            search.fit(*few, sample_weight=np.arange(40.0))
        # the weight of a row is its place in the table
        for column, seen in Weighed.seen:
            np.testing.assert_array_equal(few[0][seen.astype(int), 0], column)
        assert len(Weighed.seen) == 5

    def test_unknown(self, few):
        with pytest.raises(TypeError, match="weights"):
            AugmentedEstimator(LogisticRegression(), ratio=0).fit(*few, weights=few[1])
