"""One scale for scores of different kinds, set by training rows that were held out."""

import numpy as np

__all__ = ["RobustScale", "combine_weights"]

MIN_SPREAD = 1e-3
"""Where held-out scores are all alike; a smaller one would blow up rounding errors."""

N_BORROWED = 5.0
"""Labelled anomalies that the equal weights count for."""


class RobustScale:
    """Centre scores at the median of held-out rows, and divide by their 10-90 % range.

    Nothing but the held-out scores of training rows enters, so that the score of a new row does not
    depend on the rows it comes with.

    Parameters
    ----------
    held_out : ndarray of shape (n,)
        Scores of training rows, larger for more anomalous, each found without its own row.

    Examples
    --------
    >>> scale = RobustScale(np.arange(11.0))
    >>> scale(np.array([5.0, 13.0])).tolist()
    [0.0, 1.0]
    """

    def __init__(self, held_out):
        lower, self.centre, upper = np.quantile(held_out, [0.1, 0.5, 0.9])
        spread = upper - lower
        # most rows may be copies of others, all with the same score
        self.spread = spread if spread > 1e-9 else max(held_out.std(), MIN_SPREAD)

    def __call__(self, scores):
        """Return scores on the common scale.

        Parameters
        ----------
        scores : ndarray of any shape
            Scores.

        Returns
        -------
        ndarray of the same shape
            Scores, about between -0.5 and 0.5 for four fifths of the normal rows.
        """
        return (scores - self.centre) / self.spread


def combine_weights(normal, anomalous):
    """Weigh kinds of scores by how well they tell labelled anomalies from normal rows.

    Parameters
    ----------
    normal : ndarray of shape (n, n_kinds)
        Scores of normal rows on the common scale.
    anomalous : ndarray of shape (m, n_kinds)
        Scores of the labelled anomalies; there may be none.

    Returns
    -------
    ndarray of shape (n_kinds,)
        Weights of mean one. Equal without labels; with them proportional to the square of Somers'
        D (twice the area under the ROC curve, less one), to a degree that grows with their number.

    Examples
    --------
    >>> normal = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    >>> combine_weights(normal, np.array([[3.0, 1.0]] * 5)).tolist()
    [1.5, 0.5]
    """
    n_kinds = normal.shape[1]
    if not len(anomalous):
        return np.ones(n_kinds)
    below = (normal[None] < anomalous[:, None]).mean((0, 1))
    above = (normal[None] > anomalous[:, None]).mean((0, 1))
    skill = np.maximum(below - above, 0.0) ** 2
    if skill.sum() == 0:
        return np.ones(n_kinds)
    trust = len(anomalous) / (len(anomalous) + N_BORROWED)
    return (1 - trust) + trust * n_kinds * skill / skill.sum()
