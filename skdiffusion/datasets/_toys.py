r"""Distributions on the plane that are hard for a smooth density, with exact log-densities.

The four sets are common in papers on normalising flows and diffusion models. Scales are those of
the usual code, so that log-likelihoods compare with published ones:

================  ==========================  ==================================
set               mean of the log-density     what is hard about it
================  ==========================  ==================================
eight Gaussians   -2.83                       separate modes
two spirals       -2.65                       thin curved arms, close together
pinwheel          -2.32                       arms that bend and thin out
checkerboard      -log(32) = -3.47            a density with jumps
================  ==========================  ==================================
"""

import math
from functools import lru_cache
from numbers import Integral, Real

import numpy as np
from scipy.special import log_ndtr, logsumexp, roots_legendre
from sklearn.utils import check_array, check_random_state, check_scalar, gen_batches

_RING = 4 / math.sqrt(2)
_RING_NOISE = 0.5 / math.sqrt(2)

_N_ARMS = 5
_ARM_CENTRE = 2.0
_ARM_LENGTH = 0.6

_TURNS = 1.5 * 2 * math.pi
_SPIRAL_JITTER = 0.5 / 3

_SQUARE = 2.0
_SQUARES = np.array([(i, j) for i in range(-2, 2) for j in range(-2, 2) if (i + j) % 2 == 0])

# An arm is 15 long: so many nodes, divided by the noise, keep the spacing below two thirds of it.
_NODES_TIMES_NOISE = 50
_ROWS_AT_ONCE = 500


def make_eight_gaussians(n_samples=100, *, noise=_RING_NOISE, random_state=None):
    """Draw rows from eight round Gaussians on a circle.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    noise : float, default=0.5 / sqrt(2)
        Standard deviation of each Gaussian. The circle has radius 4 / sqrt(2).
    random_state : int, RandomState instance or None, default=None
        Source of the rows. Pass an int for the same rows on every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        The rows, independent and in random order.

    See Also
    --------
    eight_gaussians_log_density : The exact log-density.

    Examples
    --------
    >>> from skdiffusion.datasets import make_eight_gaussians
    >>> make_eight_gaussians(5, random_state=0).shape
    (5, 2)
    """
    n, rng = _check_draw(n_samples, noise, random_state)
    return _ring_centres()[rng.randint(8, size=n)] + noise * rng.standard_normal((n, 2))


def eight_gaussians_log_density(X, *, noise=_RING_NOISE):
    """Return the exact log-density of `make_eight_gaussians` at rows.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        Rows to evaluate.
    noise : float, default=0.5 / sqrt(2)
        As in `make_eight_gaussians`; above 0.

    Returns
    -------
    log_density : ndarray of shape (n_samples,)
        Natural logarithms of the density.

    Examples
    --------
    >>> from skdiffusion.datasets import eight_gaussians_log_density
    >>> eight_gaussians_log_density([[2.8284, 0.0], [0.0, 0.0]]).round(2)
    array([ -1.84, -31.76])
    """
    X = _check_rows(X, noise, "neither")
    squares = ((X[:, None] - _ring_centres()) ** 2).sum(axis=2) / noise**2
    return logsumexp(-squares / 2, axis=1) - math.log(8 * 2 * math.pi * noise**2)


def make_two_spirals(n_samples=100, *, noise=0.1, random_state=None):
    r"""Draw rows from two interleaved spirals, each of one and a half turns.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    noise : float, default=0.1
        Standard deviation of the normal noise on both columns. A uniform shift of up to 1/6 away
        from the arm comes on top, as in the usual code.
    random_state : int, RandomState instance or None, default=None
        Source of the rows. Pass an int for the same rows on every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        The rows, independent and in random order.

    See Also
    --------
    two_spirals_log_density : The exact log-density.

    Notes
    -----
    The angle is :math:`3 \pi \sqrt{u}` with `u` uniform, so that rows are spread nearly evenly
    along the arm. The second spiral is the first one turned by half a turn.

    Examples
    --------
    >>> from skdiffusion.datasets import make_two_spirals
    >>> make_two_spirals(5, random_state=0).shape
    (5, 2)
    """
    n, rng = _check_draw(n_samples, noise, random_state)
    rows = _spiral(_TURNS * np.sqrt(rng.uniform(size=n)))
    rows += rng.uniform(0, _SPIRAL_JITTER, size=(n, 2))
    rows *= rng.choice([-1, 1], size=(n, 1))
    return rows + noise * rng.standard_normal((n, 2))


def two_spirals_log_density(X, *, noise=0.1):
    """Return the log-density of `make_two_spirals` at rows, by quadrature along the arms.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        Rows to evaluate.
    noise : float, default=0.1
        As in `make_two_spirals`; at least 0.03, below which the quadrature is too coarse.

    Returns
    -------
    log_density : ndarray of shape (n_samples,)
        Natural logarithms of the density, exact but for rounding.

    Examples
    --------
    >>> from skdiffusion.datasets import two_spirals_log_density
    >>> two_spirals_log_density([[0.0, 0.0], [2.0, 0.0]]).round(2)
    array([-3.65, -2.13])
    """
    X = _check_rows(X, noise, "left")
    if noise < 0.03:
        raise ValueError(f"noise={noise} is too small for the quadrature: give at least 0.03.")
    angles, log_weights = _spiral_nodes(math.ceil(_NODES_TIMES_NOISE / min(noise, 1)))
    arm = _spiral(angles)
    log_density = np.empty(len(X))
    for batch in gen_batches(len(X), _ROWS_AT_ONCE):
        terms = [
            _log_uniform_plus_normal(sign * X[batch, None] - arm, 0, _SPIRAL_JITTER, noise)
            for sign in (-1, 1)
        ]
        log_density[batch] = logsumexp(np.sum(terms, axis=3) + log_weights, axis=(0, 2))
    return log_density - math.log(2)


def make_pinwheel(n_samples=100, *, noise=0.2, random_state=None):
    r"""Draw rows from a pinwheel of five bent arms.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    noise : float, default=0.2
        Standard deviation across an arm. Along it, the standard deviation is 0.6 around a distance
        of 2 from the origin.
    random_state : int, RandomState instance or None, default=None
        Source of the rows. Pass an int for the same rows on every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        The rows, independent and in random order.

    See Also
    --------
    pinwheel_log_density : The exact log-density.

    Notes
    -----
    A row of a Gaussian arm is turned clockwise by an angle of :math:`e^{r/2} / 4`, where `r` is its
    distance from the origin. The usual code takes its coordinate along the arm in place of `r`,
    which is all but the same. A turn by `r` keeps areas, so that the density is known.

    Examples
    --------
    >>> from skdiffusion.datasets import make_pinwheel
    >>> make_pinwheel(5, random_state=0).shape
    (5, 2)
    """
    n, rng = _check_draw(n_samples, noise, random_state)
    straight = rng.standard_normal((n, 2)) * [_ARM_LENGTH, noise] + [_ARM_CENTRE, 0]
    return _turn(straight, -_arm_angles(straight, rng.randint(_N_ARMS, size=n)))


def pinwheel_log_density(X, *, noise=0.2):
    """Return the exact log-density of `make_pinwheel` at rows.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        Rows to evaluate.
    noise : float, default=0.2
        As in `make_pinwheel`; above 0.

    Returns
    -------
    log_density : ndarray of shape (n_samples,)
        Natural logarithms of the density.

    Examples
    --------
    >>> from skdiffusion.datasets import pinwheel_log_density
    >>> pinwheel_log_density([[0.0, 0.0], [0.0, 2.0]]).round(2)
    array([-5.27, -4.71])
    """
    X = _check_rows(X, noise, "neither")
    terms = []
    for arm in range(_N_ARMS):
        straight = _turn(X, _arm_angles(X, arm))
        z = (straight - [_ARM_CENTRE, 0]) / [_ARM_LENGTH, noise]
        terms.append(-(z**2).sum(axis=1) / 2)
    return logsumexp(terms, axis=0) - math.log(_N_ARMS * 2 * math.pi * _ARM_LENGTH * noise)


def make_checkerboard(n_samples=100, *, noise=0.0, random_state=None):
    """Draw rows from the dark squares of a board of four by four.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    noise : float, default=0.0
        Standard deviation of the normal noise on both columns. The board is [-4, 4] x [-4, 4], so
        its squares are 2 wide. Without noise the edges are sharp.
    random_state : int, RandomState instance or None, default=None
        Source of the rows. Pass an int for the same rows on every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        The rows, independent and in random order.

    See Also
    --------
    checkerboard_log_density : The exact log-density.

    Examples
    --------
    >>> from skdiffusion.datasets import make_checkerboard
    >>> make_checkerboard(5, random_state=0).shape
    (5, 2)
    """
    n, rng = _check_draw(n_samples, noise, random_state)
    corners = _SQUARES[rng.randint(len(_SQUARES), size=n)]
    rows = _SQUARE * (corners + rng.uniform(size=(n, 2)))
    return rows + noise * rng.standard_normal((n, 2))


def checkerboard_log_density(X, *, noise=0.0):
    """Return the exact log-density of `make_checkerboard` at rows.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        Rows to evaluate.
    noise : float, default=0.0
        As in `make_checkerboard`.

    Returns
    -------
    log_density : ndarray of shape (n_samples,)
        Natural logarithms of the density; without noise, -log(32) on dark squares and -inf
        elsewhere.

    Examples
    --------
    >>> from skdiffusion.datasets import checkerboard_log_density
    >>> checkerboard_log_density([[1.0, 1.0], [1.0, 3.0]]).round(2)
    array([-3.47,  -inf])
    """
    X = _check_rows(X, noise, "left")
    low = _SQUARE * _SQUARES
    terms = _log_uniform_plus_normal(X[:, None], low, low + _SQUARE, noise)
    return logsumexp(terms.sum(axis=2), axis=1) - math.log(len(_SQUARES))


def _check_draw(n_samples, noise, random_state):
    """Return the number of rows and the generator, with `noise` checked too."""
    n = check_scalar(n_samples, "n_samples", Integral, min_val=1)
    _check_noise(noise, "left")
    return n, check_random_state(random_state)


def _check_rows(X, noise, boundaries):
    """Return rows of two columns, with `noise` checked too."""
    _check_noise(noise, boundaries)
    X = check_array(X, dtype=np.float64)
    if X.shape[1] != 2:
        raise ValueError(f"X has {X.shape[1]} columns, but the density is one of 2.")
    return X


def _check_noise(noise, boundaries):
    check_scalar(noise, "noise", Real, min_val=0, max_val=np.inf, include_boundaries=boundaries)


def _ring_centres():
    angles = np.arange(8) * math.pi / 4
    return _RING * np.column_stack([np.cos(angles), np.sin(angles)])


def _spiral(angles):
    """Points of the first arm."""
    return np.column_stack([-np.cos(angles), np.sin(angles)]) * angles[:, None] / 3


@lru_cache(maxsize=4)
def _spiral_nodes(n_nodes):
    """Gauss-Legendre angles, and the logarithms of weight times density of the angle."""
    nodes, weights = roots_legendre(n_nodes)
    share = (nodes + 1) / 2
    return _TURNS * share, np.log(weights * share)


def _arm_angles(rows, arm):
    """Angles by which rows at their distance from the origin are turned, arm by arm."""
    # Bounded, as the angle of a row very far away would overflow to nan.
    radius = np.minimum(np.linalg.norm(rows, axis=1), 1000)
    return 2 * math.pi * arm / _N_ARMS + np.exp(radius / 2) / 4


def _turn(rows, angles):
    """Turn each row anticlockwise by its angle."""
    x, y = rows.T
    cos, sin = np.cos(angles), np.sin(angles)
    return np.column_stack([cos * x - sin * y, sin * x + cos * y])


def _log_uniform_plus_normal(x, low, high, noise):
    """Log-density of a uniform draw from [low, high) plus normal noise, entry by entry."""
    if noise == 0:
        return np.where((low <= x) & (x < high), -np.log(high - low), -np.inf)
    upper, lower = (x - low) / noise, (x - high) / noise
    # Mirrored where both are positive: differences of Φ are exact in the lower tail only.
    mirror = upper + lower > 0
    upper, lower = np.where(mirror, -lower, upper), np.where(mirror, -upper, lower)
    log_upper = log_ndtr(upper)
    return log_upper + np.log1p(-np.exp(log_ndtr(lower) - log_upper)) - np.log(high - low)
