"""P-values of anomaly scores from the scores of normal rows, and what to declare by them."""

import numpy as np
from scipy.stats import false_discovery_control


def conformal_pvalues(calibration, scores, *, fold=None):
    """Rank anomaly scores among those of normal rows.

    Parameters
    ----------
    calibration : array-like of shape (n,)
        Anomaly scores of normal rows that the detector was not fitted on, or whose scores leave
        out the row itself. Large means anomalous; infinite values may occur.
    scores : array-like of shape (m,), or (m, n_folds) with `fold`
        Anomaly scores of the rows to judge; with `fold`, by the detector of each fold.
    fold : array-like of int of shape (n,) or None, default=None
        For each calibration row the fold whose detector has not seen it and has scored it.

    Returns
    -------
    pvalues : ndarray of shape (m,)
        ``(1 + #{calibration >= score}) / (n + 1)``, each calibration score compared with the score
        by its own fold. Ties count against the row.

    Raises
    ------
    ValueError
        If there is no calibration score, a score is NaN, or `fold` does not fit the others.

    Notes
    -----
    Let a normal row and the calibration rows be exchangeable. Then ``P(p <= a) <= a`` for every
    ``a``, with equality where ``a * (n + 1)`` is a whole number and no scores are tied [1]_,
    however good or bad the scores are. It holds on average over calibration sets: given a single
    one, ``P(p <= a)`` follows a beta distribution around ``a`` whose spread shrinks like
    ``n ** -0.5`` [2]_. With folds it is at most about ``2 * a``, and near ``a`` where the
    detectors of the folds agree [3]_.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world",
       Springer, 2005, chapter 2.
    .. [2] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers with
       conformal p-values", Annals of Statistics 51(1), 149-178, 2023.
    .. [3] V. Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial
       Intelligence 74, 2015, equation 7.

    Examples
    --------
    >>> from skdiffusion.detection import conformal_pvalues
    >>> conformal_pvalues([1.0, 2.0, 3.0, 4.0], scores=[9.0, 3.0, 0.5])
    array([0.2, 0.6, 1. ])
    """
    calibration = _checked("calibration", calibration, n_axes=1)
    scores = _checked("scores", scores, n_axes=1 if fold is None else 2)
    if not len(calibration):
        raise ValueError("calibration is empty: at least one score of a normal row is needed.")
    if fold is None:
        scores = scores[:, None]
        fold = np.zeros(len(calibration), dtype=np.intp)
    fold = np.asarray(fold)
    if fold.shape != calibration.shape or not np.isin(fold, np.arange(scores.shape[1])).all():
        raise ValueError(
            f"fold must hold a whole number from 0 to {scores.shape[1] - 1} for each of the "
            f"{len(calibration)} calibration scores: the column of scores that it belongs to."
        )
    counts = np.zeros(len(scores), dtype=np.int64)
    for k, column in enumerate(scores.T):
        held_out = np.sort(calibration[fold == k])
        counts += len(held_out) - np.searchsorted(held_out, column, side="left")
    return (1 + counts) / (len(calibration) + 1)


def benjamini_hochberg(pvalues, fdr=0.1):
    """Declare anomalies so that few of them are false.

    Parameters
    ----------
    pvalues : array-like of shape (m,)
        P-values, small where a row is anomalous.
    fdr : float, default=0.1
        The false-discovery rate, between 0 and 1: the expected share of normal rows among those
        declared (zero where none is). One in ten is the usual choice where a person looks at what
        was declared.

    Returns
    -------
    declared : ndarray of bool of shape (m,)
        The rows with the ``k`` smallest p-values, for the largest ``k`` with
        ``p_(k) <= k * fdr / m``.

    Raises
    ------
    ValueError
        If a p-value or `fdr` is out of range.

    Notes
    -----
    Conformal p-values that share their calibration rows depend on each other, in a way in which
    the procedure [1]_ keeps its promise [2]_: the rate is at most ``fdr`` times the share of normal
    rows. No p-value is below ``1 / (n + 1)`` with ``n`` calibration rows. Of ``m`` rows, ``k`` can
    be declared only if ``k * fdr * (n + 1) >= m``, so a few anomalies among many rows need a
    large calibration set.

    References
    ----------
    .. [1] Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate: a practical and
       powerful approach to multiple testing", Journal of the Royal Statistical Society B 57(1),
       289-300, 1995.
    .. [2] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers with
       conformal p-values", Annals of Statistics 51(1), 149-178, 2023.

    Examples
    --------
    >>> from skdiffusion.detection import benjamini_hochberg
    >>> benjamini_hochberg([0.01, 0.7, 0.04, 0.2], fdr=0.1)
    array([ True, False,  True, False])
    """
    pvalues = _checked("pvalues", pvalues, n_axes=1)
    if not 0 < fdr < 1:
        raise ValueError(f"fdr={fdr!r} must lie between 0 and 1, such as 0.1.")
    if np.any((pvalues < 0) | (pvalues > 1)):
        raise ValueError("pvalues must lie between 0 and 1.")
    if not len(pvalues):
        return np.zeros(0, dtype=bool)
    # Conformal p-values are multiples of 1 / (n + 1) and often meet the bound exactly, where
    # rounding must not decide.
    return false_discovery_control(pvalues, method="bh") <= fdr * (1 + 1e-12)


def _checked(name, values, *, n_axes):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != n_axes:
        raise ValueError(f"{name} must be an array of {n_axes} axes, got shape {values.shape}.")
    if np.isnan(values).any():
        raise ValueError(f"{name} holds NaN, which has no rank. Leave such rows out.")
    return values
