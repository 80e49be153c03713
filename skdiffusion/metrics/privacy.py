"""Are generated rows new, or near copies of the training rows?"""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min

from skdiffusion.metrics.scaling import check_same_columns


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
    new, fresh = (
        np.median(pairwise_distances_argmin_min(rows, train, metric="manhattan")[1])
        for rows in (fake, test)
    )
    return float(new / fresh) if fresh else float("nan")


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
