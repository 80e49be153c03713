import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils import Bunch

from skdiffusion.plotting import FeatureContributionDisplay

pd = pytest.importorskip("pandas")
plt = pytest.importorskip("matplotlib.pyplot")

WEIGHTS = np.array([1.0, 100.0, 10.0])


class Squares:
    """Contributions are weighted squares, and a cell should have been the opposite of itself."""

    def __init__(self, container=lambda array: array):
        self.container = container

    def explain(self, X):
        self.seen = X
        values = np.asarray(X)
        return Bunch(
            contributions=self.container(values**2 * WEIGHTS), expected=self.container(-values)
        )


class Fixed:
    """Returns the explanation that it was given."""

    def __init__(self, **explanation):
        self.explanation = Bunch(**explanation)

    def explain(self, X):
        return self.explanation


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(6, 3)) + 2


class TestOneRow:
    def test_bars_largest_first(self, X):
        display = FeatureContributionDisplay.from_estimator(Squares(), X, row=2)
        assert display.plot() is display
        expected = X[2] ** 2 * WEIGHTS
        order = np.argsort(-expected)
        assert_allclose([bar.get_width() for bar in display.bars_], expected[order])
        # The first bar stands at the top.
        bottom, top = display.ax_.get_ylim()
        assert bottom > top
        assert_allclose([bar.get_y() + bar.get_height() / 2 for bar in display.bars_], [0, 1, 2])
        assert tick_labels(display.ax_.yaxis) == [
            f"x{j}\n{X[2, j]:.5g}, expected {-X[2, j]:.5g}" for j in order
        ]
        assert display.ax_.get_title(loc="left") == "row 2: 3 of 3 columns, largest first"

    def test_the_others_are_counted(self, X):
        display = FeatureContributionDisplay.from_estimator(Squares(), X, n_features=1).plot()
        values = np.sort(X[0] ** 2 * WEIGHTS)
        assert_allclose([bar.get_width() for bar in display.bars_], values[-1:])
        assert display.ax_.get_title(loc="left") == "row 0: 1 of 3 columns, largest first"

    def test_negative_contributions_come_last_and_look_different(self):
        X = np.zeros((1, 3))
        detector = Fixed(contributions=np.array([[-2.0, 5.0, -1.0]]), expected=X)
        display = FeatureContributionDisplay.from_estimator(detector, X).plot()
        assert_array_equal([bar.get_width() for bar in display.bars_], [5, -1, -2])
        colours = [bar.get_facecolor() for bar in display.bars_]
        assert colours[0] != colours[1] == colours[2]

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (1234567, "1234567"),
            (0.123456, "0.12346"),
            (5.0, "5"),
            (-2.5e12, "-2.5e+12"),
            (np.float32(0.5), "0.5"),
            (np.nan, "nan"),
            (None, "None"),
            (True, "True"),
            (np.datetime64("2020-02-29"), "2020-02-29"),
        ],
    )
    def test_values_as_text(self, value, shown):
        frame = pd.DataFrame({"a": pd.Series([value], dtype=object)})
        detector = Fixed(contributions=np.ones((1, 1)), expected=frame)
        display = FeatureContributionDisplay.from_estimator(detector, frame).plot()
        assert tick_labels(display.ax_.yaxis) == [f"a\n{shown}, expected {shown}"]

    def test_draws_into_given_axes(self, X):
        _, ax = plt.subplots()
        display = FeatureContributionDisplay.from_estimator(Squares(), X)
        assert not hasattr(display, "ax_")
        assert display.plot(ax).figure_ is ax.figure


def test_many_columns_and_long_names():
    names = [f"column with a rather long name {i}" for i in range(40)]
    frame = pd.DataFrame(np.ones((3, 40)), columns=names)
    detector = Fixed(contributions=frame, expected=frame)
    display = FeatureContributionDisplay.from_estimator(detector, frame).plot()
    display.figure_.canvas.draw()
    assert len(display.bars_) == 10


class TestTables:
    @pytest.mark.parametrize("row", [3, -3])
    def test_only_the_row_drawn_is_explained(self, X, row):
        detector = Squares()
        display = FeatureContributionDisplay.from_estimator(detector, X, row=row)
        assert_array_equal(detector.seen, X[[3]])
        assert display.row == 3

    def test_no_such_row(self, X):
        with pytest.raises(IndexError):
            FeatureContributionDisplay.from_estimator(Squares(), X, row=6)

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    @pytest.mark.parametrize("returns", ["arrays", "frames"])
    def test_frames(self, X, library, returns):
        frame_type = pytest.importorskip(library).DataFrame
        names = ["height", "weight", "age"]

        def as_frame(array):
            return frame_type(dict(zip(names, array.T, strict=True)))

        detector = Squares(as_frame) if returns == "frames" else Squares()
        display = FeatureContributionDisplay.from_estimator(detector, as_frame(X), row=4)
        assert isinstance(detector.seen, frame_type)
        assert list(display.observed) == names
        assert_allclose(list(display.contributions.values()), X[4] ** 2 * WEIGHTS)
        assert_allclose(list(display.observed.values()), X[4])
        assert_allclose(list(display.expected.values()), -X[4])

    def test_rows_of_pandas_by_position(self, X):
        frame = pd.DataFrame(X, columns=list("abc"), index=[5, 4, 3, 2, 1, 0])
        display = FeatureContributionDisplay.from_estimator(Squares(), frame, row=1)
        assert_allclose(list(display.contributions.values()), X[1] ** 2 * WEIGHTS)
