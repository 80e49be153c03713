"""Which cells make a row anomalous, and what they should have been."""

from dataclasses import dataclass

import numpy as np

from ._columns import as_columns
from ._style import MUTED, NOTE, REAL, SYNTHETIC, take_axes, tidy


@dataclass(kw_only=True, repr=False, eq=False)
class FeatureContributionDisplay:
    """How much each cell contributes to the anomaly of rows.

    One row is drawn as bars, the largest contribution first, each with the value observed and the
    value expected. Several rows are drawn as a heat map, the columns that contribute most to them
    first. It is recommended to make a display with :meth:`from_estimator`.

    Parameters
    ----------
    contributions : array of shape (n_rows, n_features)
        Contributions of the cells, large where a cell is anomalous.
    rows : array of int of shape (n_rows,)
        Positions of the rows in the table they come from.
    observed : dict of str to array of shape (n_rows,)
        Values of the cells, by the name of the column.
    expected : dict of str to array of shape (n_rows,)
        What the cells should have been.
    n_features : int, default=10
        How many columns to draw at most.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into.
    figure_ : matplotlib.figure.Figure
        The figure that holds them.
    bars_ : matplotlib.container.BarContainer or None
        The bars of a single row, top to bottom.
    image_ : matplotlib.image.AxesImage or None
        The heat map of several rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.utils import Bunch
    >>> from skdiffusion.plotting import FeatureContributionDisplay
    >>> class DistanceFromZero:
    ...     def explain(self, X):
    ...         return Bunch(contributions=X**2, expected=np.zeros_like(X))
    >>> X = np.array([[0.5, -3.0, 1.0]])
    >>> display = FeatureContributionDisplay.from_estimator(DistanceFromZero(), X)
    >>> display.contributions
    array([[0.25, 9.  , 1.  ]])
    """

    contributions: np.ndarray
    rows: np.ndarray
    observed: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    n_features: int = 10

    @classmethod
    def from_estimator(cls, detector, X, *, row=0, n_features=10):
        """Show how a fitted detector explains rows.

        Parameters
        ----------
        detector : estimator
            Anything fitted that has ``explain``. For rows it returns an object with the attributes
            ``contributions`` and ``expected``: an array or frame each, with the rows and columns of
            its input.
        X : array or frame of shape (n, n_features)
            A table that holds the rows.
        row : int, sequence of int or slice, default=0
            The position of the row to draw, or of several rows. Only these rows are explained.
        n_features : int, default=10
            How many columns to draw at most: those with the largest contributions, on average over
            the rows.

        Returns
        -------
        display : FeatureContributionDisplay
            The display, not drawn yet.

        Raises
        ------
        IndexError
            If a row is not there.
        """
        X = X if hasattr(X, "columns") else np.asarray(X)
        rows = np.atleast_1d(np.arange(len(X))[row])
        taken = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
        explanation = detector.explain(taken)
        contributions = np.column_stack(list(as_columns(explanation.contributions).values()))
        return cls(
            contributions=contributions.astype(np.float64),
            rows=rows,
            observed=as_columns(taken),
            expected=as_columns(explanation.expected),
            n_features=n_features,
        )

    def plot(self, ax=None):
        """Draw the contributions.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. With ``None``, a figure of its own is made.

        Returns
        -------
        display : FeatureContributionDisplay
            The display itself, with ``ax_``, ``figure_``, ``bars_`` and ``image_``.
        """
        # Stable, so that tied columns stay in the order of the table.
        order = np.argsort(-self.contributions.mean(axis=0), kind="stable")[: self.n_features]
        heading = f"{len(order)} of {len(self.observed)} columns, largest first"
        self.bars_ = self.image_ = None
        if len(self.rows) == 1:
            heading = f"row {self.rows[0]}: {heading}"
            self._plot_bars(take_axes(self, ax, 6.0, 1.1 + 0.42 * len(order)), order)
        else:
            self._plot_heat_map(take_axes(self, ax, 1.6 + 0.6 * len(order), 4.4), order)
        self.ax_.set_title(heading, loc="left", **NOTE)
        return self

    def _plot_bars(self, ax, order):
        values, at = self.contributions[0, order], np.arange(len(order))
        self.bars_ = ax.barh(at, values, height=0.62, color=np.where(values >= 0, SYNTHETIC, REAL))
        ax.set_yticks(at, [self._label(j) for j in order])
        ax.invert_yaxis()
        ax.axvline(0, color=MUTED, linewidth=0.8)
        tidy(ax, "contribution to the anomaly")

    def _plot_heat_map(self, ax, order):
        values, names = self.contributions[:, order], list(self.observed)
        self.image_ = ax.imshow(
            values,
            cmap="Oranges",
            aspect="auto",
            interpolation="nearest",
            vmin=min(values.min(), 0),
            # one extreme cell would leave all others the colour of nothing
            vmax=np.quantile(values, 0.98),
        )
        ax.set_xticks(np.arange(len(order)), [names[j] for j in order], rotation=45, ha="right")
        # Positions are written out for as many rows as there is room for.
        at = np.arange(0, len(self.rows), -(-len(self.rows) // 25))
        ax.set_yticks(at, self.rows[at].tolist())
        tidy(ax, y="row")
        ax.figure.colorbar(self.image_, ax=ax, extend="max", label="contribution to the anomaly")

    def _label(self, j):
        """Return a column's name and, beneath it, its value and the expected one."""
        name, column = list(self.observed.items())[j]
        expected = list(self.expected.values())[j]
        return f"{name}\n{_shown(column[0])}, expected {_shown(expected[0])}"


def _shown(value):
    """Return a cell as a few characters."""
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)
