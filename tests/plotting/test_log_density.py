import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.neighbors import KernelDensity

from skdiffusion.plotting import LogDensityDisplay, SyntheticComparisonDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def groups():
    rng = np.random.default_rng(0)
    return {"train": rng.normal(0, 1, 200), "test": rng.normal(-1, 1, 50)}


class TestLogDensityDisplay:
    def test_from_estimator_scores_each_group(self):
        X = load_iris().data
        kde = KernelDensity().fit(X)
        display = LogDensityDisplay.from_estimator(kde, {"a": X[:30], "b": X[30:]})
        assert_allclose(display.log_densities["b"], kde.score_samples(X[30:]))

    def test_labels_and_medians(self, groups):
        display = LogDensityDisplay(log_densities=groups)
        assert display.plot() is display
        labels = [text.get_text() for text in display.ax_.texts]
        assert labels == [f"{n}\nmedian {np.median(v):.1f}" for n, v in groups.items()]
        assert display.figure_ is display.ax_.figure

    def test_draws_into_given_axes(self, groups):
        _, ax = plt.subplots()
        assert LogDensityDisplay(log_densities=groups).plot(ax).ax_ is ax

    def test_outliers_do_not_squeeze_the_first_group(self, groups):
        far = {**groups, "far": np.full(20, -1e6)}
        display = LogDensityDisplay(log_densities=far).plot()
        low, high = display.ax_.get_xlim()
        assert low > -40
        assert high < 20
        assert display.ax_.texts[-1].get_text() == "far\nmedian -1000000.0"

    def test_values_that_are_all_alike_or_infinite(self):
        groups = {"a": np.array([1.0, 1.0]), "b": np.array([0.0, -np.inf, 2.0])}
        LogDensityDisplay(log_densities=groups).plot().figure_.canvas.draw()

    @pytest.mark.parametrize("samples", [{}, {"a": np.full((2, 1), np.inf)}])
    def test_groups_that_cannot_be_drawn(self, samples):
        class Linear:
            def score_samples(self, X):
                return -X[:, 0]

        with pytest.raises(ValueError, match="each with finite log-densities"):
            LogDensityDisplay.from_estimator(Linear(), samples)


class TestWithoutMatplotlib:
    def test_the_error_names_the_extra(self, groups, monkeypatch):
        rows = load_iris().data
        comparison = SyntheticComparisonDisplay.from_samples(rows, rows)
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
        for display in (comparison, LogDensityDisplay(log_densities=groups)):
            with pytest.raises(ImportError, match=r"skdiffusion\[plot\]"):
                display.plot()
