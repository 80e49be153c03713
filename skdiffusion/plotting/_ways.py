"""Rows on their way: from noise to data, and along a path."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from ._style import (
    GROUPS,
    MUTED,
    Display,
    as_columns,
    give_up_place,
    take_axes,
    tidy,
    write_at_edge,
)

# Height of a column's band of one; the rest keeps the numbers at its edges apart.
_BAND = 0.7


@dataclass(kw_only=True, repr=False, eq=False)
class TrajectoryDisplay(Display):
    """States of a solver on the way from noise to rows, in a few pictures from left to right.

    Each picture shows the same rows at one noise level, divided by what the noise has widened them
    by, so that all fit one frame. A row keeps its colour, which goes by where it ends: one sees
    when it is settled to which part of the data a row belongs.

    Parameters
    ----------
    projection : array of shape (n_panels, n, 2)
        Rows in two coordinates at each picture, from noise to data.
    sigmas : array of shape (n_panels,)
        Noise level of each.

    Attributes
    ----------
    axes_ : array of matplotlib.axes.Axes
        The pictures.
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        The axes whose place they take, and the figure that holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.plotting import TrajectoryDisplay
    >>> rng = np.random.default_rng(0)
    >>> rows, noise = rng.choice([-1.0, 1.0], size=(50, 2)), rng.normal(size=(50, 2))
    >>> sigmas = np.array([10.0, 3.0, 1.0, 0.3, 0.0])
    >>> states = rows + sigmas[:, None, None] * noise
    >>> display = TrajectoryDisplay.from_states(states, sigmas, n_panels=3)
    >>> display.sigmas
    array([10.,  1.,  0.])
    """

    projection: np.ndarray
    sigmas: np.ndarray

    @classmethod
    def from_states(cls, states, sigmas, *, n_panels=5):
        """Show the states of a solver.

        Parameters
        ----------
        states : array-like of shape (n_steps + 1, n, d)
            Rows after each step, from noise to data, in two columns or more. More are drawn in
            the first two principal components of the last state.
        sigmas : array-like of shape (n_steps + 1,)
            Noise level of each state, in the units of the rows.
        n_panels : int, default=5
            Number of pictures, at equal numbers of steps from one another.

        Returns
        -------
        display : TrajectoryDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If the shapes disagree or there are less than two states, rows or columns.
        """
        states = np.asarray(states, dtype=np.float64)
        sigmas = np.asarray(sigmas, dtype=np.float64)
        if states.ndim != 3 or min(states.shape) < 2 or sigmas.shape != states.shape[:1]:
            raise ValueError(
                "states must be of shape (n_steps + 1, n, d) with two steps, rows and columns or "
                f"more, and sigmas of shape (n_steps + 1,): {states.shape}, {sigmas.shape}."
            )
        shown = np.linspace(0, len(states) - 1, min(n_panels, len(states))).round().astype(int)
        last = states[-1]
        centre, axes = last.mean(axis=0), np.eye(2)
        if last.shape[1] > 2:
            axes = PCA(n_components=2, svd_solver="full").fit(last).components_.T
        points = (states[shown] - centre) @ axes
        spread = np.sqrt((points[-1] ** 2).mean()) or 1.0
        widened = np.sqrt(1 + (sigmas[shown] / spread) ** 2)
        return cls(projection=points / widened[:, None, None], sigmas=sigmas[shown])

    def plot(self, ax=None):
        n_panels, n, _ = self.projection.shape
        grid = give_up_place(take_axes(self, ax, 2.2 * n_panels, 2.5)).subgridspec(1, n_panels)
        self.axes_ = np.array([self.figure_.add_subplot(grid[i]) for i in range(n_panels)])
        # a few rows far out shall not squeeze the others
        reach = 1.15 * np.quantile(np.abs(self.projection), 0.99) or 1.0
        colours = self.projection[-1, :, 0].argsort().argsort()
        size = np.clip(3000 / n, 2, 14)
        for panel, points, sigma in zip(self.axes_, self.projection, self.sigmas, strict=True):
            panel.scatter(*points.T, c=colours, s=size, linewidths=0)
            panel.set_title(f"noise {sigma:.2g}", fontsize="small", color=MUTED)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[])
            tidy(panel, left=False)
            panel.spines["bottom"].set_visible(False)
        return self


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
