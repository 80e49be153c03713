import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ks_2samp
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skdiffusion.plotting import SyntheticComparisonDisplay

pd = pytest.importorskip("pandas")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)

    def draw(n, shift):
        return pd.DataFrame(
            {
                "height": rng.normal(170, 10, n) + 20 * shift,
                "children": rng.integers(0, 5, n),
                "smoker": rng.random(n) < 0.2,
                "colour": pd.Categorical(rng.choice(["red", "green", "blue"], n)),
            }
        )

    return draw(300, 0), draw(200, 1)


class TestFromSamples:
    def test_least_alike_column_first(self, tables):
        display = SyntheticComparisonDisplay.from_samples(*tables)
        assert display.marginals[0].name == "height"
        distances = [column.distance for column in display.marginals]
        assert distances == sorted(distances, reverse=True)
        expected = ks_2samp(tables[0]["height"], tables[1]["height"]).statistic
        assert_allclose(distances[0], expected)

    def test_a_table_against_itself_has_no_distance(self, tables):
        display = SyntheticComparisonDisplay.from_samples(tables[0], tables[0])
        assert [column.distance for column in display.marginals] == [0, 0, 0, 0]
        assert_array_equal(display.real_projection, display.synthetic_projection)

    def test_marginals_are_densities_and_shares(self, tables):
        display = SyntheticComparisonDisplay.from_samples(*tables)
        for column in display.marginals:
            for values in (column.real, column.synthetic):
                width = 1 if column.bins is None else np.diff(column.bins)
                assert_allclose((values * width).sum(), 1)

    def test_integers_get_a_bin_each(self, tables):
        marginals = SyntheticComparisonDisplay.from_samples(*tables).marginals
        children = next(column for column in marginals if column.name == "children")
        assert_allclose(children.bins, np.arange(6) - 0.5)

    def test_categories_from_dtype_and_by_choice(self, tables):
        display = SyntheticComparisonDisplay.from_samples(*tables, categorical_features=[1])
        categories = {column.name: column.categories for column in display.marginals}
        assert categories["height"] is None
        assert categories["children"] == ["0", "1", "2", "3", "4"]
        assert categories["smoker"] == ["False", "True"]
        assert categories["colour"] == ["blue", "green", "red"]

    def test_projection_is_that_of_scaled_real_rows(self):
        real, synthetic = np.random.default_rng(1).normal(size=(2, 50, 4)) * [1, 10, 100, 1000]
        display = SyntheticComparisonDisplay.from_samples(real, synthetic)
        scaler = StandardScaler().fit(real)
        pca = PCA(2).fit(scaler.transform(real))
        expected = pca.transform(scaler.transform(synthetic))
        assert_allclose(np.abs(display.synthetic_projection), np.abs(expected), atol=1e-8)
        share = 100 * pca.explained_variance_ratio_[1]
        assert display.axis_labels[1] == f"principal component 2 ({share:.0f} %)"

    def test_polars_as_pandas(self, tables):
        pl = pytest.importorskip("polars")
        frames = [pl.DataFrame({n: np.asarray(t[n]) for n in t}) for t in tables]
        polars = SyntheticComparisonDisplay.from_samples(*frames)
        pandas = SyntheticComparisonDisplay.from_samples(*tables)
        assert [m.name for m in polars.marginals] == [m.name for m in pandas.marginals]
        assert_allclose(polars.real_projection, pandas.real_projection)

    def test_gaps_dates_and_durations(self, tables):
        def extend(frame, seed):
            rng = np.random.default_rng(seed)
            days = pd.to_timedelta(rng.integers(0, 99, len(frame)), "D")
            frame = frame.assign(day=pd.Timestamp("2024-01-01") + days, took=days)
            return frame.mask(rng.random(frame.shape) < 0.1)

        real, synthetic = extend(tables[0], 0), extend(tables[1], 1)
        synthetic["colour"] = synthetic["colour"].astype(object).fillna("pink")
        display = SyntheticComparisonDisplay.from_samples(real, synthetic).plot()
        display.figure_.canvas.draw()
        found = {column.name: column for column in display.marginals}
        assert found["day"].bins.dtype.kind == "M"
        assert found["colour"].categories == ["blue", "green", "pink", "red", "missing"]
        assert np.isfinite(display.real_projection).all()

    def test_one_gross_cell_does_not_hide_the_rest(self, tables):
        spoilt = tables[0].copy()
        spoilt.loc[0, "height"] = 1e9
        display = SyntheticComparisonDisplay.from_samples(spoilt, tables[1])
        assert np.ptp(display.real_projection, axis=0).max() < 20
        assert next(c for c in display.marginals if c.name == "height").bins.max() < 400

    def test_constant_column(self):
        real = np.column_stack([np.arange(10.0), np.full(10, 0.5)])
        display = SyntheticComparisonDisplay.from_samples(real, real).plot()
        assert len(display.marginal_axes_) == 2


class TestPlot:
    def test_a_figure_of_its_own(self, tables):
        display = SyntheticComparisonDisplay.from_samples(*tables)
        assert display.plot() is display
        assert len(display.marginal_axes_) == 4
        assert display.ax_.figure is display.figure_
        titles = [ax.get_title(loc="left") for ax in display.marginal_axes_]
        assert titles == [column.name for column in display.marginals]
        labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert labels == ["real (300 rows)", "synthetic (200 rows)"]

    def test_every_point_is_drawn(self, tables):
        display = SyntheticComparisonDisplay.from_samples(*tables).plot()
        points = display.ax_.collections[0].get_offsets()
        expected = np.concatenate([display.real_projection, display.synthetic_projection])
        assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0))

    def test_takes_the_place_of_given_axes(self, tables):
        figure, axes = plt.subplots(1, 2)
        display = SyntheticComparisonDisplay.from_samples(*tables).plot(axes[1])
        assert display.figure_ is figure
        assert not axes[1].axison
        assert axes[0].axison

    def test_many_columns_and_long_names(self):
        real = pd.DataFrame({f"a rather long name {i}": list("abcdefgh") for i in range(9)})
        display = SyntheticComparisonDisplay.from_samples(real, real, max_columns=9).plot()
        display.figure_.canvas.draw()
        assert len(display.marginal_axes_) == 9


class TestErrors:
    def test_different_columns(self, tables):
        with pytest.raises(ValueError, match="differ in their columns"):
            SyntheticComparisonDisplay.from_samples(tables[0], tables[1].drop(columns="height"))

    def test_unknown_column(self, tables):
        with pytest.raises(ValueError, match="column 'weight', which X does not have"):
            SyntheticComparisonDisplay.from_samples(*tables, categorical_features=["weight"])

    def test_no_rows(self, tables):
        with pytest.raises(ValueError, match="minimum of 1 is required"):
            SyntheticComparisonDisplay.from_samples(tables[0], tables[1].head(0))

    def test_one_dimension(self):
        with pytest.raises(ValueError, match="Expected 2D array"):
            SyntheticComparisonDisplay.from_samples(np.ones(3), np.ones(3))

    def test_a_single_column_has_no_projection(self):
        with pytest.raises(ValueError, match="two columns"):
            SyntheticComparisonDisplay.from_samples(np.ones((3, 1)), np.ones((3, 1)))
