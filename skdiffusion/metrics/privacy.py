"""Are generated rows new, or near copies of the training rows?"""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skdiffusion.metrics.scaling import check_same_columns, subsample


def _distance_to_closest(X, records):
    """L1 distance of each row of X to the closest of the records (DCR)."""
    return pairwise_distances_argmin_min(X, records, metric="manhattan")[1]


def dcr_ratio(train, test, fake):
    """Return how far generated rows are from the training rows, relative to fresh real rows.

    The median distance to the closest record (DCR, Zhao et al., "CTAB-GAN", ACML 2021) of the
    generated rows, divided by the median DCR of held-out real rows.

    Parameters
    ----------
    train : array-like of shape (n_train, n_columns)
        Points of the rows the generator was fitted on.
    test : array-like of shape (n_test, n_columns)
        Points of real rows it has not seen.
    fake : array-like of shape (n_fake, n_columns)
        Points of generated rows.

    Returns
    -------
    ratio : float
        1: as far from the training rows as fresh real rows are. Well below 1, say 0.5: memorised.
        0: copies. Above 1: further off than real rows. NaN where most held-out rows are themselves
        equal to a training row, as in small tables of categories: the ratio then says nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import dcr_ratio
    >>> train = np.array([[0.0], [1.0], [2.0]])
    >>> round(dcr_ratio(train, test=train + 0.2, fake=train + 0.1), 6)
    0.5
    """
    train, test, fake = check_same_columns(train, test, fake)
    fresh = np.median(_distance_to_closest(test, train))
    return float(np.median(_distance_to_closest(fake, train)) / fresh) if fresh else float("nan")


def dcr_share(train, test, fake, *, random_state=None):
    """Return the share of generated rows that are nearer to a training than to a held-out row.

    The measure of Platzer and Reutterer (Frontiers in Big Data 4, 2021).

    Parameters
    ----------
    train : array-like of shape (n_train, n_columns)
        Points of the rows the generator was fitted on; drawn down to the size of `test`, or the
        other way round, so that both have the same chance to be near.
    test : array-like of shape (n_test, n_columns)
        Points of real rows it has not seen.
    fake : array-like of shape (n_fake, n_columns)
        Points of generated rows.
    random_state : int, RandomState instance or None, default=None
        Draws the rows of the larger table.

    Returns
    -------
    share : float
        0.5 is ideal: training rows have no special pull. Ties count one half.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import dcr_share
    >>> train = np.array([[0.0], [1.0], [2.0]])
    >>> dcr_share(train, test=train + 0.5, fake=train)
    1.0
    """
    train, test, fake = check_same_columns(train, test, fake)
    rng = check_random_state(random_state)
    n = min(len(train), len(test))
    to_train = _distance_to_closest(fake, subsample(train, n, rng))
    to_test = _distance_to_closest(fake, subsample(test, n, rng))
    return float(np.mean((to_train < to_test) + 0.5 * (to_train == to_test)))


def nndr(train, fake):
    """Return the median nearest-neighbour distance ratio of the generated rows.

    The distance to the closest training row divided by that to the second closest. It needs no
    held-out rows, and asks whether *one* training row stands out behind a generated one.

    Parameters
    ----------
    train : array-like of shape (n_train, n_columns)
        Points of the rows the generator was fitted on, at least two.
    fake : array-like of shape (n_fake, n_columns)
        Points of generated rows.

    Returns
    -------
    ratio : float
        Between 0 (each generated row is a copy of a single training row) and 1 (no training row
        stands out, also where a generated row equals two or more of them).

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import nndr
    >>> round(nndr(np.array([[0.0], [1.0]]), np.array([[0.2]])), 6)
    0.25
    """
    train, fake = check_same_columns(train, fake)
    neighbours = NearestNeighbors(n_neighbors=2, metric="manhattan").fit(train)
    first, second = neighbours.kneighbors(fake)[0].T
    ratio = np.divide(first, second, out=np.ones_like(first), where=second > 0)
    return float(np.median(ratio))


def exact_copies(train, fake):
    """Return the share of the generated rows that equal a training row in every cell.

    Parameters
    ----------
    train : array-like of shape (n_train, n_columns)
        The rows the generator was fitted on, in original units.
    fake : array-like of shape (n_fake, n_columns)
        Generated rows in original units.

    Returns
    -------
    share : float
        Between 0 and 1. In tables of few categories fresh real rows are copies too: compare with
        ``exact_copies(train, test)``.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import exact_copies
    >>> exact_copies(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [1.0, 4.0]]))
    0.5
    """
    train, fake = check_same_columns(train, fake)
    known = set(map(tuple, train.tolist()))
    return float(np.mean([row in known for row in map(tuple, fake.tolist())]))
