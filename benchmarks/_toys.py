r"""Toy data on the plane that are hard for a smooth density, with exact log-densities.

Scales are those of the usual code, so that log-likelihoods compare with published ones:

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

import numpy as np
from scipy.special import log_ndtr, logsumexp, roots_legendre
from sklearn.utils import check_random_state, gen_batches

RING = 4 / math.sqrt(2)
RING_NOISE = 0.5 / math.sqrt(2)

TURNS = 1.5 * 2 * math.pi
SPIRAL_JITTER = 0.5 / 3

SQUARE = 2.0
SQUARES = np.array([(i, j) for i in range(-2, 2) for j in range(-2, 2) if (i + j) % 2 == 0])

N_ARMS = 5
ARM_CENTRE, ARM_LENGTH = 2.0, 0.6

# An arm is 15 long: so many nodes, divided by the noise, keep the spacing below two thirds of it.
_NODES_TIMES_NOISE = 50
_ROWS_AT_ONCE = 500


def make_eight_gaussians(n_samples=100, *, noise=RING_NOISE, random_state=None):
    """Draw rows from eight round Gaussians on a circle of radius 4 / sqrt(2)."""
    rng = check_random_state(random_state)
    centres = ring_centres()[rng.randint(8, size=n_samples)]
    return centres + noise * rng.standard_normal((n_samples, 2))


def make_two_spirals(n_samples=100, *, noise=0.1, random_state=None):
    """Draw rows from two interleaved spirals, each of one and a half turns."""
    rng = check_random_state(random_state)
    rows = spiral(TURNS * np.sqrt(rng.uniform(size=n_samples)))
    rows += rng.uniform(0, SPIRAL_JITTER, size=(n_samples, 2))
    rows *= rng.choice([-1, 1], size=(n_samples, 1))
    return rows + noise * rng.standard_normal((n_samples, 2))


def make_checkerboard(n_samples=100, *, noise=0.0, random_state=None):
    """Draw rows from the dark squares of a board of four by four, of width 2 each."""
    rng = check_random_state(random_state)
    corners = SQUARES[rng.randint(len(SQUARES), size=n_samples)]
    rows = SQUARE * (corners + rng.uniform(size=(n_samples, 2)))
    return rows + noise * rng.standard_normal((n_samples, 2))


def ring_centres():
    """Centres of the eight Gaussians."""
    angles = np.arange(8) * math.pi / 4
    return RING * np.column_stack([np.cos(angles), np.sin(angles)])


def spiral(angles):
    """Points of the first arm."""
    return np.column_stack([-np.cos(angles), np.sin(angles)]) * angles[:, None] / 3


def eight_gaussians_log_density(X, *, noise=RING_NOISE):
    """Return the exact log-density of `make_eight_gaussians` at rows."""
    squares = ((X[:, None] - ring_centres()) ** 2).sum(axis=2) / noise**2
    return logsumexp(-squares / 2, axis=1) - math.log(8 * 2 * math.pi * noise**2)


def two_spirals_log_density(X, *, noise=0.1):
    """Return the log-density of `make_two_spirals` at rows, by quadrature along the arms."""
    if noise < 0.03:
        raise ValueError(f"noise={noise} is too small for the quadrature: give at least 0.03.")
    angles, log_weights = _spiral_nodes(math.ceil(_NODES_TIMES_NOISE / min(noise, 1)))
    arm = spiral(angles)
    log_density = np.empty(len(X))
    for batch in gen_batches(len(X), _ROWS_AT_ONCE):
        terms = [
            _log_uniform_plus_normal(sign * X[batch, None] - arm, 0, SPIRAL_JITTER, noise)
            for sign in (-1, 1)
        ]
        log_density[batch] = logsumexp(np.sum(terms, axis=3) + log_weights, axis=(0, 2))
    return log_density - math.log(2)


def make_pinwheel(n_samples=100, *, noise=0.2, random_state=None):
    """Draw rows from a pinwheel of five bent arms.

    Rows are turned by their distance from the origin, which keeps areas; the usual code takes the
    coordinate along the arm, which is all but the same.
    """
    rng = check_random_state(random_state)
    straight = rng.standard_normal((n_samples, 2)) * [ARM_LENGTH, noise] + [ARM_CENTRE, 0]
    return turn(straight, -arm_angles(straight, rng.randint(N_ARMS, size=n_samples)))


def pinwheel_log_density(X, *, noise=0.2):
    """Return the exact log-density of `make_pinwheel` at rows."""
    terms = []
    for arm in range(N_ARMS):
        straight = turn(X, arm_angles(X, arm))
        z = (straight - [ARM_CENTRE, 0]) / [ARM_LENGTH, noise]
        terms.append(-(z**2).sum(axis=1) / 2)
    return logsumexp(terms, axis=0) - math.log(N_ARMS * 2 * math.pi * ARM_LENGTH * noise)


def checkerboard_log_density(X, *, noise=0.0):
    """Return the exact log-density of `make_checkerboard` at rows."""
    low = SQUARE * SQUARES
    terms = _log_uniform_plus_normal(X[:, None], low, low + SQUARE, noise)
    return logsumexp(terms.sum(axis=2), axis=1) - math.log(len(SQUARES))


@lru_cache(maxsize=4)
def _spiral_nodes(n_nodes):
    """Gauss-Legendre angles, and the logarithms of weight times density of the angle."""
    nodes, weights = roots_legendre(n_nodes)
    share = (nodes + 1) / 2
    return TURNS * share, np.log(weights * share)


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


def arm_angles(rows, arm):
    """Angles by which rows at their distance from the origin are turned, arm by arm."""
    # Bounded, as the angle of a row very far away would overflow to nan.
    radius = np.minimum(np.linalg.norm(rows, axis=1), 1000)
    return 2 * math.pi * arm / N_ARMS + np.exp(radius / 2) / 4


def turn(rows, angles):
    """Turn each row anticlockwise by its angle."""
    x, y = rows.T
    cos, sin = np.cos(angles), np.sin(angles)
    return np.column_stack([cos * x - sin * y, sin * x + cos * y])
