"""In which units the geometry of a table shows: as it stands, or column by column."""

import numpy as np
from sklearn.model_selection import train_test_split

from skdiffusion._utils.gross import column_spreads, have_one_unit
from skdiffusion._utils.mixture import fit_bic_mixture
from skdiffusion.closed_forms.noise_floor import n_factors
from skdiffusion.geometry.planes import local_planes

# of the rows: how many distinct values a column has at least, for distances to mean anything
MIN_DISTINCT = 0.5
MIN_ROWS, MAX_ROWS = 100, 2000
# of the radius of a neighbourhood: how far nine in ten rows may be off a plane through it, at most,
# for the manifold to be beyond doubt
THIN = 0.1
N_NEIGHBORS = 15
# columns whose standard deviations differ by no more than this may well be of one unit
MAX_RATIO = 3.0


def has_geometry(X):
    """Whether the rows of a table are points that can lie on a manifold."""
    n, d = X.shape
    if n < MIN_ROWS or d < 2 or not np.isfinite(X).all():
        return False
    return min(len(np.unique(column)) for column in X.T) >= MIN_DISTINCT * n


def is_thin(Z, dimension):
    """Whether held-out rows lie on planes through their neighbours."""
    if not dimension < min(Z.shape[1], N_NEIGHBORS - 1):
        return False
    n_held = len(Z) // 5
    held = Z[:n_held]
    planes = local_planes(Z[n_held:], dimension, n_neighbors=N_NEIGHBORS, queries=held)
    return bool(np.quantile(planes.distance(held) / planes.radii, 0.9) < THIN)


def linear_units(X):
    """Choose between one unit for all columns and a unit for each.

    Return the encoder's transform, the units, and the number of directions above a noise floor.
    """
    own = column_spreads(X)
    if not have_one_unit(own):
        return "standard", own, n_factors((X - X.mean(0)) / own)
    centred = X - X.mean(0)
    # in units of the largest number, whose squares do not leave the doubles
    largest = np.abs(centred).max()
    unit = centred / largest
    spreads = unit.std(0)
    standard, d = unit / spreads, X.shape[1]
    common = largest * _common_unit(unit)
    if (factors := n_factors(unit)) < d:
        return common, common, factors
    if (factors := n_factors(standard)) < d or spreads.max() > MAX_RATIO * spreads.min():
        return "standard", largest * spreads, factors
    return common, common, d


def column_units(X):
    """Return the units (d,) in which an embedding sees columns, one for all that share it."""
    units, varies = np.ones(X.shape[1]), np.ptp(X, axis=0) > 0
    if varies.any():
        transform, units[varies], _ = linear_units(X[:, varies])
        if transform != "standard":
            largest = np.abs(X - X.mean(0)).max()
            units[:] = largest * np.sqrt((X / largest).var(0).mean())
    return units


def _common_unit(centred):
    """Return the standard deviation of the directions in which rows differ."""
    variances = np.linalg.svd(centred, compute_uv=False) ** 2 / len(centred)
    return float(np.sqrt((variances**2).sum() / variances.sum()))


def linear_does(linear, bent, columns, rng):
    """Whether held-out rows are as likely in linear features as in bent ones, by a mixture."""
    rows = rng.permutation(len(columns[0].values))[:MAX_ROWS]
    columns = [column.take(rows) for column in columns]
    train, test = train_test_split(np.arange(len(rows)), test_size=0.2, random_state=rng)
    if len(train) < linear.n_encoded_ + 2:
        # too few to tell
        return False
    scores = []
    for encoder in (linear, bent):
        Z = encoder.encode_columns(columns)
        volume = encoder.log_volume_of(columns, np.finfo(float).eps)
        mixture = fit_bic_mixture(Z[train], reg_covar=1e-6, random_state=rng)
        scores.append(np.mean(mixture.score_samples(Z[test]) + volume[test]))
    return scores[0] >= scores[1]
