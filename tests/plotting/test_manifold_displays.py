import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skdiffusion.plotting import ManifoldDisplay, TrajectoryDisplay

pd = pytest.importorskip("pandas")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(scope="module")
def iris():
    return load_iris().data


def trajectory(n_samples):
    """States on the way from noise to rows, and their noise levels."""
    rows, noise = np.random.default_rng(0).normal(size=(2, n_samples, 3))
    sigmas = np.array([20.0, 5.0, 1.0, 0.2, 0.0])
    return rows + sigmas[:, None, None] * noise, sigmas


def legend(display):
    found = display.ax_.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


class TestManifold:
    def test_principal_components_of_scaled_rows(self, iris):
        display = ManifoldDisplay.from_samples(iris, iris[:50] + 0.1)
        scaler = StandardScaler().fit(iris)
        pca = PCA(2).fit(scaler.transform(iris))
        expected = pca.transform(scaler.transform(iris[:50] + 0.1))
        assert_allclose(np.abs(display.synthetic_projection), np.abs(expected), atol=1e-8)
        assert display.axis_labels[0].startswith("principal component 1 (73 %")

    def test_coordinates_of_an_embedding(self, iris):
        embedding = Isomap(n_neighbors=60, n_components=3).fit(iris)
        display = ManifoldDisplay.from_samples(iris, iris[::3], embedding=embedding)
        assert_allclose(display.real_projection, embedding.transform(iris)[:, :2])
        assert_allclose(display.synthetic_projection, embedding.transform(iris[::3])[:, :2])
        assert display.axis_labels == ("Isomap 1", "Isomap 2")

    def test_frames_with_categories(self):
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({"a": rng.normal(size=30), "b": rng.choice(["u", "v"], 30)})
        display = ManifoldDisplay.from_samples(frame).plot()
        assert display.real_projection.shape == (30, 2)

    def test_values(self, iris):
        expected = KernelDensity().fit(iris).score_samples(iris)
        display = ManifoldDisplay.from_samples(
            iris, values=expected, value_label="log-density (nats)"
        )
        assert display.plot() is display
        assert_allclose(display.ax_.collections[0].get_array(), expected)
        assert display.colorbar_.ax.get_ylabel() == "log-density (nats)"

    def test_every_row_is_drawn(self, iris):
        display = ManifoldDisplay.from_samples(iris, iris[:50] + 0.1).plot()
        points = display.ax_.collections[0].get_offsets()
        expected = np.concatenate([display.real_projection, display.synthetic_projection])
        assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0))
        assert legend(display) == ["real (150 rows)", "synthetic (50 rows)"]
        assert display.colorbar_ is None

    def test_draws_into_given_axes(self, iris):
        _, ax = plt.subplots()
        assert ManifoldDisplay.from_samples(iris).plot(ax).ax_ is ax
        assert legend(ManifoldDisplay.from_samples(iris).plot()) == ["real (150 rows)"]

    def test_bad_input(self, iris):
        with pytest.raises(ValueError, match="must give two coordinates or more"):
            ManifoldDisplay.from_samples(iris, embedding=PCA(1).fit(iris))
        for values, drawn in (([1, 2, 3], None), (iris[:, 0], iris)):
            with pytest.raises(ValueError, match="one for each of 150 real rows, shown alone"):
                ManifoldDisplay.from_samples(iris, drawn, values=values)
        with pytest.raises(ValueError, match="differ in their columns"):
            ManifoldDisplay.from_samples(iris, iris[:, :2])


class TestTrajectory:
    def test_pictures_are_at_equal_steps_with_both_ends(self):
        states, sigmas = trajectory(10)
        display = TrajectoryDisplay.from_states(states, sigmas, n_panels=3).plot()
        assert [panel.get_title() for panel in display.axes_] == ["noise 20", "noise 1", "noise 0"]
        points = [panel.collections[0].get_offsets() for panel in display.axes_]
        assert_array_equal(points, display.projection[[0, 2, 4]])
        assert len(TrajectoryDisplay.from_states(states, sigmas, n_panels=99).plot().axes_) == 5

    def test_the_last_picture_holds_the_rows(self):
        states, sigmas = trajectory(40)
        display = TrajectoryDisplay.from_states(states, sigmas)
        expected = PCA(2).fit_transform(states[-1])
        assert_allclose(np.abs(display.projection[-1]), np.abs(expected), atol=1e-8)
        flat = TrajectoryDisplay.from_states(states[:, :, :2], sigmas)
        assert_allclose(flat.projection[-1], states[-1, :, :2] - states[-1, :, :2].mean(axis=0))

    def test_all_fit_one_frame(self):
        display = TrajectoryDisplay.from_states(*trajectory(500))
        widths = display.projection.std(axis=(1, 2))
        assert widths.max() < 1.5 * widths.min()

    def test_rows_keep_their_colour(self):
        display = TrajectoryDisplay.from_states(*trajectory(30), n_panels=4).plot()
        assert display.axes_.shape == (4,)
        colours = [panel.collections[0].get_array() for panel in display.axes_]
        for other in colours[1:]:
            assert_array_equal(other, colours[0])
        assert_array_equal(np.argsort(colours[0]), np.argsort(display.projection[-1, :, 0]))
        assert display.axes_[0].get_title() == "noise 20"

    def test_takes_the_place_of_given_axes(self):
        figure, axes = plt.subplots(2, 1)
        display = TrajectoryDisplay.from_states(*trajectory(20)).plot(axes[1])
        assert display.figure_ is figure
        assert not axes[1].axison
        with pytest.raises(ValueError, match="ax must come from a grid"):
            display.plot(plt.figure().add_axes([0, 0, 1, 1]))

    @pytest.mark.parametrize(
        ("shape", "n_sigmas"), [((3, 5), 3), ((3, 5, 1), 3), ((1, 5, 2), 1), ((3, 5, 2), 4)]
    )
    def test_bad_input(self, shape, n_sigmas):
        with pytest.raises(ValueError, match="must be of shape"):
            TrajectoryDisplay.from_states(np.zeros(shape), np.zeros(n_sigmas))

    def test_rows_that_are_all_alike(self):
        TrajectoryDisplay.from_states(np.ones((3, 5, 2)), [2.0, 1.0, 0.0]).plot()


class TestWithoutMatplotlib:
    @pytest.mark.parametrize("kind", ["manifold", "trajectory"])
    def test_the_error_names_the_extra(self, kind, iris, monkeypatch):
        display = {
            "manifold": ManifoldDisplay.from_samples(iris),
            "trajectory": TrajectoryDisplay.from_states(*trajectory(5)),
        }[kind]
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[plot\]"):
            display.plot()
