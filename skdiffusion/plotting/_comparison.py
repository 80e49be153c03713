"""Real rows against synthetic ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._columns import Marginal, is_numeric, marginal, project, same_columns
from ._style import MUTED, REAL, SYNTHETIC, import_pyplot, tidy


class SyntheticComparisonDisplay:
    """Real rows against synthetic ones: principal components and columns.

    On the left, both samples in the first two principal components of the real rows, drawn in
    mixed order so that neither hides the other: where they are alike, the colours mix evenly. On
    the right, the columns that are *least* alike, worst first.

    It is recommended to make a display with :meth:`from_samples`.

    Parameters
    ----------
    real_projection, synthetic_projection : array of shape (n, 2)
        Rows in the first two principal components.
    explained_variance_ratio : array of shape (2,)
        The components' shares of the variance of the real rows.
    marginals : list of Marginal
        The columns to draw, in order.
    heading : str, default=""
        A line above the columns that says which ones they are.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the principal components.
    marginal_axes_ : ndarray of matplotlib.axes.Axes
        Axes of the columns.
    figure_ : matplotlib.figure.Figure
        The figure that holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.plotting import SyntheticComparisonDisplay
    >>> rng = np.random.default_rng(0)
    >>> real, synthetic = rng.normal(size=(2, 200, 3))
    >>> display = SyntheticComparisonDisplay.from_samples(real, synthetic)
    >>> len(display.marginals)
    3
    """

    def __init__(
        self,
        *,
        real_projection: NDArray[np.float64],
        synthetic_projection: NDArray[np.float64],
        explained_variance_ratio: NDArray[np.float64],
        marginals: list[Marginal],
        heading: str = "",
    ):
        self.real_projection = real_projection
        self.synthetic_projection = synthetic_projection
        self.explained_variance_ratio = explained_variance_ratio
        self.marginals = marginals
        self.heading = heading

    @classmethod
    def from_samples(
        cls,
        real: ArrayLike,
        synthetic: ArrayLike,
        *,
        categorical_features: Sequence[str | int] = (),
        columns: Sequence[str] | None = None,
        max_columns: int = 6,
    ) -> "SyntheticComparisonDisplay":
        """Compare two tables with the same columns.

        Parameters
        ----------
        real, synthetic : array or frame of shape (n, n_features)
            The rows to compare; the numbers of rows may differ. Columns of an array are named
            ``x0``, ``x1`` and so on.
        categorical_features : sequence of str or int, default=()
            Names or indices of numeric columns that hold categories. Columns that are not
            numeric are categories anyway.
        columns : sequence of str, default=None
            The columns to draw one by one. With ``None``, those that are least alike by the
            distance of their distribution functions (of their shares, for categories).
        max_columns : int, default=6
            How many columns to draw with ``columns=None``; six fill a 2 x 3 grid that is still
            readable.

        Returns
        -------
        display : SyntheticComparisonDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If the columns of the tables differ, or a name in ``columns`` is none of theirs.
        """
        ours, theirs = same_columns(real, synthetic)
        names = list(ours)
        categorical = {names[c] if isinstance(c, int) else c for c in categorical_features}
        asked = [*categorical, *(columns if columns is not None else ())]
        if unknown := [name for name in asked if name not in ours]:
            raise ValueError(f"Unknown columns {unknown}; the tables have {names}.")
        numeric = [name for name in names if is_numeric(ours[name]) and name not in categorical]
        found = {n: marginal(n, ours[n], theirs[n], n in numeric) for n in columns or names}
        marginals = list(found.values())
        if columns is None:
            marginals = sorted(marginals, key=lambda m: -m.distance)[:max_columns]
        order = ", least alike first" if columns is None and len(marginals) > 1 else ""
        a, b, ratio = project(ours, theirs, numeric)
        return cls(
            real_projection=a,
            synthetic_projection=b,
            explained_variance_ratio=ratio,
            marginals=marginals,
            heading=f"{len(marginals)} of {len(names)} columns{order}",
        )

    def plot(self, ax: Any = None) -> "SyntheticComparisonDisplay":
        """Draw the comparison.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes whose place in the figure's grid the comparison takes: they are divided into the
            panels. With ``None``, a figure of its own is made.

        Returns
        -------
        display : SyntheticComparisonDisplay
            The display itself, with ``ax_``, ``marginal_axes_`` and ``figure_``.
        """
        plt = import_pyplot("SyntheticComparisonDisplay.plot")
        if ax is None:
            _, ax = plt.subplots(figsize=(10.5, 4.6), layout="constrained")
        place = ax.get_subplotspec()
        if place is None:
            raise ValueError("ax must come from a grid, for example from plt.subplots().")
        ax.set_axis_off()
        self.figure_ = ax.figure
        n_rows = min(2, len(self.marginals))
        n_cols = -(-len(self.marginals) // max(n_rows, 1))
        grid = place.subgridspec(1, 2, width_ratios=[1.0, 0.45 * max(n_cols, 1)])
        self.ax_ = self.figure_.add_subplot(grid[0] if n_rows else place)
        self._plot_projection(self.ax_)
        panels = grid[1].subgridspec(
            1 + n_rows, max(n_cols, 1), height_ratios=[0.04] + [1] * n_rows
        )
        places = [panels[1 + i // n_cols, i % n_cols] for i in range(len(self.marginals))]
        self.marginal_axes_ = np.array([self.figure_.add_subplot(p) for p in places], dtype=object)
        for panel, column in zip(self.marginal_axes_, self.marginals, strict=True):
            _plot_marginal(panel, column)
        if n_rows:
            strip = self.figure_.add_subplot(panels[0, :])
            strip.set_axis_off()
            strip.text(0, 0.5, self.heading, color=MUTED, fontsize="small", va="center")
        return self

    def _plot_projection(self, ax: Any) -> None:
        points = np.concatenate([self.real_projection, self.synthetic_projection])
        n_real, n_synthetic = len(self.real_projection), len(self.synthetic_projection)
        colours = np.array([REAL] * n_real + [SYNTHETIC] * n_synthetic)
        mixed = np.random.default_rng(0).permutation(len(points))
        size = np.clip(9000 / len(points), 3, 26)
        ax.scatter(*points[mixed].T, c=colours[mixed], s=size, alpha=0.6, linewidths=0)
        for colour, label in (
            (REAL, f"real ({n_real:,} rows)"),
            (SYNTHETIC, f"synthetic ({n_synthetic:,} rows)"),
        ):
            ax.scatter([], [], c=colour, s=30, linewidths=0, label=label)
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=2,
            frameon=False,
            borderaxespad=0.2,
            handletextpad=0.1,
            columnspacing=1.0,
            fontsize="small",
        )
        first, second = 100 * self.explained_variance_ratio
        muted = {"color": MUTED, "fontsize": "small"}
        ax.set_xlabel(f"principal component 1 ({first:.0f} % of the variance)", **muted)
        ax.set_ylabel(f"principal component 2 ({second:.0f} %)", **muted)
        tidy(ax)


def _plot_marginal(ax: Any, column: Marginal) -> None:
    if column.bins is not None:
        ax.locator_params(axis="x", nbins=3)
        ax.stairs(column.real, column.bins, fill=True, color=REAL, alpha=0.30)
        ax.stairs(column.synthetic, column.bins, color=SYNTHETIC, linewidth=1.6)
    else:
        categories = column.categories or []
        at = np.arange(len(categories))
        ax.bar(at - 0.2, column.real, width=0.4, color=REAL, alpha=0.45)
        ax.bar(at + 0.2, column.synthetic, width=0.4, color=SYNTHETIC)
        shown = [name if len(name) <= 12 else f"{name[:11]}…" for name in categories]
        ax.set_xticks(at, shown, rotation=0 if len(shown) <= 3 else 45)
    ax.set_ylim(bottom=0)
    ax.set_title(column.name, fontsize="medium", loc="left")
    tidy(ax, left=False)
