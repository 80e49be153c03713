"""Which cells make a row anomalous, and what they should have been."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._columns import as_columns
from ._style import MUTED, REAL, SYNTHETIC, import_pyplot, tidy


class FeatureContributionDisplay:
    """How much each cell contributes to the anomaly of rows.

    One row is drawn as bars, the largest contribution first, each with the value observed and the
    value expected. Several rows are drawn as a heat map, the columns that contribute most to them
    first.

    It is recommended to make a display with :meth:`from_estimator`.

    Parameters
    ----------
    contributions : array of shape (n_rows, n_features)
        Contributions of the cells, large where a cell is anomalous.
    names : sequence of str of length n_features
        Names of the columns.
    rows : array of int of shape (n_rows,)
        Positions of the rows in the table they come from.
    observed : sequence of n_features arrays of shape (n_rows,), or None, default=None
        Values of the cells, column by column.
    expected : sequence of n_features arrays of shape (n_rows,), or None, default=None
        What the cells should have been, column by column.
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

    def __init__(
        self,
        *,
        contributions: NDArray[np.float64],
        names: Sequence[str],
        rows: NDArray[np.int_],
        observed: Sequence[NDArray[Any]] | None = None,
        expected: Sequence[NDArray[Any]] | None = None,
        n_features: int = 10,
    ):
        self.contributions = contributions
        self.names = names
        self.rows = rows
        self.observed = observed
        self.expected = expected
        self.n_features = n_features

    @classmethod
    def from_estimator(
        cls,
        detector: Any,
        X: Any,
        *,
        row: int | Sequence[int] | None = 0,
        n_features: int = 10,
        ax: Any = None,
    ) -> "FeatureContributionDisplay":
        """Show how a fitted detector explains rows.

        Parameters
        ----------
        detector : estimator
            Anything fitted that has ``explain``. For rows it returns an object with the attribute
            ``contributions`` and, if it knows them, ``expected``: an array or frame each, with
            the rows and columns of its input.
        X : array or frame of shape (n, n_features)
            A table that holds the rows.
        row : int, sequence of int or None, default=0
            The position of the row to draw, or of several rows; ``None`` for all rows. Negative
            positions count from the end. Only these rows are explained.
        n_features : int, default=10
            How many columns to draw at most: those with the largest contributions, on average over
            the rows. Ten labels can be read at a glance.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into at once. With ``None``, the display is not drawn yet.

        Returns
        -------
        display : FeatureContributionDisplay
            The display, drawn if `ax` is given.

        Raises
        ------
        ValueError
            If a row is not there, `n_features` is no positive number, or what ``explain`` returned
            does not fit the rows.
        """
        if n_features < 1:
            raise ValueError(f"n_features={n_features} must be at least 1.")
        X = X if hasattr(X, "columns") else np.asarray(X)
        rows = _positions(row, len(X))
        taken = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
        observed, explanation = as_columns(taken), detector.explain(taken)
        table = as_columns(explanation.contributions)
        contributions = _stacked(table, len(rows), len(observed))
        expected = getattr(explanation, "expected", None)
        if expected is not None:
            expected = _in_order(as_columns(expected), list(table), len(rows))
        named = hasattr(X, "columns"), hasattr(explanation.contributions, "columns")
        names = list(table if named[1] else observed)
        if not any(named) and len(known := getattr(detector, "feature_names_in_", ())) == len(
            names
        ):
            names = [str(name) for name in known]
        display = cls(
            contributions=contributions,
            names=names,
            rows=rows,
            observed=_in_order(observed, names, len(rows)),
            expected=expected,
            n_features=n_features,
        )
        return display if ax is None else display.plot(ax)

    def plot(self, ax: Any = None) -> "FeatureContributionDisplay":
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
        plt = import_pyplot("FeatureContributionDisplay.plot")
        # Stable, so that tied columns stay in the order of the table.
        order = np.argsort(-self.contributions.mean(axis=0), kind="stable")[: self.n_features]
        one_row = len(self.rows) == 1
        if ax is None:
            size = (6.0, 1.1 + 0.42 * len(order)) if one_row else (1.6 + 0.6 * len(order), 4.4)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.bars_ = self.image_ = None
        if one_row:
            self._plot_bars(order)
        else:
            self._plot_heat_map(order)
        tidy(ax)
        return self

    def _plot_bars(self, order: NDArray[np.int_]) -> None:
        ax, values, at = self.ax_, self.contributions[0, order], np.arange(len(order))
        colours = np.where(values >= 0, SYNTHETIC, REAL)
        self.bars_ = ax.barh(at, values, height=0.62, color=colours)
        ax.set_yticks(at, [self._label(j) for j in order])
        ax.invert_yaxis()
        if values.min() < 0:
            ax.axvline(0, color=MUTED, linewidth=0.8)
        heading = f"row {self.rows[0]}"
        if rest := len(self.names) - len(order):
            least = values.min()
            heading += f"; {_counted(rest, 'further column')} with at most {least:.3g}"
        ax.set_title(heading, color=MUTED, fontsize="small", loc="left")
        ax.set_xlabel("contribution to the anomaly", color=MUTED, fontsize="small")

    def _plot_heat_map(self, order: NDArray[np.int_]) -> None:
        ax, values = self.ax_, self.contributions[:, order]
        self.image_ = ax.imshow(
            values,
            cmap="Oranges",
            aspect="auto",
            interpolation="nearest",
            vmin=min(values.min(), 0),
            # one extreme cell would leave all others the colour of nothing
            vmax=np.quantile(values, 0.98),
        )
        ax.set_xticks(
            np.arange(len(order)), [_short(self.names[j]) for j in order], rotation=45, ha="right"
        )
        ax.xaxis.set_tick_params(rotation_mode="anchor")
        # Positions are written out for as many rows as there is room for.
        at = np.arange(0, len(self.rows), -(-len(self.rows) // 25))
        ax.set_yticks(at, [str(i) for i in self.rows[at]])
        ax.set_ylabel("row", color=MUTED, fontsize="small")
        if len(order) < len(self.names):
            heading = f"{len(order)} of {_counted(len(self.names), 'column')}, largest first"
            ax.set_title(heading, color=MUTED, fontsize="small", loc="left")
        bar = self.figure_.colorbar(self.image_, ax=ax, extend="max")
        bar.set_label("contribution to the anomaly", color=MUTED, fontsize="small")
        bar.ax.tick_params(colors=MUTED, labelsize="small")
        bar.outline.set_visible(False)

    def _label(self, j: int) -> str:
        """A column's name and, beneath it, its value and the expected one."""
        values = [
            f"{prefix}{_shown(columns[j][0])}"
            for prefix, columns in (("", self.observed), ("expected ", self.expected))
            if columns is not None
        ]
        return "\n".join([_short(self.names[j]), *([", ".join(values)] if values else [])])


def _positions(row: int | Sequence[int] | None, n_rows: int) -> NDArray[np.int_]:
    rows = np.arange(n_rows) if row is None else np.atleast_1d(np.asarray(row))
    if rows.ndim != 1 or not len(rows) or rows.dtype.kind not in "iu":
        raise ValueError(f"row={row!r} must be a position, several positions or None for all rows.")
    if rows.min() < -n_rows or rows.max() >= n_rows:
        raise ValueError(f"row={row!r} is not among the {n_rows} rows of X.")
    return np.where(rows < 0, rows + n_rows, rows)


def _stacked(table: dict[str, NDArray[Any]], n_rows: int, n_columns: int) -> NDArray[np.float64]:
    values = np.column_stack([column.astype(np.float64) for column in table.values()])
    if values.shape != (n_rows, n_columns):
        raise ValueError(
            f"explain returned contributions of shape {values.shape} for rows of shape "
            f"{(n_rows, n_columns)}."
        )
    if not np.isfinite(values).all():
        raise ValueError("The contributions must be finite to be drawn.")
    return values


def _in_order(columns: dict[str, ArrayLike], names: list[str], n_rows: int) -> list[NDArray[Any]]:
    """The columns in the order of `names`, by name where they have the same, else by position."""
    found = [np.asarray(column) for column in columns.values()]
    if len(found) != len(names) or any(len(column) != n_rows for column in found):
        raise ValueError("explain returned expected values that do not fit the rows.")
    if set(columns) == set(names):
        return [np.asarray(columns[name]) for name in names]
    return found


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _short(text: str, length: int = 24) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _shown(value: Any) -> str:
    """A cell as a few characters."""
    if not isinstance(value, str) and str(value) in {"nan", "None", "<NA>", "NaT"}:
        return "missing"
    if isinstance(value, float | np.floating):
        # Digits before the point are never rounded away, unless there are very many.
        return f"{value:.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.4g}"
    return _short(str(value), 16)
