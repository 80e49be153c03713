"""How far apart are two clouds of points?"""

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from skdiffusion.metrics.scaling import _check_same_columns, _subsample


def wasserstein(A, B, *, max_rows=None, random_state=None):
    """Exact 1-Wasserstein distance of two point clouds under the L1 ground distance.

    The least total way that the (equally weighted) points of one cloud must travel to become the
    other cloud [1]_. Between Gower coordinates it is in units of columns: 0.1 says that rows are
    off by a tenth of one column's range, or by one wrong category in every tenth row.

    Parameters
    ----------
    A : array-like of shape (n_rows_a, n_columns)
        Points, normally from `GowerScaler.transform`.
    B : array-like of shape (n_rows_b, n_columns)
        Points in the same coordinates.
    max_rows : int or None, default=None
        Draw at most so many rows from each cloud. The cost grows with the cube of the number of
        rows: 1000 a side take a tenth of a second, 10000 take minutes. None keeps all rows.
    random_state : int, RandomState instance or None, default=None
        Which rows are drawn; without effect where none has to be left out.

    Returns
    -------
    distance : float
        The distance, 0 for equal clouds.

    Notes
    -----
    Clouds of equal size are an assignment problem, solved by SciPy. Others need a transport solver:
    POT's network simplex where POT is installed (``pip install skdiffusion[metrics]``), otherwise
    SciPy's linear programme, which gives the same number a hundred times slower.

    The distance of two finite samples of one law is not 0, and shrinks slowly with their size. Read
    it against the distance of real rows to other real rows.

    References
    ----------
    .. [1] C. Villani, "Optimal Transport: Old and New", Springer, 2009, definition 6.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import wasserstein
    >>> A = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> round(wasserstein(A, A + [0.5, 0.25]), 6)
    0.75
    """
    A, B = _check_same_columns(A, B)
    rng = check_random_state(random_state)
    cost = cdist(_subsample(A, max_rows, rng), _subsample(B, max_rows, rng), "cityblock")
    if cost.shape[0] == cost.shape[1]:
        return float(cost[linear_sum_assignment(cost)].mean())
    try:
        import ot
    except ImportError:
        return _transport_cost(cost)
    # The default limit of iterations can stop before the optimum on a thousand rows.
    return float(ot.emd2([], [], cost, numItermax=10_000_000))


def _transport_cost(cost):
    """Solve the transport problem between uniform weights as a linear programme."""
    n, m = cost.shape
    leaves = sparse.kron(sparse.eye_array(n), np.ones((1, m)))
    arrives = sparse.kron(np.ones((1, n)), sparse.eye_array(m))
    marginals = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    solution = linprog(cost.ravel(), A_eq=sparse.vstack([leaves, arrives]), b_eq=marginals)
    return float(solution.fun)


def sliced_wasserstein(A, B, *, n_projections=200, random_state=None):
    """Sliced 1-Wasserstein distance: the mean 1-D distance over random directions.

    Much cheaper than `wasserstein` and free of the curse of dimension, but blind to what only shows
    in several columns at once.

    Parameters
    ----------
    A : array-like of shape (n_rows_a, n_columns)
        Points; scale the columns first (`fidelity_report` divides by the standard deviation of the
        training rows), else the column with the largest unit decides.
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

    References
    ----------
    .. [1] N. Bonneel, J. Rabin, G. Peyre and H. Pfister, "Sliced and Radon Wasserstein barycenters
       of measures", Journal of Mathematical Imaging and Vision 51, 22-45, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import sliced_wasserstein
    >>> A = np.random.default_rng(0).normal(size=(100, 3))
    >>> sliced_wasserstein(A, A, random_state=0)
    0.0
    """
    A, B = _check_same_columns(A, B)
    rng = check_random_state(random_state)
    directions = rng.normal(size=(n_projections, A.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    shadows = zip(directions @ A.T, directions @ B.T, strict=True)
    return float(np.mean([wasserstein_distance(a, b) for a, b in shadows]))


_CLASSIFIERS = {
    "boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
    "logistic": lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
}


def c2st(real, fake, *, classifier="boosting", cv=3, random_state=None):
    """Classifier two-sample test: how well generated rows can be told from real ones.

    Parameters
    ----------
    real : array-like of shape (n_real, n_columns)
        Points of real rows. Take rows that the generator has not seen: against its own training
        rows a generator that copies them looks better than a perfect one.
    fake : array-like of shape (n_fake, n_columns)
        Points of generated rows in the same coordinates.
    classifier : {"boosting", "logistic"} or classifier, default="boosting"
        Gradient boosting finds wrong marginals, spikes and interactions; logistic regression only
        shifted means. A scikit-learn classifier of one's own may be given instead.
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

    References
    ----------
    .. [1] D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import c2st
    >>> rng = np.random.default_rng(0)
    >>> real, fake = rng.normal(size=(90, 2)), rng.normal(loc=9, size=(120, 2))
    >>> c2st(real, fake, classifier="logistic", random_state=0)
    1.0
    """
    real, fake = _check_same_columns(real, fake)
    rng = check_random_state(random_state)
    seed = rng.randint(np.iinfo(np.int32).max)
    if isinstance(classifier, str):
        if classifier not in _CLASSIFIERS:
            raise ValueError(
                f"classifier={classifier!r} must be one of {sorted(_CLASSIFIERS)} or a classifier."
            )
        classifier = _CLASSIFIERS[classifier](seed)
    n = min(len(real), len(fake))
    X = np.vstack([_subsample(real, n, rng), _subsample(fake, n, rng)])
    is_real = np.repeat([1, 0], n)
    folds = StratifiedKFold(cv, shuffle=True, random_state=seed)
    return float(cross_val_score(classifier, X, is_real, scoring="roc_auc", cv=folds).mean())
