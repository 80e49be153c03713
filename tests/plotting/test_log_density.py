import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.neighbors import KernelDensity

from skdiffusion.plotting import LogDensityDisplay, SyntheticComparisonDisplay, draw_overview

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
        display = LogDensityDisplay.from_samples(groups)
        assert display.plot() is display
        labels = [text.get_text() for text in display.ax_.texts]
        assert labels == [f"{n}\nmedian {np.median(v):.1f}" for n, v in groups.items()]
        assert display.figure_ is display.ax_.figure

    def test_draws_into_given_axes(self, groups):
        _, ax = plt.subplots()
        assert LogDensityDisplay.from_samples(groups).plot(ax).ax_ is ax

    def test_outliers_do_not_squeeze_the_first_group(self, groups):
        far = {**groups, "far": np.full(20, -1e6)}
        display = LogDensityDisplay.from_samples(far).plot()
        low, high = display.ax_.get_xlim()
        assert low > -40
        assert high < 20
        assert display.ax_.texts[-1].get_text() == "far\nmedian -1000000.0"

    def test_values_that_are_all_alike_or_infinite(self):
        display = LogDensityDisplay.from_samples({"a": [1.0, 1.0], "b": [0.0, -np.inf, 2.0]})
        display.plot().figure_.canvas.draw()

    @pytest.mark.parametrize("bad", [[[1.0]], [np.nan], []])
    def test_bad_group(self, bad):
        with pytest.raises(ValueError, match="Group 'a' must be"):
            LogDensityDisplay.from_samples({"a": bad})

    def test_no_group(self):
        with pytest.raises(ValueError, match="At least one group"):
            LogDensityDisplay.from_samples({})


class TestOverview:
    def test_holds_both(self, groups):
        rows = load_iris().data
        comparison = SyntheticComparisonDisplay.from_samples(rows, rows)
        log_density = LogDensityDisplay.from_samples(groups)
        figure = draw_overview(comparison, log_density, title="Iris")
        assert comparison.figure_ is log_density.figure_ is figure
        assert figure.get_suptitle() == "Iris"


class TestWithoutMatplotlib:
    @pytest.mark.parametrize("draw", ["comparison", "log_density", "overview"])
    def test_the_error_names_the_extra(self, draw, groups, monkeypatch):
        rows = load_iris().data
        comparison = SyntheticComparisonDisplay.from_samples(rows, rows)
        log_density = LogDensityDisplay.from_samples(groups)
        calls = {
            "comparison": comparison.plot,
            "log_density": log_density.plot,
            "overview": lambda: draw_overview(comparison, log_density),
        }
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[plot\]"):
            calls[draw]()
