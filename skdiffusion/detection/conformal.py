"""P-values of anomaly scores from the scores of normal rows, and what to declare by them."""

from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control

ROUNDING = 1e-12


def conformal_pvalues(calibration: Any, scores: Any) -> np.ndarray:
    """Rank anomaly scores among those of normal rows.

    Parameters
    ----------
    calibration : array-like of shape (n,)
        Anomaly scores of normal rows, found without them. Large means anomalous.
    scores : array-like of shape (m,)
        Anomaly scores of the rows to judge.

    Returns
    -------
    pvalues : ndarray of shape (m,)
        ``(1 + #{calibration >= score}) / (n + 1)``. Ties count against the row. For a normal row
        exchangeable with the calibration rows ``P(p <= a) <= a`` for every ``a``, whatever the
        scores, on average over calibration sets: given one, it varies like ``n ** -0.5``.

    Raises
    ------
    ValueError
        If there is no calibration score, or a score is NaN.

    Examples
    --------
    >>> from skdiffusion.detection import conformal_pvalues
    >>> conformal_pvalues([1.0, 2.0, 3.0, 4.0], scores=[9.0, 3.0, 0.5])
    array([0.2, 0.6, 1. ])
    """
    calibration, scores = _checked("calibration", calibration), _checked("scores", scores)
    if not len(calibration):
        raise ValueError("calibration is empty: at least one score of a normal row is needed.")
    n_below = np.searchsorted(np.sort(calibration), scores, side="left")
    return (1 + len(calibration) - n_below) / (len(calibration) + 1)


def benjamini_hochberg(pvalues, fdr):
    """Return which p-values to declare so that a share `fdr` of these is false at most."""
    _check_rate(fdr)
    # conformal p-values often meet the bound exactly, where rounding must not decide
    return false_discovery_control(pvalues, method="bh") <= fdr * (1 + ROUNDING)


def benjamini_hochberg_online(
    pvalues: Any, fdr: float = 0.1, *, window: int = 500, history: Any = ()
) -> np.ndarray:
    """Declare anomalies one by one, as they come, so that few of them are false.

    Parameters
    ----------
    pvalues : array-like of shape (m,)
        P-values in the order in which rows came, small where a row is anomalous.
    fdr : float, default=0.1
        The false-discovery rate: the expected share of normal rows among those declared.
    window : int, default=500
        How many of the latest rows a row is seen among: enough for a few anomalies.
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
    A decision does not depend on later rows. While anomalies come at a steady rate, with several in
    a window, a normal row is declared at most ``fdr`` times as often as rows are. An anomaly alone
    in its window is not, as by rules for endless streams (SAFFRON, Ramdas et al., ICML 2018).

    Examples
    --------
    >>> from skdiffusion.detection import benjamini_hochberg_online
    >>> benjamini_hochberg_online([0.001, 0.001, 0.6, 0.001, 0.3], fdr=0.1, window=4)
    array([False,  True, False,  True, False])
    """
    _check_rate(fdr)
    if not isinstance(window, Integral) or window < 2:
        raise ValueError(f"window={window!r} must be a whole number of at least 2, such as 500.")
    pvalues, history = _checked("pvalues", pvalues), _checked("history", history)
    for name, values in (("pvalues", pvalues), ("history", history)):
        if np.any((values < 0) | (values > 1)):
            raise ValueError(f"{name} must lie between 0 and 1.")
    seen = np.concatenate([np.ones(window - 1), history, pvalues])
    n_declared = np.empty(len(pvalues))
    for i in range(len(pvalues)):
        before = seen[len(history) + i :][: window - 1]
        n_declared[i] = benjamini_hochberg(np.append(before, 1.0), fdr).sum()
    return pvalues <= n_declared * fdr / window * (1 + ROUNDING)


def _check_rate(fdr):
    if not 0 < fdr < 1:
        raise ValueError(f"fdr={fdr!r} must lie between 0 and 1, such as 0.1.")


def _checked(name, values):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"{name} must be an array of 1 axes, got shape {values.shape}.")
    if np.isnan(values).any():
        raise ValueError(f"{name} holds NaN, which has no rank. Leave such rows out.")
    return values
