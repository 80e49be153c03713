"""Tools of anomaly detection: from anomaly scores to p-values and to declared anomalies.

They take plain arrays of anomaly scores, large where a row is unusual, whoever computed them: for
a scikit-learn detector the negative of ``score_samples``.
"""

from skdiffusion.detection.conformal import benjamini_hochberg_online, conformal_pvalues

__all__ = ["benjamini_hochberg_online", "conformal_pvalues"]
