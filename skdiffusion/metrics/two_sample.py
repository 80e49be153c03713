"""How far apart are two clouds of points, and how near is one to rows that it must not repeat?"""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import pairwise_distances_argmin_min, pairwise_distances_chunked
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skdiffusion._utils.checks import Seed, needs
from skdiffusion.metrics.alignment import single_precision
from skdiffusion.metrics.scaling import as_points, subsample


def wasserstein(A: Any, B: Any, *, max_rows: int | None = None, random_state: Seed = None) -> float:
    """Return the exact 1-Wasserstein distance of two point clouds, under the L1 ground distance.

    Between Gower coordinates 0.1 says that rows are off by a tenth of one column's range, or by one
    wrong category in every tenth row. Read it against that of real rows to other real rows, which
    is not 0. Needs POT, which comes with ``skdiffusion[metrics]``.

    Parameters
    ----------
    A, B : array-like or data frame of shape (n_rows, n_columns)
        Points, normally from `GowerScaler.transform`, or tables, whose Gower coordinates count.
    max_rows : int or None, default=None
        Draw at most so many rows from each cloud: 1000 take a tenth of a second, 10000 minutes.
    random_state : int, RandomState instance or None, default=None
        Which rows are drawn.

    Returns
    -------
    distance : float
        The distance, 0 for equal clouds.

    Examples
    --------
    >>> from skdiffusion.metrics import wasserstein
    >>> round(wasserstein([[0, 0], [1, 1]], [[0.5, 0.25], [1.5, 1.25]]), 6)
    0.75
    """
    with needs("metrics", "Wasserstein distances need POT"):
        import ot
    A, B = as_points(A, B)
    rng = check_random_state(random_state)
    cost = ot.dist(subsample(A, max_rows, rng), subsample(B, max_rows, rng), metric="cityblock")
    # The default limit of iterations can stop before the optimum on a thousand rows.
    return float(ot.emd2([], [], cost, numItermax=10_000_000))


def c2st(real: Any, fake: Any, *, classifier: Any = None, random_state: Seed = None) -> float:
    """Return how well a classifier tells generated rows from real ones.

    The classifier two-sample test of Lopez-Paz and Oquab (ICLR 2017), by three folds, in single
    precision: some generators return no more, and trees would know their rows by the last digits.

    Parameters
    ----------
    real, fake : array-like or data frame of shape (n_rows, n_columns)
        Real rows that the generator has not seen, as one that copies its training rows looks better
        against these than a perfect one, and generated rows.
    classifier : classifier or None, default=None
        None is gradient boosting, which finds wrong marginals, spikes and interactions.
    random_state : int, RandomState instance or None, default=None
        Draws as many rows of either table, the folds, and the seed of the boosting.

    Returns
    -------
    auc : float
        Mean area under the ROC curve: from 0.5, the rows cannot be told apart, to 1, they always
        can. Values below 0.5 are chance, or too many copies of the real rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import c2st
    >>> rng = np.random.default_rng(0)
    >>> real, fake = rng.normal(size=(90, 2)), rng.normal(loc=9, size=(120, 2))
    >>> c2st(real, fake, random_state=0)
    1.0
    """
    real, fake = map(single_precision, as_points(real, fake))
    rng = check_random_state(random_state)
    seed = rng.randint(np.iinfo(np.int32).max)
    if classifier is None:
        classifier = HistGradientBoostingClassifier(random_state=seed)
    n = min(len(real), len(fake))
    X = np.vstack([subsample(real, n, rng), subsample(fake, n, rng)])
    is_real = np.repeat([1, 0], n)
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    return float(cross_val_score(classifier, X, is_real, scoring="roc_auc", cv=folds).mean())


def coverage_density(real: Any, fake: Any, *, k: int = 5) -> Any:
    """Return the share of real neighbourhoods that are hit, and how densely they are filled.

    Around every real row lies the ball that reaches to its `k`-th nearest other real row (L1),
    boundary included. Coverage is the share of the balls with a generated row in them. Density
    counts in how many balls a generated row lies, divided by `k` (Naeem et al., ICML 2020).

    Parameters
    ----------
    real, fake : array-like or data frame of shape (n_rows, n_columns)
        Real rows, more than `k` of them, and generated ones.
    k : int, default=5
        Neighbours that define a ball.

    Returns
    -------
    coverage : float
        Near ``1 - 2**-k`` for a perfect generator of as many rows; less if modes were dropped.
    density : float
        About 1 for a perfect generator; less if rows are where there should be none.

    Examples
    --------
    >>> from skdiffusion.metrics import coverage_density
    >>> real = [[x] for x in range(20)]
    >>> coverage_density(real, real[5:10], k=2)  # a quarter of the line, and the balls at its ends
    (0.35, 1.5)
    """
    real, fake = as_points(real, fake)
    if not 1 <= k < len(real):
        raise ValueError(f"k={k} must be at least 1 and less than the {len(real)} real rows.")
    neighbours = NearestNeighbors(n_neighbors=k, metric="manhattan", algorithm="brute").fit(real)
    radii = neighbours.kneighbors()[0][:, -1]

    def count_inside(distances, start):
        return (distances <= radii[start : start + len(distances), None]).sum(axis=1)

    options = {"metric": "manhattan", "n_jobs": 1, "reduce_func": count_inside}
    hits = np.concatenate([*pairwise_distances_chunked(real, fake, **options)])
    return float((hits > 0).mean()), float(hits.sum() / (k * len(fake)))


def dcr_ratio(train: Any, test: Any, fake: Any) -> float:
    """Return how far generated rows are from the training rows, relative to fresh real rows.

    The median distance to the closest record (DCR, Zhao et al., "CTAB-GAN", ACML 2021) of the
    generated rows, divided by that of held-out real rows.

    Parameters
    ----------
    train, test, fake : array-like or data frame of shape (n_rows, n_columns)
        Training, held-out and generated rows.

    Returns
    -------
    ratio : float
        0 for copies, well below 1 for memorised rows, 1 for rows as far from the training rows as
        fresh ones are. Where most held-out rows are equal to a training row, the ratio is that of
        the mean distances; where all are, one plus the mean distance of the generated rows.

    Examples
    --------
    >>> from skdiffusion.metrics import dcr_ratio
    >>> round(dcr_ratio(train=[[0], [1]], test=[[0.2], [1.2]], fake=[[0.1], [1.1]]), 6)
    0.5
    """
    train, *others = as_points(train, test, fake)
    fresh, new = (pairwise_distances_argmin_min(X, train, metric="manhattan")[1] for X in others)
    middle = np.median if np.median(fresh) else np.mean
    fresh, new = middle(fresh), middle(new)
    return float(new / fresh) if fresh else 1.0 + float(new)
