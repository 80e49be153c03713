"""A score of models by what they draw, in the units of their input."""

from typing import Any

from scipy.spatial.distance import cdist
from sklearn.utils import check_random_state

from skdiffusion._utils.checks import Seed
from skdiffusion.metrics.alignment import align
from skdiffusion.metrics.scaling import gower_points, subsample
from skdiffusion.pipeline import sample_from

MAX_ROWS = 1000


def sample_score(estimator: Any, X: Any, y: Any = None, *, random_state: Seed = 0) -> float:
    """Return how near draws are to held-out rows: minus their energy distance, for searches.

    Give it to a search as ``scoring=``. Log-densities of pipelines are those of the last step's
    input, so that PCA of 3 and of 5 components cannot be compared by them; draws can, as
    :func:`~skdiffusion.sample_from` takes them back to the table.

    Parameters
    ----------
    estimator : estimator
        What `sample_from` can draw from: a fitted sampler, or a pipeline that ends in one.
    X : array-like or data frame of shape (n, n_features)
        Held-out rows, more than one; of more than 1000 a random choice.
    y : object, default=None
        Ignored.
    random_state : int, RandomState instance or None, default=0
        Source of 1000 draws, and of the choice of rows.

    Returns
    -------
    score : float
        About 0 for draws like the rows, a little above by chance, and less the farther they are:
        distances are Euclidean, between Gower coordinates of the held-out rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.neighbors import KernelDensity
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdiffusion.metrics import sample_score
    >>> pipeline = make_pipeline(PCA(), KernelDensity(bandwidth=0.1))
    >>> search = GridSearchCV(pipeline, {"pca__n_components": [1, 2]}, scoring=sample_score)
    >>> bool(search.fit(load_iris().data).best_score_ < 0.1)
    True
    """
    if len(X) < 2:
        raise ValueError("sample_score compares rows: give at least two held-out ones.")
    rng = check_random_state(random_state)
    drawn = sample_from(estimator, MAX_ROWS, random_state=rng)
    real, fake = gower_points(align(subsample(X, MAX_ROWS, rng), drawn))
    within = sum(cdist(rows, rows).sum() / (len(rows) * (len(rows) - 1)) for rows in (real, fake))
    return float(within - 2 * cdist(real, fake).mean())
