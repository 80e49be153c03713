"""The detector among scikit-learn's tools."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import Isomap
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdiffusion import sample_from

FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def labelled(cancer):
    """Rows, one in ten malignant and labelled -1."""
    X = np.concatenate([cancer.X[:180], cancer.odd[:20]])
    return X, np.repeat([1, -1], [180, 20])


class TestSearch:
    def test_over_what_matters(self, detect, labelled):
        grid = {"contamination": ["auto", 0.1, 0], "method": ["hybrid", ("neighbors", "kernel")]}
        search = GridSearchCV(detect(), grid, scoring="roc_auc", cv=FOLDS)
        search.fit(*labelled)
        scores = search.cv_results_["mean_test_score"]
        assert len(scores) == 6
        assert np.isfinite(scores).all()
        assert search.best_score_ > 0.9
        assert search.best_estimator_.score_samples(labelled[0]).shape == (200,)

    def test_labels_that_are_not_known(self, detect, labelled):
        X = labelled[0]
        unknown = np.full(len(X), None)
        scores = [detect().fit(X, labels).score_samples(X) for labels in (unknown, None)]
        np.testing.assert_array_equal(*scores)

    def test_labels_of_zero_and_one(self, detect, labelled):
        """Without -1, the labels serve for the score alone."""
        X, y = labelled
        zero_one = (y == 1).astype(int)
        with pytest.warns(UserWarning, match="marks no anomaly: only the label -1 does"):
            scores = cross_val_score(detect(), X, zero_one, scoring="roc_auc", cv=FOLDS)
        assert scores.mean() > 0.8


class TestPipeline:
    @pytest.mark.parametrize("reduce", [PCA(4), Isomap(n_components=3)], ids=["PCA", "Isomap"])
    def test_after_a_reduction(self, detect, cancer, reduce):
        pipeline = make_pipeline(StandardScaler(), reduce, detect()).fit(cancer.X)
        rows = np.concatenate([cancer.fresh, cancer.odd])
        scores = pipeline.score_samples(rows)
        assert_array_equal(pipeline.decision_function(rows) < 0, pipeline.predict(rows) == -1)
        assert np.median(scores[: len(cancer.fresh)]) > np.median(scores[len(cancer.fresh) :]) + 1
        assert_array_equal(pipeline.fit_predict(cancer.X), pipeline.predict(cancer.X))

    def test_draws_come_back(self, detect, cancer):
        pipeline = make_pipeline(StandardScaler(), PCA(4), detect()).fit(cancer.X)
        rows = sample_from(pipeline, 300, random_state=0)
        assert rows.shape == (300, 10)
        assert_allclose(rows.mean(0), cancer.X.mean(0), atol=0.3 * cancer.X.std(0).max())

    def test_features_for_a_model_that_follows(self, detect, cancer):
        X = np.concatenate([cancer.fresh, cancer.odd[:100]])
        y = np.repeat([0, 1], [len(cancer.fresh), 100])
        profile = cancer.detector.transform(X)
        assert cross_val_score(LogisticRegression(), profile, y, cv=FOLDS).mean() > 0.8
        pipeline = make_pipeline(detect(), LogisticRegression()).fit(X, np.where(y == 1, -1, 0))
        assert pipeline.score(X, np.where(y == 1, -1, 0)) > 0.8


class TestClone:
    def test_is_not_fitted(self, cancer):
        copied = clone(cancer.detector)
        assert not [name for name in vars(copied) if name.endswith("_")]
        assert_array_equal(copied.fit(cancer.X).training_scores_, cancer.detector.training_scores_)


class TestNonconform:
    def test_calibrates_it(self, detect, cancer):
        nonconform = pytest.importorskip("nonconform")
        detector = nonconform.ConformalDetector(
            detector=detect(), strategy=nonconform.Split(n_calib=0.3), seed=0
        )
        detector.fit(cancer.X)
        pvalues = np.asarray(detector.compute_p_values(np.concatenate([cancer.fresh, cancer.odd])))
        n = len(cancer.fresh)
        assert np.median(pvalues[n:]) < 0.1 < np.median(pvalues[:n])
