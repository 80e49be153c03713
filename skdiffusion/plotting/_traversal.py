"""Rows along a path."""

from dataclasses import dataclass

import numpy as np

from ._columns import as_columns, is_numeric
from ._style import GROUPS, take_axes, tidy, write_at_edge

# Height of a column's band of one; the rest keeps the numbers at its edges apart.
_BAND = 0.7


@dataclass(kw_only=True, repr=False, eq=False)
class TraversalDisplay:
    """Rows along a path, as a line for each column.

    It is recommended to make a display with :meth:`from_path`.

    Parameters
    ----------
    columns : dict of str to array of shape (n_points,)
        The values of each column along the path, in the order in which they are drawn.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into.
    figure_ : matplotlib.figure.Figure
        The figure that holds them.
    lines_ : list of matplotlib.lines.Line2D
        The line of each column.

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

    @classmethod
    def from_path(cls, path, *, max_columns=8):
        """Show rows along a path, of interpolation or traversal.

        Parameters
        ----------
        path : array or frame of shape (n_points, n_features)
            Rows in order, two or more.
        max_columns : int, default=8
            How many columns to draw: the first that change along the path.

        Returns
        -------
        display : TraversalDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If there are less than two rows.
        """
        table = as_columns(path)
        if len(path) < 2:
            raise ValueError(f"A path needs two rows or more, got {len(path)}.")
        changing = [name for name, values in table.items() if np.any(values != values[0])]
        shown = changing[:max_columns] or list(table)[:1]
        return cls(columns={name: table[name] for name in shown})

    def plot(self, ax=None):
        """Draw the columns one above the other, each in a band of its own range.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. With ``None``, a figure of its own is made.

        Returns
        -------
        display : TraversalDisplay
            The display itself, with ``ax_``, ``figure_`` and ``lines_``.
        """
        ax = take_axes(self, ax, 6.0, 1.0 + 0.6 * len(self.columns))
        lines = self.lines_ = []
        for i, (name, values) in enumerate(self.columns.items()):
            heights, low, high, style = _heights(values)
            colour, at = GROUPS[i % len(GROUPS)], np.linspace(0, 1, len(values))
            lines += ax.plot(at, heights - i, color=colour, drawstyle=style, label=name)
            write_at_edge(ax, 1, _BAND - i, high, colour, "x-small")
            write_at_edge(ax, 1, -i, low, colour, "x-small")
        ax.set_yticks(_BAND / 2 - np.arange(len(lines)), list(self.columns))
        ax.set_ylim(0.75 - len(lines), _BAND + 0.25)
        tidy(ax, "position on the path")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        return self


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
