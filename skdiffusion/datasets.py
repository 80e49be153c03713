"""Toy data on the plane that are hard for a smooth density, in the manner of `sklearn.datasets`.

The sets are common in papers on normalising flows and diffusion models, in the scales of the
usual code.
"""

import math

import numpy as np
from sklearn.utils import check_random_state

from skdiffusion._utils.checks import check_count

__all__ = ["make_checkerboard", "make_eight_gaussians", "make_two_spirals"]

RING = 4 / math.sqrt(2)
RING_NOISE = 0.5 / math.sqrt(2)

TURNS = 1.5 * 2 * math.pi
SPIRAL_JITTER = 0.5 / 3

SQUARE = 2.0
SQUARES = np.array([(i, j) for i in range(-2, 2) for j in range(-2, 2) if (i + j) % 2 == 0])


def make_eight_gaussians(n_samples=100, *, noise=RING_NOISE, random_state=None):
    """Draw rows from eight round Gaussians on a circle of radius 4 / sqrt(2).

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    noise : float, default=0.5 / sqrt(2)
        Standard deviation of each Gaussian.
    random_state : int, RandomState instance or None, default=None
        Source of the rows.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        The rows, independent and in random order.

    Examples
    --------
    >>> from skdiffusion.datasets import make_eight_gaussians
    >>> make_eight_gaussians(5, random_state=0).shape
    (5, 2)
    """
    check_count(n_samples, "n_samples")
    rng = check_random_state(random_state)
    centres = ring_centres()[rng.randint(8, size=n_samples)]
    return centres + noise * rng.standard_normal((n_samples, 2))


def make_two_spirals(n_samples=100, *, noise=0.1, random_state=None):
    """Draw rows from two interleaved spirals, each of one and a half turns.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    noise : float, default=0.1
        Standard deviation of the normal noise, beside a uniform shift of up to 1/6 off the arm.
    random_state : int, RandomState instance or None, default=None
        Source of the rows.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        The rows, independent and in random order.

    Examples
    --------
    >>> from skdiffusion.datasets import make_two_spirals
    >>> make_two_spirals(5, random_state=0).shape
    (5, 2)
    """
    check_count(n_samples, "n_samples")
    rng = check_random_state(random_state)
    rows = spiral(TURNS * np.sqrt(rng.uniform(size=n_samples)))
    rows += rng.uniform(0, SPIRAL_JITTER, size=(n_samples, 2))
    rows *= rng.choice([-1, 1], size=(n_samples, 1))
    return rows + noise * rng.standard_normal((n_samples, 2))


def make_checkerboard(n_samples=100, *, noise=0.0, random_state=None):
    """Draw rows from the dark squares of a board of four by four, of width 2 each.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    noise : float, default=0.0
        Standard deviation of noise on both columns.
    random_state : int, RandomState instance or None, default=None
        Source of the rows.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        The rows, independent and in random order.

    Examples
    --------
    >>> from skdiffusion.datasets import make_checkerboard
    >>> make_checkerboard(5, random_state=0).shape
    (5, 2)
    """
    check_count(n_samples, "n_samples")
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
