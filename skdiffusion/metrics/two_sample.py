"""How far apart are two clouds of points?"""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.utils import check_random_state

from skdiffusion._utils.checks import needs
from skdiffusion.metrics.scaling import check_same_columns, single_precision, subsample


def wasserstein(A, B, *, max_rows=None, random_state=None):
    """Return the exact 1-Wasserstein distance of two point clouds, under the L1 ground distance.

    The least total way that the (equally weighted) points of one cloud must travel to become the
    other. Between Gower coordinates it is in units of columns: 0.1 says that rows are off by a
    tenth of one column's range, or by one wrong category in every tenth row. That of two finite
    samples of one distribution is not 0: read it against the distance of real rows to other real
    rows. Needs POT, which comes with ``skdiffusion[metrics]``.

    Parameters
    ----------
    A : array-like of shape (n_rows_a, n_columns)
        Points, normally from `GowerScaler.transform`.
    B : array-like of shape (n_rows_b, n_columns)
        Points in the same coordinates.
    max_rows : int or None, default=None
        Draw at most so many rows from each cloud, as the cost grows with the cube of their number:
        1000 a side take a tenth of a second, 10000 take minutes. None keeps all rows.
    random_state : int, RandomState instance or None, default=None
        Which rows are drawn; without effect where none has to be left out.

    Returns
    -------
    distance : float
        The distance, 0 for equal clouds.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import wasserstein
    >>> A = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> round(wasserstein(A, A + [0.5, 0.25]), 6)
    0.75
    """
    ot = _import_pot()
    A, B = check_same_columns(A, B)
    rng = check_random_state(random_state)
    cost = ot.dist(subsample(A, max_rows, rng), subsample(B, max_rows, rng), metric="cityblock")
    # The default limit of iterations can stop before the optimum on a thousand rows.
    return float(ot.emd2([], [], cost, numItermax=10_000_000))


def sliced_wasserstein(A, B, *, n_projections=200, random_state=None):
    """Return the sliced 1-Wasserstein distance: the mean 1-D distance over random directions.

    Much cheaper than `wasserstein` and free of the curse of dimension, but blind to what only shows
    in several columns at once. Needs POT, which comes with ``skdiffusion[metrics]``.

    Parameters
    ----------
    A : array-like of shape (n_rows_a, n_columns)
        Points; scale the columns first, else the column with the largest unit decides.
    B : array-like of shape (n_rows_b, n_columns)
        Points in the same coordinates.
    n_projections : int, default=200
        Number of directions, drawn uniformly on the unit sphere. 200 keep the error of the mean
        at a few per cent.
    random_state : int, RandomState instance or None, default=None
        Draws the directions.

    Returns
    -------
    distance : float
        The distance, in the unit of the columns.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import sliced_wasserstein
    >>> A = np.random.default_rng(0).normal(size=(100, 3))
    >>> sliced_wasserstein(A, A, random_state=0)
    0.0
    """
    ot = _import_pot()
    A, B = check_same_columns(A, B)
    rng = check_random_state(random_state)
    return float(ot.sliced_wasserstein_distance(A, B, n_projections=n_projections, p=1, seed=rng))


def _import_pot():
    with needs("metrics", "Wasserstein distances need POT"):
        import ot
    return ot


def c2st(real, fake, *, classifier=None, cv=3, random_state=None):
    """Return how well a classifier tells generated rows from real ones.

    The classifier two-sample test of Lopez-Paz and Oquab (ICLR 2017), in single precision: some
    generators return no more, and trees would know their rows by the last digits.

    Parameters
    ----------
    real : array-like of shape (n_real, n_columns)
        Points of real rows. Take rows that the generator has not seen: against its own training
        rows a generator that copies them looks better than a perfect one.
    fake : array-like of shape (n_fake, n_columns)
        Points of generated rows in the same coordinates.
    classifier : classifier or None, default=None
        A classifier of scikit-learn. None is gradient boosting, which finds wrong marginals, spikes
        and interactions.
    cv : int, default=3
        Number of cross-validation folds.
    random_state : int, RandomState instance or None, default=None
        Draws as many rows from the larger table as the smaller one has, the folds, and the seed of
        the boosting.

    Returns
    -------
    auc : float
        Mean area under the ROC curve over the folds: 0.5 says that the rows cannot be told apart, 1
        that they always can. Values below 0.5 are chance, or too many copies of the real rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import c2st
    >>> rng = np.random.default_rng(0)
    >>> real, fake = rng.normal(size=(90, 2)), rng.normal(loc=9, size=(120, 2))
    >>> c2st(real, fake, random_state=0)
    1.0
    """
    real, fake = map(single_precision, check_same_columns(real, fake))
    rng = check_random_state(random_state)
    seed = rng.randint(np.iinfo(np.int32).max)
    if classifier is None:
        classifier = HistGradientBoostingClassifier(random_state=seed)
    n = min(len(real), len(fake))
    X = np.vstack([subsample(real, n, rng), subsample(fake, n, rng)])
    is_real = np.repeat([1, 0], n)
    folds = StratifiedKFold(cv, shuffle=True, random_state=seed)
    return float(cross_val_score(classifier, X, is_real, scoring="roc_auc", cv=folds).mean())
