"""Scores of rows: densities and anomalies."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from . import _style

N_BINS = 40
# interquartile ranges from the box, beyond which rows would squeeze the others
MAX_REACH = 12


@dataclass(kw_only=True, repr=False, eq=False)
class LogDensityDisplay(_style.Display):
    """Log-densities of groups of rows, one above the other.

    Held-out rows that score like training rows say that the model has not learned rows by heart.
    Each group has a tick at its median; rows that are far less likely are at the left end.

    Parameters
    ----------
    log_densities : dict of str to array of shape (n,)
        Log-densities in nats, by the name of the group.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.mixture import GaussianMixture
    >>> from skdiffusion.plotting import LogDensityDisplay
    >>> X = load_iris().data
    >>> mixture = GaussianMixture(3, random_state=0).fit(X[::2])
    >>> display = LogDensityDisplay.from_estimator(mixture, {"train": X[::2], "test": X[1::2]})
    >>> list(display.log_densities)
    ['train', 'test']
    """

    log_densities: dict[str, np.ndarray]

    @classmethod
    def from_estimator(cls, estimator: Any, samples: Any) -> Self:
        """Compare what a fitted density estimator says of groups of rows.

        Parameters
        ----------
        estimator : estimator
            Anything fitted that has ``score_samples``.
        samples : mapping of str to array or frame of shape (n, n_features)
            Rows, by the name of the group, top to bottom.

        Returns
        -------
        display : LogDensityDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If there is no group, or one of them has no finite log-density.
        """
        groups = {name: np.asarray(estimator.score_samples(X)) for name, X in samples.items()}
        if not groups or not all(np.isfinite(values).any() for values in groups.values()):
            raise ValueError("Groups of rows are needed, each with finite log-densities.")
        return cls(log_densities=groups)

    def plot(self, ax: Any = None) -> Self:
        ax = _style.take_axes(self, ax, 6.0, 1.2 + 0.75 * len(self.log_densities))
        low, high = self._limits()
        for i, (name, values) in enumerate(self.log_densities.items()):
            colour = _style.GROUPS[i % len(_style.GROUPS)]
            self._plot_group(name, values, low, high, colour, -float(i))
        ax.set_xlim(low - 0.45 * (high - low), high)
        ax.set_xticks([tick for tick in ax.get_xticks() if low <= tick <= high])
        ax.set_ylim(1 - len(self.log_densities) - 0.05, 1.0)
        ax.spines["bottom"].set_bounds(low, high)
        _style.tidy(ax, "log-density (nats)", left=False)
        return self

    def _plot_group(self, name, values, low, high, colour, base):
        grid, ax = np.linspace(low, high, 400), self.ax_
        height = _density(np.clip(values[np.isfinite(values)], low, None), grid)
        ax.fill_between(grid, base, base + height, color=colour, alpha=0.55, linewidth=0)
        ax.plot(grid, base + height, color=colour, linewidth=1.2)
        median = float(np.median(values))
        if low <= median <= high:
            ax.plot([median] * 2, [base, base + np.interp(median, grid, height)], color=colour)
        style = {"va": "center", "color": colour, "fontsize": "small"}
        at, label = ax.get_yaxis_transform(), f"{name}\nmedian {median:.1f}"
        ax.text(0.01, base + 0.42, label, transform=at, **style)

    def _limits(self):
        """Return an axis for the bulk of every group, unless one would squeeze the others."""
        finite = [values[np.isfinite(values)] for values in self.log_densities.values()]
        lows, medians = np.transpose([np.quantile(values, [0.02, 0.5]) for values in finite])
        # Less than a few nats is no difference worth the whole width.
        typical = max(np.median(medians - lows), 2.0)
        low = max(lows.min(), np.median(medians) - 6 * typical)
        high = max(values.max() for values in finite)
        margin = 0.04 * max(high - low, typical)
        return low - margin, high + margin


def _density(values, grid):
    """Return a smooth density scaled to a peak of 0.85, so that groups do not overlap."""
    # Never narrower than can be seen: a group may hold a single value.
    width = max(np.std(values) * len(values) ** -0.2, 0.008 * np.ptp(grid))
    height = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).sum(axis=1)
    return 0.85 * height / height.max()


@dataclass(kw_only=True, repr=False, eq=False)
class AnomalyScoreDisplay(_style.Display):
    """Anomaly scores of rows as a histogram, with the threshold of the detector.

    With labels, the rows that are known to be anomalous are drawn apart from the normal ones. The
    few rows that lie far beyond the others are gathered in the outermost bins.

    Parameters
    ----------
    scores : array of shape (n,)
        Anomaly scores, large where a row is anomalous: the negative of ``score_samples``.
    threshold : float or None, default=None
        The score beyond which a row is declared an anomaly.
    is_anomaly : array of bool of shape (n,) or None, default=None
        Which rows are known to be anomalous.

    Attributes
    ----------
    histograms_ : list of matplotlib.patches.StepPatch
        The histogram; of the normal and of the anomalous rows where labels are known.
    threshold_line_ : matplotlib.lines.Line2D or None
        The line at the threshold.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import IsolationForest
    >>> from skdiffusion.plotting import AnomalyScoreDisplay
    >>> X = load_iris().data
    >>> forest = IsolationForest(n_estimators=20, random_state=0).fit(X)
    >>> display = AnomalyScoreDisplay.from_estimator(forest, X)
    >>> display.scores.shape, display.threshold
    ((150,), 0.5)
    """

    scores: np.ndarray
    threshold: float | None = None
    is_anomaly: np.ndarray | None = None

    @classmethod
    def from_estimator(cls, detector: Any, X: Any, *, y: Any = None) -> Self:
        """Show how a fitted detector scores rows.

        Parameters
        ----------
        detector : estimator
            Anything fitted that has ``score_samples``, large for normal rows, whose negative is
            drawn, with a line at ``-offset_`` where there is one.
        X : array or frame of shape (n, n_features)
            The rows.
        y : array-like of shape (n,), default=None
            Labels of the rows: 1 for normal and -1 for anomalous ones.

        Returns
        -------
        display : AnomalyScoreDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If no score is finite, one is NaN, or there is not a label of 1 or -1 for each row.
        """
        scores = -np.asarray(detector.score_samples(X), dtype=np.float64)
        if np.isnan(scores).any() or not np.isfinite(scores).any():
            raise ValueError("Scores must be finite for some rows, and NaN for none.")
        if y is not None:
            y = np.asarray(y)
            if y.shape != scores.shape or not np.isin(y, [1, -1]).all():
                raise ValueError(f"y must hold a label of 1 or -1 for each of {len(scores)} rows.")
        offset = getattr(detector, "offset_", None)
        threshold = None if offset is None else -float(np.asarray(offset).item())
        return cls(scores=scores, threshold=threshold, is_anomaly=None if y is None else y == -1)

    def plot(self, ax: Any = None) -> Self:
        ax, edges = _style.take_axes(self, ax, 6.0, 3.6), self._edges()
        groups = {"rows": self.scores}
        if (odd := self.is_anomaly) is not None:
            groups = {"normal": self.scores[~odd], "anomalous": self.scores[odd]}
        filled = {"fill": True, "color": _style.REAL, "alpha": 0.45, "linewidth": 0}
        styles = (filled, {"color": _style.SYNTHETIC, "linewidth": 1.6})
        self.histograms_ = []
        for (name, rows), style in zip(groups.items(), styles, strict=False):
            counts = np.histogram(np.clip(rows, edges[0], edges[-1]), edges)[0]
            label = f"{name} ({len(rows):,})"
            self.histograms_.append(ax.stairs(counts, edges, label=label, **style))
        self.threshold_line_ = None
        if self.threshold is not None:
            beyond = int(np.sum(self.scores > self.threshold))
            label = f"threshold {self.threshold:.4g}, {beyond:,} rows beyond"
            dashed = {"color": _style.MUTED, "linestyle": "--", "linewidth": 1.2}
            self.threshold_line_ = ax.axvline(self.threshold, label=label, **dashed)
        _style.legend_above(ax)
        _style.tidy(ax, "anomaly score", "rows")
        return self

    def _edges(self):
        """Return edges of bins over the threshold and all rows but those that are far out."""
        finite = self.scores[np.isfinite(self.scores)]
        lower, upper = np.quantile(finite, [0.25, 0.75])
        reach = MAX_REACH * (upper - lower)
        shown = np.clip([finite.min(), finite.max()], lower - reach, upper + reach)
        if self.threshold is not None:
            shown = np.append(shown, self.threshold)
        return np.histogram_bin_edges(shown, N_BINS)
