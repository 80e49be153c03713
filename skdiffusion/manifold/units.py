"""In which units the geometry of a table shows: as it stands, or column by column."""

import numpy as np
from sklearn.model_selection import train_test_split

from skdiffusion._utils.mixture import fit_bic_mixture
from skdiffusion.geometry.planes import local_planes

__all__ = ["common_unit", "has_geometry", "is_thin", "linear_codes_do"]

# of the rows: how many distinct values a column has at least, for distances to mean anything
MIN_DISTINCT = 0.5
MIN_ROWS = 100
MAX_ROWS = 2000
# of the radius of a neighbourhood: how far nine in ten rows may be off a plane through it, at most,
# for the manifold to be beyond doubt
THIN = 0.1
N_NEIGHBORS = 15


def has_geometry(X):
    """Tell whether the rows of a table are points that can lie on a manifold."""
    n, d = X.shape
    if n < MIN_ROWS or d < 2 or not np.isfinite(X).all():
        return False
    return min(len(np.unique(column)) for column in X.T) >= MIN_DISTINCT * n


def is_thin(Z, dimension):
    """Tell whether held-out rows lie on planes through their neighbours."""
    if not dimension < min(Z.shape[1], N_NEIGHBORS - 1):
        return False
    n_held = len(Z) // 5
    held = Z[:n_held]
    planes = local_planes(Z[n_held:], dimension, n_neighbors=N_NEIGHBORS, queries=held)
    return bool(np.quantile(planes.distance(held) / planes.radii, 0.9) < THIN)


def common_unit(X):
    """Return one unit for all columns: that of the directions in which rows differ."""
    # rows in units of the largest, whose squares do not overflow
    unit = np.abs(X - X.mean(0)).max()
    variances = np.linalg.svd((X - X.mean(0)) / unit, compute_uv=False) ** 2 / len(X)
    return float(unit * np.sqrt((variances**2).sum() / variances.sum()))


def linear_codes_do(Z_linear, Z_bent, log_volume_linear, log_volume_bent, random_state):
    """Tell whether held-out rows are as likely in linear codes as in bent ones."""
    rows = random_state.permutation(len(Z_linear))[:MAX_ROWS]
    train, test = train_test_split(rows, test_size=0.2, random_state=random_state)
    if len(train) < Z_linear.shape[1] + 2:
        # too few to tell
        return False
    scores = []
    for Z, volume in ((Z_linear, log_volume_linear), (Z_bent, log_volume_bent)):
        mixture = fit_bic_mixture(Z[train], reg_covar=1e-6, random_state=random_state)
        scores.append(np.mean(mixture.score_samples(Z[test]) + volume[test]))
    return scores[0] >= scores[1]
