"""Rows along a path."""

from dataclasses import dataclass

import numpy as np

from ._columns import as_columns
from ._style import GROUPS, Display, take_axes, tidy, write_at_edge

# Height of a column's band of one; the rest keeps the numbers at its edges apart.
_BAND = 0.7


@dataclass(kw_only=True, repr=False, eq=False)
class TraversalDisplay(Display):
    """Rows along a path, as a line for each column in a band of its own range.

    Parameters
    ----------
    columns : dict of str to array of shape (n_points,)
        The values of each column along the path, in the order in which they are drawn.

    Attributes
    ----------
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        The axes drawn into, and the figure that holds them.
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
            Rows of numbers in order, two or more.
        max_columns : int, default=8
            How many columns to draw: the first that change along the path.

        Returns
        -------
        display : TraversalDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If there are less than two rows, or cells that are no numbers.
        """
        table = as_columns(path)
        if len(path) < 2:
            raise ValueError(f"A path needs two rows or more, got {len(path)}.")
        changing = [name for name, values in table.items() if np.any(values != values[0])]
        shown = changing[:max_columns] or list(table)[:1]
        return cls(columns={name: table[name].astype(np.float64) for name in shown})

    def plot(self, ax=None):
        ax = take_axes(self, ax, 6.0, 1.0 + 0.6 * len(self.columns))
        lines = self.lines_ = []
        for i, (name, values) in enumerate(self.columns.items()):
            colour, at = GROUPS[i % len(GROUPS)], np.linspace(0, 1, len(values))
            low, high = np.nanmin(values), np.nanmax(values)
            heights = _BAND * (values - low) / (high - low or 1.0) - i
            lines += ax.plot(at, heights, color=colour, label=name)
            write_at_edge(ax, 1, _BAND - i, f"{high:.3g}", colour, "x-small")
            write_at_edge(ax, 1, -i, f"{low:.3g}", colour, "x-small")
        ax.set_yticks(_BAND / 2 - np.arange(len(lines)), list(self.columns))
        ax.set_ylim(0.75 - len(lines), _BAND + 0.25)
        tidy(ax, "position on the path")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        return self
