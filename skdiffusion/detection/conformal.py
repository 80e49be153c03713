"""P-values of anomaly scores from the scores of normal rows, and what to declare by them."""

from numbers import Integral

import numpy as np
from scipy.stats import false_discovery_control

ROUNDING = 1e-12


def conformal_pvalues(calibration, scores):
    """Rank anomaly scores among those of normal rows.

    Parameters
    ----------
    calibration : array-like of shape (n,)
        Anomaly scores of normal rows that the detector was not fitted on, or whose scores leave
        out the row itself. Large means anomalous; infinite values may occur.
    scores : array-like of shape (m,)
        Anomaly scores of the rows to judge.

    Returns
    -------
    pvalues : ndarray of shape (m,)
        ``(1 + #{calibration >= score}) / (n + 1)``. Ties count against the row.

    Raises
    ------
    ValueError
        If there is no calibration score, or a score is NaN.

    Notes
    -----
    Let a normal row and the calibration rows be exchangeable. Then ``P(p <= a) <= a`` for every
    ``a``, with equality where ``a * (n + 1)`` is a whole number and no scores are tied [1]_,
    however good or bad the scores are. It holds on average over calibration sets: given a single
    one, ``P(p <= a)`` follows a beta distribution around ``a`` whose spread shrinks like
    ``n ** -0.5`` [2]_.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world",
       Springer, 2005, chapter 2.
    .. [2] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers with
       conformal p-values", Annals of Statistics 51(1), 149-178, 2023.

    Examples
    --------
    >>> from skdiffusion.detection import conformal_pvalues
    >>> conformal_pvalues([1.0, 2.0, 3.0, 4.0], scores=[9.0, 3.0, 0.5])
    array([0.2, 0.6, 1. ])
    """
    calibration = _checked("calibration", calibration, n_axes=1)
    scores = _checked("scores", scores, n_axes=1)
    if not len(calibration):
        raise ValueError("calibration is empty: at least one score of a normal row is needed.")
    n_below = np.searchsorted(np.sort(calibration), scores, side="left")
    return (1 + len(calibration) - n_below) / (len(calibration) + 1)


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
    pvalues = _pvalues("pvalues", pvalues)
    _check_rate(fdr)
    if not len(pvalues):
        return np.zeros(0, dtype=bool)
    # Conformal p-values are multiples of 1 / (n + 1) and often meet the bound exactly, where
    # rounding must not decide.
    return false_discovery_control(pvalues, method="bh") <= fdr * (1 + ROUNDING)


def benjamini_hochberg_online(pvalues, fdr=0.1, *, window=500, history=()):
    """Declare anomalies one by one, as they come.

    Parameters
    ----------
    pvalues : array-like of shape (m,)
        P-values in the order in which rows came.
    fdr : float, default=0.1
        The false-discovery rate, as in :func:`benjamini_hochberg`.
    window : int, default=500
        How many of the latest rows a row is seen among: enough for a few anomalies to be there,
        and few enough for ``window / fdr`` calibration rows.
    history : array-like of shape (n_earlier,), default=()
        P-values of rows that came before, of which the last ``window - 1`` count.

    Returns
    -------
    declared : ndarray of bool of shape (m,)
        The rows with ``p <= k * fdr / window``, where `k` is how many of the rows before, in the
        window, the procedure of Benjamini and Hochberg would declare.

    Raises
    ------
    ValueError
        If a p-value, `fdr` or `window` is out of range.

    Notes
    -----
    A decision is never revised, and does not depend on later rows. While anomalies come at a steady
    rate, with several in a window, a normal row is declared at most ``fdr`` times as often as rows
    are. An anomaly alone in its window is not declared: rules that spend a level over an endless
    stream [1]_ declare none either, as no p-value of ``n`` calibration rows is below
    ``1 / (n + 1)``.

    References
    ----------
    .. [1] A. Ramdas, T. Zrnic, M. Wainwright and M. Jordan, "SAFFRON: an adaptive algorithm for
       online control of the false discovery rate", ICML 2018. arXiv:1802.09098.

    Examples
    --------
    >>> from skdiffusion.detection import benjamini_hochberg_online
    >>> benjamini_hochberg_online([0.001, 0.001, 0.6, 0.001, 0.3], fdr=0.1, window=4)
    array([False,  True, False,  True, False])
    """
    pvalues, history = _pvalues("pvalues", pvalues), _pvalues("history", history)
    _check_rate(fdr)
    if not isinstance(window, Integral) or window < 2:
        raise ValueError(f"window={window!r} must be a whole number of at least 2, such as 500.")
    seen = np.concatenate([np.ones(window - 1), history, pvalues])
    declared = np.zeros(len(pvalues), dtype=bool)
    for i, position in enumerate(range(len(seen) - len(pvalues), len(seen))):
        before = np.append(seen[position - window + 1 : position], 1.0)
        n_declared = benjamini_hochberg(before, fdr).sum()
        declared[i] = pvalues[i] <= n_declared * fdr / window * (1 + ROUNDING)
    return declared


def _checked(name, values, *, n_axes):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != n_axes:
        raise ValueError(f"{name} must be an array of {n_axes} axes, got shape {values.shape}.")
    if np.isnan(values).any():
        raise ValueError(f"{name} holds NaN, which has no rank. Leave such rows out.")
    return values


def _pvalues(name, values):
    values = _checked(name, values, n_axes=1)
    if np.any((values < 0) | (values > 1)):
        raise ValueError(f"{name} must lie between 0 and 1.")
    return values


def _check_rate(fdr):
    if not 0 < fdr < 1:
        raise ValueError(f"fdr={fdr!r} must lie between 0 and 1, such as 0.1.")
