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
        assert display.image_ is None

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


class TestSeveralRows:
    def test_heat_map_of_the_columns_with_most(self, X):
        rows = [4, 0, -1]
        display = FeatureContributionDisplay.from_estimator(
            Squares(), X, row=rows, n_features=2
        ).plot()
        expected = X[[4, 0, 5]] ** 2 * WEIGHTS
        order = np.argsort(-expected.mean(axis=0))[:2]
        assert_allclose(display.image_.get_array(), expected[:, order])
        assert tick_labels(display.ax_.xaxis) == [f"x{j}" for j in order]
        assert tick_labels(display.ax_.yaxis) == ["4", "0", "5"]
        assert display.ax_.get_title(loc="left") == "2 of 3 columns, largest first"
        assert display.bars_ is None

    def test_all_rows(self, X):
        display = FeatureContributionDisplay.from_estimator(Squares(), X, row=slice(None)).plot()
        assert display.image_.get_array().shape == X.shape

    def test_a_sequence_of_one_row_is_drawn_as_bars(self, X):
        display = FeatureContributionDisplay.from_estimator(Squares(), X, row=[1]).plot()
        assert_allclose(display.contributions, X[[1]] ** 2 * WEIGHTS)
        assert display.image_ is None

    def test_colours_start_at_zero(self, X):
        display = FeatureContributionDisplay.from_estimator(Squares(), X, row=slice(None)).plot()
        assert display.image_.get_clim()[0] == 0

    def test_labels_of_many_rows_are_thinned_and_right(self):
        X = np.random.default_rng(0).normal(size=(200, 3))
        display = FeatureContributionDisplay.from_estimator(Squares(), X, row=slice(None)).plot()
        labels = tick_labels(display.ax_.yaxis)
        assert len(labels) <= 25
        assert_array_equal(display.ax_.get_yticks(), np.array(labels, dtype=int))

    def test_many_columns_and_long_names(self):
        names = [f"column with a rather long name {i}" for i in range(40)]
        frame = pd.DataFrame(np.ones((3, 40)), columns=names)
        detector = Fixed(contributions=frame, expected=frame)
        display = FeatureContributionDisplay.from_estimator(detector, frame, row=slice(None))
        display.plot().figure_.canvas.draw()
        assert display.image_.get_array().shape == (3, 10)


class TestTables:
    def test_only_the_rows_drawn_are_explained(self, X):
        detector = Squares()
        FeatureContributionDisplay.from_estimator(detector, X, row=[3, 1])
        assert_array_equal(detector.seen, X[[3, 1]])

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    @pytest.mark.parametrize("returns", ["arrays", "frames"])
    def test_frames(self, X, library, returns):
        frame_type = pytest.importorskip(library).DataFrame
        names = ["height", "weight", "age"]

        def as_frame(array):
            return frame_type(dict(zip(names, array.T, strict=True)))

        detector = Squares(as_frame) if returns == "frames" else Squares()
        display = FeatureContributionDisplay.from_estimator(detector, as_frame(X), row=[4, 2])
        assert isinstance(detector.seen, frame_type)
        assert list(display.observed) == names
        assert_allclose(display.contributions, X[[4, 2]] ** 2 * WEIGHTS)
        assert_allclose(np.column_stack(list(display.observed.values())), X[[4, 2]])
        assert_allclose(np.column_stack(list(display.expected.values())), -X[[4, 2]])

    def test_rows_of_pandas_by_position(self, X):
        frame = pd.DataFrame(X, columns=list("abc"), index=[5, 4, 3, 2, 1, 0])
        display = FeatureContributionDisplay.from_estimator(Squares(), frame, row=1)
        assert_allclose(display.contributions, X[[1]] ** 2 * WEIGHTS)

    def test_mixed_types(self):
        X = pd.DataFrame({"size": [1.5, 2.5], "colour": pd.Categorical(["red", "blue"])})
        expected = X.assign(colour=X["colour"].cat.rename_categories({"blue": "green"}))
        detector = Fixed(contributions=np.array([[1.0, 3.0]]), expected=expected.iloc[[1]])
        display = FeatureContributionDisplay.from_estimator(detector, X, row=1).plot()
        labels = tick_labels(display.ax_.yaxis)
        assert labels == ["colour\nblue, expected green", "size\n2.5, expected 2.5"]


class TestErrors:
    @pytest.mark.parametrize("row", [6, -7, [0, 6]])
    def test_row_that_is_not_there(self, X, row):
        with pytest.raises(IndexError, match="out of bounds for axis 0 with size 6"):
            FeatureContributionDisplay.from_estimator(Squares(), X, row=row)

    @pytest.mark.parametrize("row", [0.5, "first"])
    def test_row_that_is_no_position(self, X, row):
        with pytest.raises(IndexError):
            FeatureContributionDisplay.from_estimator(Squares(), X, row=row)

    def test_one_dimension(self):
        with pytest.raises(ValueError, match="table of rows and columns"):
            FeatureContributionDisplay.from_estimator(Squares(), np.ones(3))

    def test_without_matplotlib_the_error_names_the_extra(self, X, monkeypatch):
        display = FeatureContributionDisplay.from_estimator(Squares(), X)
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[plot\]"):
            display.plot()
