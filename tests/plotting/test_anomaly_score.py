import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import KernelDensity
from sklearn.svm import OneClassSVM

from skdiffusion.plotting import AnomalyScoreDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def labelled():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(size=300), rng.normal(4, 1, size=20)])
    return scores, np.repeat([1, -1], [300, 20])


def counts(display):
    return [patch.get_data().values for patch in display.histograms_]


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


class TestFromEstimator:
    @pytest.mark.parametrize("detector", [IsolationForest(random_state=0), OneClassSVM(nu=0.2)])
    def test_what_lies_beyond_the_threshold_is_what_predict_declares(self, detector):
        X = load_iris().data
        detector.fit(X[:100])
        display = AnomalyScoreDisplay.from_estimator(detector, X).plot()
        assert_array_equal(display.scores, -detector.score_samples(X))
        declared = detector.predict(X) == -1
        assert 0 < declared.sum() < len(X)
        assert_array_equal(display.scores > display.threshold, declared)
        assert legend(display)[1].endswith(f", {declared.sum()} rows beyond")
        assert_allclose(display.threshold_line_.get_xdata(), display.threshold)

    def test_no_offset_no_line(self):
        X = load_iris().data
        display = AnomalyScoreDisplay.from_estimator(KernelDensity().fit(X), X).plot()
        assert display.threshold is None
        assert display.threshold_line_ is None
        assert legend(display) == ["rows (150)"]

    def test_frames(self):
        pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
        X = load_iris(as_frame=True).data
        forest = IsolationForest(n_estimators=5, random_state=0).fit(X)
        y = np.repeat([1, -1], 75)
        expected = AnomalyScoreDisplay.from_estimator(forest, X, y=y)
        frame = pl.DataFrame({name: X[name].to_numpy() for name in X})
        for table, labels in ((X, pd.Series(y, index=y)), (frame, pl.Series(y))):
            display = AnomalyScoreDisplay.from_estimator(forest, table, y=labels)
            assert_array_equal(display.scores, expected.scores)
            assert_array_equal(display.is_anomaly, expected.is_anomaly)


class Given:
    """Anomaly scores are the rows themselves."""

    def score_samples(self, X):
        return -np.asarray(X)


class TestLabels:
    def test_all_rows_may_be_normal(self):
        display = AnomalyScoreDisplay.from_estimator(Given(), [1.0, 2.0], y=[1, 1]).plot()
        assert legend(display) == ["normal (2)", "anomalous (0)"]

    @pytest.mark.parametrize("y", [[0, 1], ["good", "bad"], [1], [[1], [-1]]])
    def test_labels_that_do_not_fit(self, y):
        with pytest.raises(ValueError, match="a label of 1 or -1 for each of 2 rows"):
            AnomalyScoreDisplay.from_estimator(Given(), [1.0, 2.0], y=y)


class TestPlot:
    def test_counts_by_label(self, labelled):
        scores, y = labelled
        display = AnomalyScoreDisplay(scores=scores, is_anomaly=y == -1)
        assert not hasattr(display, "ax_")
        assert display.plot() is display
        edges = display.histograms_[0].get_data().edges
        expected = [np.histogram(scores[y == label], edges)[0] for label in (1, -1)]
        assert_array_equal(counts(display), expected)
        assert np.sum(expected) == 320
        assert legend(display) == ["normal (300)", "anomalous (20)"]
        assert display.figure_ is display.ax_.figure

    def test_draws_into_given_axes(self, labelled):
        _, ax = plt.subplots()
        assert AnomalyScoreDisplay(scores=labelled[0]).plot(ax).ax_ is ax

    def test_far_rows_do_not_squeeze_the_others(self, labelled):
        scores = np.concatenate([labelled[0], [1e6, np.inf, -1e7]])
        display = AnomalyScoreDisplay(scores=scores, threshold=2.5).plot()
        low, high = display.ax_.get_xlim()
        assert -60 < low < high < 60
        assert sum(counts(display)[0] > 0) > 10
        assert counts(display)[0].sum() == 323

    @pytest.mark.parametrize("threshold", [None, -2.0, 5.0])
    def test_nothing_is_gathered_without_need(self, labelled, threshold):
        display = AnomalyScoreDisplay(scores=labelled[0], threshold=threshold).plot()
        edges = display.histograms_[0].get_data().edges
        assert_allclose([edges[0], edges[-1]], [labelled[0].min(), labelled[0].max()])

    def test_the_threshold_is_always_in_sight(self, labelled):
        display = AnomalyScoreDisplay(scores=labelled[0], threshold=1000.0).plot()
        assert display.ax_.get_xlim()[1] >= 1000
        assert legend(display)[1] == "threshold 1000, 0 rows beyond"

    def test_a_row_at_the_threshold_is_not_beyond_it(self):
        display = AnomalyScoreDisplay(scores=np.array([1.0, 2.0, 3.0]), threshold=2.0).plot()
        assert legend(display)[1] == "threshold 2, 1 rows beyond"

    @pytest.mark.parametrize(
        "scores",
        [
            [1.0, 1.0, 1.0],
            [2.0],
            [0.0, -np.inf, np.inf, 2.0],
            # Half tied, half on a scale that is tiny or huge beside it.
            [0.0] * 50 + [1e12] * 3,
            np.append(1e-9 * np.arange(1000.0), 1.0),
        ],
    )
    def test_degenerate_scores(self, scores):
        display = AnomalyScoreDisplay(scores=np.array(scores), threshold=0.5).plot()
        display.figure_.canvas.draw()
        assert counts(display)[0].sum() == len(scores)

    @pytest.mark.parametrize("bad", [[np.nan, 1.0], [], [np.inf]])
    def test_bad_scores(self, bad):
        with pytest.raises(ValueError, match="must be finite for some rows"):
            AnomalyScoreDisplay.from_estimator(Given(), bad)

    def test_without_matplotlib_the_error_names_the_extra(self, labelled, monkeypatch):
        display = AnomalyScoreDisplay(scores=labelled[0])
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[plot\]"):
            display.plot()
