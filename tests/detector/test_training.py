"""What detectors learn, and from whom: contaminated rows, marked ones, and rows that follow."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from skdiffusion.detection.row_density import RowKernels


def planted(n_odd=15, seed=0):
    """Rows, and a narrow cluster of anomalies among them, smaller than a neighbourhood."""
    rng = np.random.default_rng(seed)
    odd = np.array([3.0, -3.0, 3.0, -3.0, 0.0]) + 0.05 * rng.normal(size=(n_odd, 5))
    return np.concatenate([rng.normal(size=(500 - n_odd, 5)), odd]), np.arange(500) >= 500 - n_odd


class TestContamination:
    def test_finds_a_cluster_where_the_nearest_neighbour_does_not(self, detect):
        X, is_odd = planted()
        robust = detect(contamination=0.03).fit(X)
        naive = detect(method="neighbors").fit(X)
        assert roc_auc_score(is_odd, -robust.training_scores_) > 0.99
        assert roc_auc_score(is_odd, -naive.training_scores_) < 0.3
        labels = robust.fit_predict(X)
        assert (labels[is_odd] == -1).mean() > 0.9

    @pytest.mark.parametrize("method", ["neighbors", "patterns", "kernel"])
    def test_each_part_withstands_it(self, detect, method):
        X, is_odd = planted()
        detector = detect(method=method, contamination=0.03).fit(X)
        assert roc_auc_score(is_odd, -detector.training_scores_) > 0.95

    @pytest.mark.parametrize(("n", "k"), [(40, 39), (300, 50), (900, 90), (6000, 500)])
    def test_number_of_neighbours(self, detect, n, k):
        X = np.random.default_rng(0).normal(size=(n, 2))
        detector = detect(method="neighbors", contamination=0.1).fit(X)
        assert detector._model.scores[0].nearest.n_neighbors == k
        assert detect(method="neighbors").fit(X)._model.scores[0].nearest.n_neighbors == 1


class TestLabels:
    @pytest.fixture
    def table(self):
        """Normal rows with anomalies that the norm tells, but no correlation."""
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 4))
        odd = rng.normal(size=(30, 4)) + 6
        return np.concatenate([X, odd]), np.repeat([1, -1], [200, 30]), rng.normal(size=(30, 4)) + 6

    def test_marked_rows_are_not_learned(self, table, detect):
        X, y, fresh = table
        marked, without = detect().fit(X, y), detect().fit(X[:200])
        blind = detect().fit(X)
        assert_allclose(marked._model.X.shape, (2, 200, 4))
        assert np.median(marked.score_samples(fresh)) < np.median(blind.score_samples(fresh)) - 1
        assert (marked.predict(fresh) == -1).all()
        assert len(marked.training_scores_) == 230
        assert (marked.training_scores_[200:] < marked.offset_).all()
        # columns are standardised with them, scores are alike in rank
        assert (without.predict(fresh) == -1).all()

    def test_marked_rows_do_not_enter_the_threshold(self, table, detect):
        X, y, _ = table
        detector = detect().fit(X, y)
        assert abs((detector.predict(X[:200]) == -1).mean() - 0.05) <= 1 / 200
        assert len(detector._model.held_out) == 200

    @pytest.mark.filterwarnings("ignore:y holds")
    @pytest.mark.parametrize("labels", [[1, 0], [5, 7], ["a", "b"], [True, False], [0.5, 2.0]])
    def test_other_labels_mean_nothing(self, table, detect, labels):
        X = table[0]
        with_labels = detect().fit(X, np.resize(labels, len(X)))
        assert_array_equal(with_labels.training_scores_, detect().fit(X).training_scores_)

    def test_as_a_column(self, table, detect):
        X, y, _ = table
        column = detect().fit(X, y[:, None])
        assert_array_equal(column.training_scores_, detect().fit(X, y).training_scores_)


class TestPartialFit:
    @pytest.mark.parametrize("method", [("neighbors", "kernel"), "hybrid"])
    def test_what_was_anomalous_becomes_normal(self, method, detect):
        rng = np.random.default_rng(0)
        X, other = rng.normal(size=(200, 3)), 8 + rng.normal(size=(200, 3))
        detector = detect(method=method).fit(X)
        row = np.full((1, 3), 8.1)
        assert detector.predict(row) == -1
        old = detector._model
        assert detector.partial_fit(other) is detector
        assert detector.predict(row) == 1
        assert len(detector.training_scores_) == 400
        assert_array_equal(detector.score_samples(np.concatenate([X, other])),
                           detector.training_scores_)  # fmt: skip
        assert old.X.shape[1] == 200

    def test_of_an_unfitted_one_is_fit(self, detect):
        X = np.random.default_rng(0).normal(size=(60, 3))
        assert_array_equal(
            detect().partial_fit(X).training_scores_, detect().fit(X).training_scores_
        )

    @pytest.mark.parametrize("case", ["levels", "boolean", "ordinal", "gaps", "range", "polars"])
    def test_is_a_fit_on_all_rows(self, detect, case):
        """Also where later rows hold what the first ones did not."""
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({"a": rng.normal(size=150), "b": rng.normal(size=150)})
        frame["c"] = np.r_[rng.choice(["x", "y"], 100), np.repeat(["z", "w"], 25)]
        if case == "boolean":
            frame["c"] = np.r_[rng.random(100) < 0.5, np.repeat(["maybe"], 50)].astype(object)
        if case == "ordinal":
            frame["c"] = pd.Categorical(frame["c"], list("wxyz"), ordered=True)
        if case == "gaps":
            frame.loc[110:, "a"] = np.nan
        if case == "range":
            frame.loc[100:, "a"] += 30.0
        if case == "polars":
            frame = pl.from_pandas(frame)
        detector, whole = detect().fit(frame[:100]).partial_fit(frame[100:]), detect().fit(frame)
        assert_array_equal(detector.training_scores_, whole.training_scores_)
        assert_array_equal(detector.score_samples(frame), whole.score_samples(frame))
        draws = detector.sample(200, random_state=0)
        assert set(draws["c"]) == set(frame["c"])
        assert set(detector.explain(frame[100:]).expected["c"]) & set(frame["c"][100:])

    @pytest.mark.parametrize(
        "later", [pl.DataFrame({"a": [0.5]}), np.ones((2, 1)), pd.DataFrame({"a": [1.0]})]
    )
    def test_other_containers_and_types(self, detect, later):
        detector = detect().fit(pl.DataFrame({"a": np.arange(40)}))
        with (
            warnings.catch_warnings(action="ignore"),
            pytest.raises(TypeError, match="give them in the same container"),
        ):
            detector.partial_fit(later)
        assert len(detector.training_scores_) == 40

    def test_rows_are_kept_as_they_were(self, detect):
        X = np.random.default_rng(0).normal(size=(120, 3))
        first = X[:60].copy()
        detector = detect().fit(first)
        first[:] = 7.0
        detector.partial_fit(X[60:])
        assert_array_equal(detector.training_scores_, detect().fit(X).training_scores_)

    def test_labels(self, detect):
        rng = np.random.default_rng(0)
        X, odd = rng.normal(size=(120, 3)), 5 + rng.normal(size=(20, 3))
        detector = detect().fit(X[:60])
        y = np.repeat([1, -1, 1], [30, 20, 30])
        detector.partial_fit(np.concatenate([X[60:90], odd, X[90:]]), y)
        assert detector._model.X.shape[1] == 120
        assert_array_equal(detector._marked, np.r_[np.zeros(60), y] == -1)
        assert (detector.training_scores_[90:110] < detector.offset_).all()

    @pytest.mark.parametrize(
        "bad", [np.full((3, 3), np.inf), np.zeros((3, 2)), np.zeros((0, 3))],
        ids=["infinite", "columns", "empty"],
    )  # fmt: skip
    def test_bad_rows_leave_it_as_it_was(self, detect, bad):
        X = np.random.default_rng(0).normal(size=(60, 3))
        detector = detect().fit(X)
        model, scores = detector._model, detector.score_samples(X + 1)
        with pytest.raises(ValueError):
            detector.partial_fit(bad)
        assert detector._model is model
        assert_array_equal(detector.score_samples(X + 1), scores)

    def test_window(self, detect):
        """The latest rows alone are compared to."""
        rng = np.random.default_rng(0)
        X, later = rng.normal(size=(100, 3)), 9 + rng.normal(size=(150, 3))
        detector = detect(window=100).fit(X)
        detector.partial_fit(later[:60]).partial_fit(later[60:])
        assert len(detector.training_scores_) == 100
        assert (detector.predict(later[50:]) == 1).mean() > 0.9
        assert detector.predict(np.zeros((1, 3))) == -1
        again = detect(window=100).fit(X).partial_fit(later)
        assert_allclose(detector.training_scores_, again.training_scores_)

    def test_the_threshold_follows(self, detect):
        rng = np.random.default_rng(0)
        X, drifted = rng.normal(size=(400, 3)), 1.5 * rng.normal(size=(800, 3))
        detector = detect().fit(X)
        scores = detector.score_samples(drifted)
        assert (detector.predict(drifted[400:]) == -1).mean() > 0.15
        assert detector.update_threshold(drifted[:400]) is detector
        assert_array_equal(detector.score_samples(drifted), scores)
        new = drifted[400:]
        assert (detector.predict(new) == -1).mean() == pytest.approx(0.05, abs=0.035)
        assert (detector.predict_pvalue(new) <= 0.1).mean() == pytest.approx(0.1, abs=0.05)

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_a_failure_leaves_it_as_it_was(self, detect, monkeypatch, error):
        X = np.random.default_rng(0).normal(size=(60, 3))
        detector = detect().fit(X)
        model, scores = detector._model, detector.score_samples(X + 1)
        monkeypatch.setattr(RowKernels, "leave_one_out", raising(error))
        with pytest.raises(error):
            detector.partial_fit(X + 2)
        assert detector._model is model
        assert_array_equal(detector.score_samples(X + 1), scores)
        assert len(detector.training_scores_) == 60


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


class TestFailedFit:
    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_leaves_it_unfitted(self, detect, monkeypatch, error):
        X = np.random.default_rng(0).normal(size=(60, 3))
        detector = detect().fit(X)
        monkeypatch.setattr(RowKernels, "leave_one_out", raising(error))
        with pytest.raises(error):
            detector.fit(X)
        assert not [name for name in vars(detector) if name.endswith("_")]
