"""What the cells of a row add to its own score."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from . import _style


@dataclass(kw_only=True, repr=False, eq=False)
class FeatureContributionDisplay(_style.Display):
    """How much each cell contributes to the anomaly of a row, or how improbable it is.

    Bars, the largest contribution first, each with the value observed and the value expected.

    Parameters
    ----------
    contributions : dict of str to float
        Contributions of the cells by the name of the column, large where a cell is anomalous.
    row : int
        Position of the row in the table that it comes from.
    observed, expected : dict of str to object
        Values of the cells, and what they should have been, where that is known.
    label : str, default="contribution to the anomaly"
        What the contributions are.
    n_features : int, default=10
        How many columns to draw at most.

    Attributes
    ----------
    bars_ : matplotlib.container.BarContainer
        The bars, top to bottom.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import DiffusionAnomalyDetector
    >>> from skdiffusion.plotting import FeatureContributionDisplay
    >>> X = np.random.default_rng(0).normal(size=(90, 3))
    >>> detector = DiffusionAnomalyDetector().fit(X)
    >>> display = FeatureContributionDisplay.from_estimator(detector, [[0.5, -9.0, 1.0]])
    >>> max(display.contributions, key=display.contributions.get)
    'x1'
    """

    contributions: dict[str, float]
    row: int
    observed: dict[str, object]
    expected: dict[str, object] = field(default_factory=dict)
    label: str = "contribution to the anomaly"
    n_features: int = 10

    @classmethod
    def from_estimator(cls, detector: Any, X: Any, *, row: int = 0, n_features: int = 10) -> Self:
        """Show how a fitted detector explains a row, or how improbable its cells are.

        Parameters
        ----------
        detector : estimator
            Anything fitted whose ``explain`` returns an object with the attributes
            ``contributions`` and ``expected``, arrays or frames like its input. Without
            ``explain``, a model for :func:`~skdiffusion.inspection.cell_surprise`.
        X : array or frame of shape (n, n_features)
            A table that holds the row.
        row, n_features : int, default=0 and 10
            As for the display; the row is the only one that is explained.

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
        if hasattr(detector, "explain"):
            found = detector.explain(taken)
            tables, label = (found.contributions, taken, found.expected), cls.label
        else:
            from skdiffusion.inspection import cell_surprise  # loads PyTorch

            tables, label = (cell_surprise(detector, taken), taken), "surprise (nats)"
        names = X.columns if hasattr(X, "columns") else [f"x{j}" for j in range(X.shape[1])]
        # by position, as an array of contributions has no names
        found = [dict(zip(map(str, names), _cells(table), strict=True)) for table in tables]
        cells = dict(zip(("contributions", "observed", "expected"), found, strict=False))
        return cls(row=position, n_features=n_features, label=label, **cells)

    def plot(self, ax: Any = None) -> Self:
        # stable, so that tied columns stay in the order of the table
        found = sorted(self.contributions.items(), key=lambda item: -item[1])[: self.n_features]
        names, values = [name for name, _ in found], np.array([value for _, value in found])
        at, colours = np.arange(len(names)), np.where(values >= 0, _style.SYNTHETIC, _style.REAL)
        ax = _style.take_axes(self, ax, 6.0, 1.1 + 0.42 * len(names))
        self.bars_ = ax.barh(at, values, height=0.62, color=colours)
        wanted = {name: f", expected {_shown(cell)}" for name, cell in self.expected.items()}
        cells = [_shown(self.observed[name]) + wanted.get(name, "") for name in names]
        # inches for each label, which take 0.3 in two lines
        height = ax.get_window_extent().height / ax.figure.dpi / max(len(names), 1)
        gap = "\n" if height > 0.35 else "  "
        ax.set_yticks(at, [f"{name}{gap}{cell}" for name, cell in zip(names, cells, strict=True)])
        ax.invert_yaxis()
        ax.axvline(0, color=_style.MUTED, linewidth=0.8)
        heading = f"row {self.row}: {len(names)} of {len(self.observed)} columns, largest first"
        ax.set_title(heading, loc="left", **_style.NOTE)
        _style.tidy(ax, self.label)
        return self


def _cells(table):
    if hasattr(table, "columns"):
        return [np.asarray(table[name])[0] for name in table.columns]
    return np.asarray(table)[0]


def _shown(value):
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)
