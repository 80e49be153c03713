"""Rows along a path."""

from dataclasses import dataclass

import numpy as np

from ._columns import as_columns, is_numeric
from ._style import GROUPS, take_axes, tidy, write_at_edge

# Height of a column's band of one; the rest keeps the numbers at its edges apart.
_BAND = 0.7


@dataclass(kw_only=True, repr=False, eq=False)
class TraversalDisplay:
    """Rows along a path, as a line for each column or as small images.

    It is recommended to make a display with :meth:`from_path`.

    Parameters
    ----------
    columns : dict of str to array of shape (n_points,)
        The values of each column along the path, in the order in which they are drawn.
    positions : array of shape (n_points,)
        Where each row stands on the path.
    images : array of shape (n_points, height, width) or None, default=None
        The rows as images, which are then drawn instead of lines.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into.
    figure_ : matplotlib.figure.Figure
        The figure that holds them.
    lines_ : list of matplotlib.lines.Line2D
        The line of each column; empty for images.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.plotting import TraversalDisplay
    >>> angle = np.linspace(0, np.pi, 9)
    >>> path = np.stack([np.cos(angle), np.sin(angle), np.ones(9)], axis=1)
    >>> display = TraversalDisplay.from_path(path)
    >>> list(display.columns)
    ['x0', 'x1']
    """

    columns: dict[str, np.ndarray]
    positions: np.ndarray
    images: np.ndarray | None = None

    @classmethod
    def from_path(cls, path, *, positions=None, max_columns=8, image_shape=None):
        """Show rows along a path, of interpolation or traversal.

        Parameters
        ----------
        path : array or frame of shape (n_points, n_features)
            Rows in order, two or more.
        positions : array-like of shape (n_points,) or None, default=None
            Where each stands; None spaces them equally from 0 to 1.
        max_columns : int, default=8
            How many columns to draw: the first that change along the path.
        image_shape : tuple of int (height, width) or None, default=None
            Shape of the images that the rows are; None draws lines.

        Returns
        -------
        display : TraversalDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If there are less than two rows, not one position for each, or the rows are not of the
            shape of the images.
        """
        table = as_columns(path)
        n = len(path)
        if n < 2:
            raise ValueError(f"A path needs two rows or more, got {n}.")
        at = np.linspace(0, 1, n) if positions is None else np.asarray(positions, dtype=np.float64)
        if at.shape != (n,):
            raise ValueError(f"positions must have one for each of the {n} rows, got {at.shape}.")
        images = None
        if image_shape is not None:
            images = np.column_stack(list(table.values())).astype(np.float64)
            if images.shape[1] != np.prod(image_shape):
                raise ValueError(
                    f"Rows of {images.shape[1]} columns are no images of shape {image_shape}."
                )
            images = images.reshape(n, *image_shape)
        changing = [name for name, values in table.items() if np.any(values != values[0])]
        shown = changing[:max_columns] or list(table)[:1]
        return cls(columns={name: table[name] for name in shown}, positions=at, images=images)

    def plot(self, ax=None):
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. With ``None``, a figure of its own is made.

        Returns
        -------
        display : TraversalDisplay
            The display itself, with ``ax_``, ``figure_`` and ``lines_``.
        """
        self.lines_ = []
        if self.images is None:
            self._plot_lines(take_axes(self, ax, 6.0, 1.0 + 0.6 * len(self.columns)))
        else:
            self._plot_images(take_axes(self, ax, min(0.8 * len(self.images), 14.0), 1.4))
        return self

    def _plot_lines(self, ax):
        """Draw the columns one above the other, each in a band of its own range."""
        lines = self.lines_
        for i, (name, values) in enumerate(self.columns.items()):
            heights, low, high, style = _heights(values)
            colour = GROUPS[i % len(GROUPS)]
            lines += ax.plot(self.positions, heights - i, color=colour, drawstyle=style, label=name)
            write_at_edge(ax, 1, _BAND - i, high, colour, "x-small")
            write_at_edge(ax, 1, -i, low, colour, "x-small")
        ax.set_yticks(_BAND / 2 - np.arange(len(lines)), list(self.columns))
        ax.set_ylim(0.75 - len(lines), _BAND + 0.25)
        tidy(ax, "position on the path")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)

    def _plot_images(self, ax):
        """Draw the images side by side, in one scale of grey."""
        n, _, width = self.images.shape
        gap = max(1, width // 8)
        padded = np.pad(self.images, [(0, 0), (0, 0), (0, gap)], constant_values=np.nan)
        strip = np.concatenate(list(padded), axis=1)[:, :-gap]
        ax.imshow(strip, cmap="gray_r", interpolation="nearest")
        labelled = np.unique(np.linspace(0, n - 1, min(n, 5)).round().astype(int))
        middle = labelled * (width + gap) + (width - 1) / 2
        ax.set_xticks(middle, [f"{self.positions[i]:.2g}" for i in labelled])
        tidy(ax, "position on the path", left=False)
        ax.spines["bottom"].set_visible(False)


def _heights(values):
    """Return a column scaled to its band, what its edges mean, and how lines are drawn."""
    if is_numeric(values):
        numbers, style = values.astype(np.float64), "default"
        edges = [f"{edge(numbers):.3g}" for edge in (np.nanmin, np.nanmax)]
    else:
        # in the order in which they come
        categories = list(dict.fromkeys(values.astype(str).tolist()))
        numbers = np.array([categories.index(str(value)) for value in values], dtype=np.float64)
        edges, style = [categories[0], categories[-1]], "steps-mid"
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    if low == high:
        edges[1] = ""
    return _BAND * (numbers - low) / (high - low or 1.0), *edges, style
