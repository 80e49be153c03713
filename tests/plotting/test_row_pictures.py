import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.plotting import RowDisplay, TrajectoryDisplay

plt = pytest.importorskip("matplotlib.pyplot")
image_library = pytest.importorskip("PIL.Image")


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(5, 12))


def count_frames(animation, path):
    animation.save(path, writer="pillow")
    with image_library.open(path) as image:
        return image.n_frames


class TestImages:
    def test_each_row_in_the_order_of_numpy(self, rows):
        display = RowDisplay.from_rows(rows, (3, 4), titles=list("abcde"), n_columns=2)
        assert display.plot() is display
        panels = [image.axes for image in display.artists_]
        assert [panel.get_title() for panel in panels] == list("abcde")
        for image, row in zip(display.artists_, rows, strict=True):
            assert_array_equal(image.get_array(), row.reshape(3, 4))
        places = [panel.get_subplotspec() for panel in panels]
        assert [(p.rowspan.start, p.colspan.start) for p in places] == [
            (0, 0),
            (0, 1),
            (1, 0),
            (1, 1),
            (2, 0),
        ]

    def test_all_have_the_same_colours_about_zero(self, rows):
        most = np.abs(rows).max()
        for image in RowDisplay.from_rows(rows, (3, 4)).plot().artists_:
            assert image.get_clim() == (-most, most)
        images = RowDisplay.from_rows(rows**2, (3, 4)).plot().artists_
        assert images[0].get_clim() == ((rows**2).min(), (rows**2).max())
        assert images[0].get_cmap().name != image.get_cmap().name

    def test_channels(self, rows):
        display = RowDisplay.from_rows(rows, (2, 2, 3), limits=(-1, 1)).plot()
        expected = np.clip((rows[2].reshape(2, 2, 3) + 1) / 2, 0, 1)
        assert_allclose(display.artists_[2].get_array(), expected)
        assert RowDisplay.from_rows(rows, (4, 3, 1)).frames.shape == (1, 5, 4, 3)

    def test_takes_the_place_of_given_axes(self, rows):
        figure, axes = plt.subplots(1, 2)
        display = RowDisplay.from_rows(rows, (3, 4)).plot(axes[0])
        assert display.figure_ is figure
        assert not axes[0].axison

    def test_equal_values(self):
        RowDisplay.from_rows(np.ones((2, 4)), (2, 2)).plot().figure_.canvas.draw()


class TestLines:
    def test_a_line_over_the_columns(self, rows):
        display = RowDisplay.from_rows(rows).plot()
        for line, row in zip(display.artists_, rows, strict=True):
            assert_array_equal(line.get_ydata(), row)
        limits = [line.axes.get_ylim() for line in display.artists_]
        assert len(set(limits)) == 1
        assert limits[0][0] < rows.min() < rows.max() < limits[0][1]


class TestAnimation:
    @pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3), None])
    def test_every_frame_is_drawn_and_saved(self, rows, shape, tmp_path):
        # a traversal: one row a frame
        display = RowDisplay.from_rows(rows[:, None], shape)
        _, show = display._animated(None)
        for frame in (3, 0):
            show(frame)
            (artist,) = display.artists_
            drawn = artist.get_ydata() if shape is None else artist.get_array()
            assert_array_equal(drawn, display._shown(display.frames[frame, 0]))
        assert count_frames(display.animate(interval=50), tmp_path / "rows.gif") == 5

    def test_colours_are_those_of_the_last_frame(self, rows):
        states = np.stack([100 * rows, rows])
        display = RowDisplay.from_rows(states, (3, 4))
        assert display.limits[1] == np.abs(rows).max()
        assert_array_equal(display.plot().artists_[1].get_array(), rows[1].reshape(3, 4))

    def test_all_states_of_a_trajectory(self, tmp_path):
        states = np.random.default_rng(0).normal(size=(7, 20, 3))
        sigmas = np.linspace(6, 0, 7)
        display = TrajectoryDisplay.from_states(states, sigmas, n_panels=3)
        _, ax = plt.subplots()
        _, show = display._animated(ax)
        assert display.ax_ is ax
        show(3)
        (points,) = ax.collections
        assert ax.get_title() == "noise 3"
        assert_array_equal(points.get_offsets(), display.projection[3])
        assert count_frames(display.animate(), tmp_path / "states.gif") == 7


class TestErrors:
    @pytest.mark.parametrize(
        ("shape", "image_shape"),
        [
            ((5, 12), (3, 5)),
            ((5, 12), (2, 3, 2)),
            ((5, 12), (3, 2, 2, 1)),
            ((12,), (3, 4)),
            ((2, 2, 2, 3), None),
        ],
    )
    def test_shapes(self, shape, image_shape):
        with pytest.raises(ValueError, match="rows must be of shape"):
            RowDisplay.from_rows(np.zeros(shape), image_shape)

    def test_titles_and_cells(self, rows):
        with pytest.raises(ValueError, match="5 rows need a title each, got 1"):
            RowDisplay.from_rows(rows, (3, 4), titles=["a"])
        with pytest.raises(ValueError, match="could not convert"):
            RowDisplay.from_rows(np.array([["a", "b"]]))
