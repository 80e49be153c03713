"""Anomaly scores of rows, and the threshold beyond which they count as anomalies."""

from dataclasses import dataclass

import numpy as np

from ._style import MUTED, REAL, SYNTHETIC, Display, legend_above, take_axes, tidy

N_BINS = 40
# interquartile ranges from the box, beyond which rows would squeeze the others
MAX_REACH = 12


@dataclass(kw_only=True, repr=False, eq=False)
class AnomalyScoreDisplay(Display):
    """Anomaly scores of rows as a histogram, with the threshold of the detector.

    Large scores are anomalous. With labels, the rows that are known to be anomalous are drawn
    apart from the normal ones: what a good detector separates. The axis suits the bulk of the rows
    and the threshold; the few that lie far beyond are gathered in the outermost bins.

    Parameters
    ----------
    scores : array of shape (n,)
        Anomaly scores, large where a row is anomalous: the negative of ``score_samples``.
    threshold : float or None, default=None
        The score beyond which a row is declared an anomaly. With ``None``, no line is drawn.
    is_anomaly : array of bool of shape (n,) or None, default=None
        Which rows are known to be anomalous. With ``None``, all rows are drawn together.

    Attributes
    ----------
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        The axes drawn into, and the figure that holds them.
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
    def from_estimator(cls, detector, X, *, y=None):
        """Show how a fitted detector scores rows.

        Parameters
        ----------
        detector : estimator
            Anything fitted that has ``score_samples``, large for normal rows as everywhere in
            scikit-learn; its negative is drawn. The threshold is ``-offset_``; a detector without
            ``offset_`` gets no line.
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
        return cls(
            scores=scores,
            threshold=None if offset is None else -float(np.asarray(offset).item()),
            is_anomaly=None if y is None else y == -1,
        )

    def plot(self, ax=None):
        ax, edges = take_axes(self, ax, 6.0, 3.6), self._edges()
        groups = {"rows": self.scores}
        if (odd := self.is_anomaly) is not None:
            groups = {"normal": self.scores[~odd], "anomalous": self.scores[odd]}
        filled = {"fill": True, "color": REAL, "alpha": 0.45, "linewidth": 0}
        styles = (filled, {"color": SYNTHETIC, "linewidth": 1.6})
        self.histograms_ = []
        for (name, rows), style in zip(groups.items(), styles, strict=False):
            counts = np.histogram(np.clip(rows, edges[0], edges[-1]), edges)[0]
            label = f"{name} ({len(rows):,})"
            self.histograms_.append(ax.stairs(counts, edges, label=label, **style))
        self.threshold_line_ = None
        if self.threshold is not None:
            beyond = int(np.sum(self.scores > self.threshold))
            label = f"threshold {self.threshold:.4g}, {beyond:,} rows beyond"
            self.threshold_line_ = ax.axvline(
                self.threshold, color=MUTED, linestyle="--", linewidth=1.2, label=label
            )
        legend_above(ax)
        tidy(ax, "anomaly score", "rows")
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
