"""What follows from scores: labels, p-values and picks, by a threshold that can follow the rows."""

from typing import Any, Self

import numpy as np
from sklearn.base import OutlierMixin

from skdiffusion.detection.conformal import benjamini_hochberg, conformal_pvalues

# of held-out normal rows, where nothing is known of the anomalies
AUTO_ALARMS = 0.05

ROUNDING = 1e-9


class Verdicts(OutlierMixin):
    """Mixin of detectors with `score_samples`, which call `_calibrate` in `fit`."""

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit, and tell the anomalies among the training rows, each judged without itself.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Training rows.
        y : array-like of shape (n,) or None, default=None
            Labels, as in `fit`.

        Returns
        -------
        labels : ndarray of int of shape (n,)
            -1 for anomalies, 1 for the others.
        """
        self.fit(X, y)
        return np.where(self.training_scores_ < self.offset_, -1, 1)

    def decision_function(self, X: Any) -> np.ndarray:
        """Score rows; negative for anomalies.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Tell anomalies from normal rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of int of shape (n,)
            -1 for anomalies, 1 for the others.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def predict_pvalue(self, X: Any) -> np.ndarray:
        """Return conformal p-values: how often a normal row is at least as anomalous.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.

        Returns
        -------
        pvalues : ndarray of shape (n,)
            By :func:`~skdiffusion.detection.conformal_pvalues`: for a normal row ``P(p <= a)`` is
            about `a`, and none is below ``1 / (n_train + 1)``. With anomalies among the training
            rows they are too large by up to the contamination.
        """
        nats = -self.score_samples(X)
        return conformal_pvalues(self._calibration, nats)

    def select(self, X: Any, *, fdr: float = 0.1) -> np.ndarray:
        """Pick out anomalies so that few of those picked are normal.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows; which are picked depends on all of them.
        fdr : float, default=0.1
            False-discovery rate: the expected share of normal rows among those picked.

        Returns
        -------
        picked : ndarray of bool of shape (n,)
            By the procedure of Benjamini and Hochberg on `predict_pvalue`.
        """
        return benjamini_hochberg(self.predict_pvalue(X), fdr)

    def update_threshold(self, X: Any) -> Self:
        """Let the threshold and the p-values follow rows that are mostly normal.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Recent rows. Their scores take the place of as many of the oldest ones.

        Returns
        -------
        self : DiffusionAnomalyDetector
            The estimator, whose scores stay as they are.
        """
        nats = -self.score_samples(X)
        self._calibrate(np.append(self._calibration, nats)[-len(self._calibration) :])
        return self

    def _calibrate(self, nats):
        """Set the scores of normal rows that others are ranked among, and the threshold."""
        share = AUTO_ALARMS if self.contamination == "auto" else self.contamination
        self._calibration = nats
        # copies of training rows are tied with them up to rounding, which must not decide
        self.offset_ = float(np.quantile(-nats, float(share), method="weibull")) - ROUNDING
