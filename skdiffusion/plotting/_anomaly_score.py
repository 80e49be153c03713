"""Anomaly scores of rows, and the threshold beyond which they count as anomalies."""

from dataclasses import dataclass

import numpy as np

from ._style import MUTED, NOTE, REAL, SYNTHETIC, legend_above, take_axes, tidy


@dataclass(kw_only=True, repr=False, eq=False)
class AnomalyScoreDisplay:
    """Anomaly scores of rows as a histogram, with the threshold of the detector.

    Large scores are anomalous. With labels, the rows that are known to be anomalous are drawn
    apart from the normal ones: what a good detector separates. The axis suits the bulk of the rows
    and the threshold; the few that lie far beyond are gathered in the outermost bins. It is
    recommended to make a display with :meth:`from_estimator` or :meth:`from_scores`.

    Parameters
    ----------
    scores : array of shape (n,)
        Anomaly scores, large where a row is anomalous.
    threshold : float or None, default=None
        The score beyond which a row is declared an anomaly. With ``None``, no line is drawn.
    is_anomaly : array of bool of shape (n,) or None, default=None
        Which rows are known to be anomalous. With ``None``, all rows are drawn together.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into.
    figure_ : matplotlib.figure.Figure
        The figure that holds them.
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
    def from_estimator(cls, detector, X, *, y=None, pos_label=-1):
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
            Labels of the rows, one value for normal and one for anomalous rows.
        pos_label : int, str or bool, default=-1
            The label of anomalous rows: -1 is that of outlier detectors in scikit-learn.

        Returns
        -------
        display : AnomalyScoreDisplay
            The display, not drawn yet.
        """
        offset = getattr(detector, "offset_", None)
        return cls.from_scores(
            -np.asarray(detector.score_samples(X), dtype=np.float64),
            threshold=None if offset is None else -float(np.asarray(offset).item()),
            y=y,
            pos_label=pos_label,
        )

    @classmethod
    def from_scores(cls, scores, *, threshold=None, y=None, pos_label=-1):
        """Show anomaly scores that have been computed already.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Anomaly scores, large where a row is anomalous: the negative of ``score_samples``.
            Infinite ones are gathered in the outermost bins.
        threshold : float, default=None
            The score beyond which a row is declared an anomaly. With ``None``, no line is drawn.
        y : array-like of shape (n,), default=None
            Labels of the rows, one value for normal and one for anomalous rows.
        pos_label : int, str or bool, default=-1
            The label of anomalous rows.

        Returns
        -------
        display : AnomalyScoreDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If there is no finite score, one is NaN, or the labels do not fit the rows or
            `pos_label`.
        """
        scores = np.asarray(scores, dtype=np.float64)
        if scores.ndim != 1 or np.isnan(scores).any() or not np.isfinite(scores).any():
            raise ValueError("scores must be a 1-d array without NaN and with finite values.")
        is_anomaly = None if y is None else _is_anomaly(np.asarray(y), pos_label, len(scores))
        return cls(scores=scores, threshold=threshold, is_anomaly=is_anomaly)

    def plot(self, ax=None):
        """Draw the histogram.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into. With ``None``, a figure of its own is made.

        Returns
        -------
        display : AnomalyScoreDisplay
            The display itself, with ``ax_``, ``figure_``, ``histograms_`` and
            ``threshold_line_``.
        """
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
        note = {"transform": ax.transAxes, "va": "top", **NOTE}
        if below := int(np.sum(self.scores < edges[0])):
            ax.text(0, 0.97, f"← {below:,} further out", ha="left", **note)
        if above := int(np.sum(self.scores > edges[-1])):
            ax.text(1, 0.97, f"{above:,} further out →", ha="right", **note)
        legend_above(ax)
        tidy(ax, "anomaly score", "rows")
        return self

    def _edges(self):
        """Return edges of 12 to 60 bins: fewer hide the shape, more can hardly be seen."""
        low, high = self._limits()
        shown = np.clip(self.scores, low, high)
        count = np.clip(len(np.histogram_bin_edges(shown, "auto")) - 1, 12, 60)
        return np.linspace(low, high, count + 1)

    def _limits(self):
        """Return a range for all rows, unless a few of them would squeeze the others."""
        finite = self.scores[np.isfinite(self.scores)]
        low, high = finite.min(), finite.max()
        quartiles = np.quantile(finite, [0.25, 0.75])
        # Where half of the rows are tied, the quartiles say nothing of the scale.
        if (reach := 12 * np.ptp(quartiles)) > 0:
            low, high = max(low, quartiles[0] - reach), min(high, quartiles[1] + reach)
        if self.threshold is not None:
            # Rows that are gathered stay on their side of the threshold, by more than a bin.
            beyond = self.scores > self.threshold
            if np.any(beyond & (self.scores > high)):
                high = max(high, self.threshold + (self.threshold - low) / 4)
            if np.any(~beyond & (self.scores < low)):
                low = min(low, self.threshold - (high - self.threshold) / 4)
        return (low, high) if high > low else (low - 0.5, low + 0.5)


def _is_anomaly(y, pos_label, n_rows):
    """Return which labels are `pos_label`; raise unless they mean normal and anomalous."""
    if y.shape != (n_rows,):
        raise ValueError(f"y needs one label for each of the {n_rows} rows, got shape {y.shape}.")
    labels = y.tolist()
    values = list(dict.fromkeys(labels))
    if len(values) > 2 or (len(values) == 2 and pos_label not in values):
        raise ValueError(
            f"y must hold two labels, of which pos_label={pos_label!r} is that of anomalous rows; "
            f"it holds {', '.join(map(repr, values[:5]))}."
        )
    return np.array([label == pos_label for label in labels], dtype=bool)
