"""Which cells make a row anomalous, and what they should have been."""

from dataclasses import dataclass

import numpy as np

from ._columns import as_columns
from ._style import MUTED, NOTE, REAL, SYNTHETIC, Display, take_axes, tidy


@dataclass(kw_only=True, repr=False, eq=False)
class FeatureContributionDisplay(Display):
    """How much each cell contributes to the anomaly of a row.

    Bars, the largest contribution first, each with the value observed and the value expected.

    Parameters
    ----------
    contributions : dict of str to float
        Contributions of the cells by the name of the column, large where a cell is anomalous.
    row : int
        Position of the row in the table that it comes from.
    observed : dict of str to object
        Values of the cells.
    expected : dict of str to object
        What the cells should have been.
    n_features : int, default=10
        How many columns to draw at most.

    Attributes
    ----------
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        The axes drawn into, and the figure that holds them.
    bars_ : matplotlib.container.BarContainer
        The bars, top to bottom.

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
    >>> max(display.contributions, key=display.contributions.get)
    'x1'
    """

    contributions: dict[str, float]
    row: int
    observed: dict[str, object]
    expected: dict[str, object]
    n_features: int = 10

    @classmethod
    def from_estimator(cls, detector, X, *, row=0, n_features=10):
        """Show how a fitted detector explains a row.

        Parameters
        ----------
        detector : estimator
            Anything fitted that has ``explain``. For rows it returns an object with the attributes
            ``contributions`` and ``expected``: an array or frame each, with the rows and columns of
            its input.
        X : array or frame of shape (n, n_features)
            A table that holds the row.
        row : int, default=0
            The position of the row to draw, the only one that is explained.
        n_features : int, default=10
            How many columns to draw at most: those with the largest contributions.

        Returns
        -------
        display : FeatureContributionDisplay
            The display, not drawn yet.

        Raises
        ------
        IndexError
            If the row is not there.
        """
        X = X if hasattr(X, "columns") else np.asarray(X)
        position = int(np.arange(len(X))[row])
        one = slice(position, position + 1)
        taken = X.iloc[one] if hasattr(X, "iloc") else X[one]
        explanation = detector.explain(taken)
        tables = (explanation.contributions, taken, explanation.expected)
        cells = [{name: column[0] for name, column in as_columns(t).items()} for t in tables]
        return cls(
            # by position, as an array of contributions has no names
            contributions=dict(zip(cells[1], cells[0].values(), strict=True)),
            row=position,
            observed=cells[1],
            expected=dict(zip(cells[1], cells[2].values(), strict=True)),
            n_features=n_features,
        )

    def plot(self, ax=None):
        # stable, so that tied columns stay in the order of the table
        names = sorted(self.observed, key=lambda name: -self.contributions[name])
        names = names[: self.n_features]
        values = np.array([self.contributions[name] for name in names])
        at, colours = np.arange(len(names)), np.where(values >= 0, SYNTHETIC, REAL)
        ax = take_axes(self, ax, 6.0, 1.1 + 0.42 * len(names))
        self.bars_ = ax.barh(at, values, height=0.62, color=colours)
        ax.set_yticks(at, [self._label(name) for name in names])
        ax.invert_yaxis()
        ax.axvline(0, color=MUTED, linewidth=0.8)
        heading = f"row {self.row}: {len(names)} of {len(self.observed)} columns, largest first"
        ax.set_title(heading, loc="left", **NOTE)
        tidy(ax, "contribution to the anomaly")
        return self

    def _label(self, name):
        """Return a column's name and, beneath it, its value and the expected one."""
        return f"{name}\n{_shown(self.observed[name])}, expected {_shown(self.expected[name])}"


def _shown(value):
    """Return a cell as a few characters."""
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)
