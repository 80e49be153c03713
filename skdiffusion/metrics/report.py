"""All metrics of the package at once, under one protocol."""

import numpy as np
from sklearn.utils import check_random_state

from skdiffusion.metrics.fidelity import coverage_density, shape_error, trend_error
from skdiffusion.metrics.privacy import dcr_ratio, exact_copies
from skdiffusion.metrics.scaling import GowerScaler, check_same_columns, single_precision
from skdiffusion.metrics.two_sample import c2st, wasserstein

# Rows a side for the exact Wasserstein distances, whose cost is cubic
MAX_ROWS = 1000


def fidelity_report(train, test, fake, *, categorical=(), random_state=None):
    """Judge a generated table by fidelity, coverage and privacy.

    Distances are taken in the Gower coordinates of the training rows, so that every column of the
    table weighs the same. Tables are rounded to single precision before.

    Parameters
    ----------
    train : array-like of shape (n_train, n_columns)
        The rows the generator was fitted on, in original units, categories as numeric codes. Put
        the target in as one more column.
    test : array-like of shape (n_test, n_columns)
        Real rows it has not seen; at least six.
    fake : array-like of shape (n_fake, n_columns)
        Generated rows, best as many as training rows.
    categorical : sequence of int, default=()
        Columns that hold category codes, a class label among them.
    random_state : int, RandomState instance or None, default=None
        Makes sub-samples and folds reproducible. Use one seed to compare generators: they then
        meet the same folds.

    Returns
    -------
    report : dict of str to float
        - ``w1_test``, ``w1_train``: `wasserstein` to held-out and to training rows;
        - ``c2st_boosting``: `c2st` against held-out rows;
        - ``coverage``, ``density``: `coverage_density` against held-out rows;
        - ``shape_error``, ``trend_error``: percent, against all real rows;
        - ``dcr_ratio``, ``exact_copies``: privacy.

    Notes
    -----
    What to compare with: the report of ``fake=train`` shows what is within reach of `w1_test` (and
    that copying reaches it), and a second held-out part as `fake` shows a perfect generator.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import fidelity_report
    >>> rng = np.random.default_rng(0)
    >>> train, test = rng.normal(size=(80, 2)), rng.normal(size=(40, 2))
    >>> report = fidelity_report(train, test, fake=train + 9, random_state=0)
    >>> report["c2st_boosting"], report["exact_copies"]
    (1.0, 0.0)
    """
    train, test, fake = map(single_precision, check_same_columns(train, test, fake))
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    scaler = GowerScaler(categorical).fit(train)
    points = [scaler.transform(table) for table in (train, test, fake)]
    train_points, test_points, fake_points = points
    coverage, density = coverage_density(test_points, fake_points)
    real = np.vstack([train, test])
    pairs = {"max_rows": MAX_ROWS, "random_state": seed}
    return {
        "w1_test": wasserstein(test_points, fake_points, **pairs),
        "w1_train": wasserstein(train_points, fake_points, **pairs),
        "c2st_boosting": c2st(test_points, fake_points, random_state=seed),
        "coverage": coverage,
        "density": density,
        "shape_error": shape_error(real, fake, categorical=categorical),
        "trend_error": trend_error(real, fake, categorical=categorical),
        "dcr_ratio": dcr_ratio(*points),
        "exact_copies": exact_copies(train, fake),
    }
