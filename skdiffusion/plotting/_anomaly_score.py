"""Anomaly scores of rows, and the threshold beyond which they count as anomalies."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._style import MUTED, REAL, SYNTHETIC, import_pyplot, tidy


class AnomalyScoreDisplay:
    """Anomaly scores of rows as a histogram, with the threshold of the detector.

    Large scores are anomalous. With labels, the rows that are known to be anomalous are drawn
    apart from the normal ones: what a good detector separates. The axis suits the bulk of the rows
    and the threshold; the few that lie far beyond are gathered in the outermost bins.

    It is recommended to make a display with :meth:`from_estimator` or :meth:`from_scores`.

    Parameters
    ----------
    scores : array of shape (n,)
        Anomaly scores, large where a row is anomalous.
    threshold : float or None, default=None
        The score beyond which a row is declared an anomaly. With ``None``, no line is drawn.
    is_anomaly : array of bool of shape (n,) or None, default=None
        Which rows are known to be anomalous. With ``None``, all rows are drawn together.
    bins : int, str or array of edges, default="auto"
        How the axis is divided, see :meth:`from_scores`.
    log_count : bool, default=False
        Whether the axis of counts is logarithmic.

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

    def __init__(
        self,
        *,
        scores: NDArray[np.float64],
        threshold: float | None = None,
        is_anomaly: NDArray[np.bool_] | None = None,
        bins: Any = "auto",
        log_count: bool = False,
    ):
        self.scores = scores
        self.threshold = threshold
        self.is_anomaly = is_anomaly
        self.bins = bins
        self.log_count = log_count

    @classmethod
    def from_estimator(
        cls,
        detector: Any,
        X: Any,
        *,
        y: ArrayLike | None = None,
        pos_label: Hashable = -1,
        bins: Any = "auto",
        log_count: bool = False,
        ax: Any = None,
    ) -> "AnomalyScoreDisplay":
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
            The label of anomalous rows: -1 is that of outlier detectors in scikit-learn. Pass 1
            where labels are 1 for anomalies and 0 for normal rows.
        bins : int, str or array of edges, default="auto"
            How the axis is divided, see :meth:`from_scores`.
        log_count : bool, default=False
            Whether the axis of counts is logarithmic, which shows few anomalies among many rows.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into at once. With ``None``, the display is not drawn yet.

        Returns
        -------
        display : AnomalyScoreDisplay
            The display, drawn if `ax` is given.
        """
        offset = getattr(detector, "offset_", None)
        return cls.from_scores(
            -np.asarray(detector.score_samples(X), dtype=np.float64),
            threshold=None if offset is None else -float(np.asarray(offset).item()),
            y=y,
            pos_label=pos_label,
            bins=bins,
            log_count=log_count,
            ax=ax,
        )

    @classmethod
    def from_scores(
        cls,
        scores: ArrayLike,
        *,
        threshold: float | None = None,
        y: ArrayLike | None = None,
        pos_label: Hashable = -1,
        bins: Any = "auto",
        log_count: bool = False,
        ax: Any = None,
    ) -> "AnomalyScoreDisplay":
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
        bins : int, str or array of edges, default="auto"
            A number of bins, the edges, or a rule of :func:`numpy.histogram_bin_edges`. A rule
            may choose between 12 and 60 bins: fewer hide the shape, more can hardly be seen.
        log_count : bool, default=False
            Whether the axis of counts is logarithmic, which shows few anomalies among many rows.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw into at once. With ``None``, the display is not drawn yet.

        Returns
        -------
        display : AnomalyScoreDisplay
            The display, drawn if `ax` is given.

        Raises
        ------
        ValueError
            If there is no finite score, one is NaN, or the labels do not fit the rows or
            `pos_label`.
        """
        scores = np.asarray(scores, dtype=np.float64)
        if scores.ndim != 1 or np.isnan(scores).any() or not np.isfinite(scores).any():
            raise ValueError("scores must be a 1-d array without NaN and with finite values.")
        display = cls(
            scores=scores,
            threshold=threshold,
            is_anomaly=None if y is None else _is_anomaly(y, pos_label, len(scores)),
            bins=bins,
            log_count=log_count,
        )
        return display if ax is None else display.plot(ax)

    def plot(self, ax: Any = None) -> "AnomalyScoreDisplay":
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
        plt = import_pyplot("AnomalyScoreDisplay.plot")
        if ax is None:
            _, ax = plt.subplots(figsize=(6.0, 3.6), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        edges = self._edges()
        self.histograms_ = []
        for label, rows, style in self._groups():
            counts = np.histogram(np.clip(rows, edges[0], edges[-1]), edges)[0]
            label = f"{label} ({len(rows):,})"
            self.histograms_.append(ax.stairs(counts, edges, label=label, **style))
        if self.log_count:
            # A bin with a single row stays visible.
            ax.set_yscale("log")
            ax.set_ylim(bottom=0.7)
        self.threshold_line_ = None
        if self.threshold is not None:
            beyond = int(np.sum(self.scores > self.threshold))
            label = f"threshold {self.threshold:.4g}, {beyond:,} rows beyond"
            self.threshold_line_ = ax.axvline(
                self.threshold, color=MUTED, linestyle="--", linewidth=1.2, label=label
            )
        self._note_gathered(edges)
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=3,
            frameon=False,
            borderaxespad=0.2,
            handlelength=1.2,
            columnspacing=1.2,
            fontsize="small",
        )
        muted = {"color": MUTED, "fontsize": "small"}
        ax.set_xlabel("anomaly score", **muted)
        ax.set_ylabel("rows", **muted)
        tidy(ax)
        return self

    def _groups(self) -> list[tuple[str, NDArray[np.float64], dict[str, Any]]]:
        """The histograms to draw: a label, scores and a look for each."""
        filled = {"fill": True, "color": REAL, "alpha": 0.45, "linewidth": 0}
        if self.is_anomaly is None:
            return [("rows", self.scores, filled)]
        line = {"color": SYNTHETIC, "linewidth": 1.6}
        return [
            ("normal", self.scores[~self.is_anomaly], filled),
            ("anomalous", self.scores[self.is_anomaly], line),
        ]

    def _edges(self) -> NDArray[np.float64]:
        """The bins' edges: given ones as they are, else chosen for the bulk of the rows."""
        if not isinstance(self.bins, str | int | np.integer):
            return np.asarray(self.bins, dtype=np.float64)
        low, high = self._limits()
        count = self.bins
        if isinstance(count, str):
            shown = np.clip(self.scores, low, high)
            count = np.clip(len(np.histogram_bin_edges(shown, count)) - 1, 12, 60)
        return np.linspace(low, high, int(count) + 1)

    def _limits(self) -> tuple[float, float]:
        """A range for all rows, unless a few of them would squeeze the others."""
        finite = self.scores[np.isfinite(self.scores)]
        low, high = float(finite.min()), float(finite.max())
        quartiles = np.quantile(finite, [0.25, 0.75])
        # Where half of the rows are tied, the quartiles say nothing of the scale.
        if (reach := 12 * float(np.ptp(quartiles))) > 0:
            low, high = max(low, quartiles[0] - reach), min(high, quartiles[1] + reach)
        if self.threshold is not None and np.isfinite(self.threshold):
            # Rows that are gathered stay on their side of the threshold, by more than a bin.
            beyond = self.scores > self.threshold
            if np.any(beyond & (self.scores > high)):
                high = max(high, self.threshold + (self.threshold - low) / 4)
            if np.any(~beyond & (self.scores < low)):
                low = min(low, self.threshold - (high - self.threshold) / 4)
        return (float(low), float(high)) if high > low else (low - 0.5, low + 0.5)

    def _note_gathered(self, edges: NDArray[np.float64]) -> None:
        """Say how many rows the outermost bins hold that lie beyond them."""
        below, above = int(np.sum(self.scores < edges[0])), int(np.sum(self.scores > edges[-1]))
        for count, text, side in (
            (below, f"← {below:,} further out", "left"),
            (above, f"{above:,} further out →", "right"),
        ):
            if count:
                self.ax_.text(
                    float(side == "right"),
                    0.97,
                    text,
                    transform=self.ax_.transAxes,
                    ha=side,
                    va="top",
                    color=MUTED,
                    fontsize="small",
                )


def _is_anomaly(y: ArrayLike, pos_label: Hashable, n_rows: int) -> NDArray[np.bool_]:
    """Which labels are `pos_label`, where the labels can mean normal and anomalous."""
    y = np.asarray(y)
    if y.shape != (n_rows,):
        raise ValueError(f"y needs one label for each of the {n_rows} rows, got shape {y.shape}.")
    labels = y.tolist()
    values = list(dict.fromkeys(labels))
    if len(values) > 2:
        shown = ", ".join(map(repr, values[:5]))
        raise ValueError(f"y must hold two labels, for normal and anomalous rows, got {shown}.")
    if len(values) == 2 and pos_label not in values:
        raise ValueError(
            f"Neither of the labels {values[0]!r} and {values[1]!r} is pos_label={pos_label!r}. "
            "Pass the label of anomalous rows as pos_label."
        )
    return np.array([label == pos_label for label in labels], dtype=bool)
