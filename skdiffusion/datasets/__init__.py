"""Toy data whose density or manifold is known, in the manner of `sklearn.datasets`.

Each ``make_<name>`` draws independent rows, and ``<name>_log_density`` is the exact log-density of
the law that they come from, at any rows: what a density estimate has to reach and cannot pass on
average. Both take the same parameters.

A `Manifold` draws rows on a surface, and answers for any rows what a method that learns the surface
can only estimate: the nearest points and the distance, tangent spaces, the dimension, the lengths
of shortest paths, and the density by area.
"""

from skdiffusion.datasets._embedded import CurvedSheet, Embedded
from skdiffusion.datasets._manifold_base import Manifold
from skdiffusion.datasets._manifolds import Cube, SCurve, Sphere, SwissRoll, Torus
from skdiffusion.datasets._mixtures import (
    gaussian_mixture_log_density,
    gaussian_mixture_score,
    make_gaussian_mixture,
)
from skdiffusion.datasets._toys import (
    checkerboard_log_density,
    eight_gaussians_log_density,
    make_checkerboard,
    make_eight_gaussians,
    make_pinwheel,
    make_two_spirals,
    pinwheel_log_density,
    two_spirals_log_density,
)
from skdiffusion.datasets._unions import Moons, RareModes, Union

__all__ = [
    "make_checkerboard",
    "checkerboard_log_density",
    "make_eight_gaussians",
    "eight_gaussians_log_density",
    "make_pinwheel",
    "pinwheel_log_density",
    "make_two_spirals",
    "two_spirals_log_density",
    "make_gaussian_mixture",
    "gaussian_mixture_log_density",
    "gaussian_mixture_score",
    "Manifold",
    "SwissRoll",
    "SCurve",
    "Sphere",
    "Torus",
    "Cube",
    "CurvedSheet",
    "Moons",
    "RareModes",
    "Union",
    "Embedded",
]
