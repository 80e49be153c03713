"""Real rows against synthetic ones."""

from dataclasses import dataclass

import numpy as np

from skdiffusion.metrics.alignment import align

from . import _columns, _style


@dataclass(kw_only=True, repr=False, eq=False)
class SyntheticComparisonDisplay(_style.Display):
    """Real rows against synthetic ones: principal components and columns.

    On the left, both samples in the first two principal components of the real rows: where they
    are alike, the colours mix evenly. On the right, the columns that are least alike, worst first.

    Parameters
    ----------
    real_projection, synthetic_projection : array of shape (n, 2)
        Rows in the first two principal components.
    axis_labels : tuple of two str
        What the components are.
    marginals : list of Marginal
        The columns to draw, in order.

    Attributes
    ----------
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        Axes of the principal components, and the figure that holds them.
    marginal_axes_ : ndarray of matplotlib.axes.Axes
        Axes of the columns.

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

    real_projection: np.ndarray
    synthetic_projection: np.ndarray
    axis_labels: tuple[str, str]
    marginals: list[_columns.Marginal]

    @classmethod
    def from_samples(cls, real, synthetic, *, categorical_features=(), max_columns=6):
        """Compare two tables with the same columns.

        Parameters
        ----------
        real, synthetic : array or frame of shape (n, n_features)
            The rows to compare: any tables that the samplers take or draw. Columns of an array
            are named ``x0``, ``x1`` and so on.
        categorical_features : sequence of str or int, default=()
            Names or indices of numeric columns that hold categories. Columns of text, booleans
            and categories are so anyway.
        max_columns : int, default=6
            How many columns to draw, at least one: those that are least alike by the distance of
            their distribution functions (of their shares, for categories).

        Returns
        -------
        display : SyntheticComparisonDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If the columns of the tables differ, or a categorical feature is none of theirs.
        """
        aligned = align(real, synthetic, categorical=categorical_features)
        found = sorted(_columns.compare(aligned), key=lambda column: -column.distance)
        a, b, labels = _columns.project(aligned)
        return cls(
            real_projection=a,
            synthetic_projection=b,
            axis_labels=labels,
            marginals=found[: max(max_columns, 1)],
        )

    def plot(self, ax=None):
        place = _style.give_up_place(_style.take_axes(self, ax, 10.5, 4.6))
        n_rows = min(2, len(self.marginals))
        n_cols = -(-len(self.marginals) // n_rows)
        left, right = place.subgridspec(1, 2, width_ratios=[1.0, 0.45 * n_cols])
        self.ax_ = self.figure_.add_subplot(left)
        _style.scatter_mixed(self.ax_, self.real_projection, self.synthetic_projection)
        _style.legend_above(self.ax_)
        _style.tidy(self.ax_, *self.axis_labels)
        grid = right.subgridspec(n_rows, n_cols)
        self.marginal_axes_ = np.empty(len(self.marginals), dtype=object)
        for i, column in enumerate(self.marginals):
            self.marginal_axes_[i] = self.figure_.add_subplot(grid[i // n_cols, i % n_cols])
            _plot_marginal(self.marginal_axes_[i], column)
        return self


def _plot_marginal(ax, column):
    if column.categories is None:
        ax.locator_params(axis="x", nbins=3)
        ax.stairs(column.real, column.bins, fill=True, color=_style.REAL, alpha=0.30)
        ax.stairs(column.synthetic, column.bins, color=_style.SYNTHETIC, linewidth=1.6)
    else:
        at = np.arange(len(column.categories))
        ax.bar(at - 0.2, column.real, width=0.4, color=_style.REAL, alpha=0.45)
        ax.bar(at + 0.2, column.synthetic, width=0.4, color=_style.SYNTHETIC)
        shown = [name if len(name) <= 12 else f"{name[:11]}…" for name in column.categories]
        ax.set_xticks(at, shown, rotation=0 if len(shown) <= 3 else 45)
    ax.set_ylim(bottom=0)
    ax.set_title(column.name, fontsize="medium", loc="left")
    _style.tidy(ax, left=False)
