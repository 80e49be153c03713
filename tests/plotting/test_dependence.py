import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdiffusion import RiemannianKernelSmoother
from skdiffusion.inspection import cell_surprise, conditional_dependence
from skdiffusion.plotting import DependenceDisplay, FeatureContributionDisplay

pd = pytest.importorskip("pandas")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(scope="module")
def fitted():
    a, b, c = np.random.default_rng(0).normal(size=(3, 100))
    frame = pd.DataFrame({"a": a, "b": b, "sum": a + b / 9 + c})
    return RiemannianKernelSmoother(random_state=0).fit(frame), frame


def names_on(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


class TestDependence:
    def test_the_matrix_and_the_names_of_the_columns(self, fitted):
        display = DependenceDisplay.from_estimator(*fitted, sigma=0.7)
        expected = conditional_dependence(*fitted, sigma=0.7)
        assert_array_equal(display.matrix, expected)
        assert display.plot() is display
        assert_array_equal(display.image_.get_array(), expected)
        assert names_on(display.ax_.xaxis) == names_on(display.ax_.yaxis) == ["a", "b", "sum"]
        assert display.image_.colorbar.ax.get_ylabel() == "dependence given all others"

    def test_arrays_have_names_too(self, fitted):
        model, frame = fitted
        model = RiemannianKernelSmoother(random_state=0).fit(frame.to_numpy())
        display = DependenceDisplay.from_estimator(model, frame.to_numpy())
        assert display.names == ["x0", "x1", "x2"]

    @pytest.mark.parametrize(("low", "reach"), [(-1.0, (-3, 3)), (1.0, (1, 3))])
    def test_any_square_matrix_in_given_axes(self, low, reach):
        _, ax = plt.subplots()
        matrix = np.array([[low, 2.0], [3.0, 2.0]])
        display = DependenceDisplay(matrix=matrix, names=["u", "v"], label="weight").plot(ax)
        assert display.ax_ is ax
        # zero is in the middle where there are both signs
        assert display.image_.get_clim() == reach

    @pytest.mark.parametrize(("shape", "names"), [((2, 3), "uv"), ((2, 2), "uvw"), ((2,), "uv")])
    def test_bad_input(self, shape, names):
        with pytest.raises(ValueError, match="must be square"):
            DependenceDisplay(matrix=np.zeros(shape), names=list(names))

    def test_without_matplotlib_the_error_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[plot\]"):
            DependenceDisplay(matrix=np.eye(1), names=["u"]).plot()


class TestSurprise:
    def test_bars_are_the_surprises_of_the_row(self, fitted):
        display = FeatureContributionDisplay.from_estimator(*fitted, row=7).plot()
        expected = cell_surprise(*fitted)[7]
        widths = [bar.get_width() for bar in display.bars_]
        np.testing.assert_allclose(widths, np.sort(expected)[::-1])
        assert display.ax_.get_xlabel() == "surprise (nats)"
        # nothing is said of what was expected
        first = fitted[1].columns[expected.argmax()]
        assert names_on(display.ax_.yaxis)[0] == f"{first}\n{fitted[1][first][7]:.5g}"
