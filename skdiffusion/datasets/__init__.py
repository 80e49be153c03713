"""Toy data with exact densities, in the manner of `sklearn.datasets`.

Each ``make_<name>`` draws independent rows, and ``<name>_log_density`` is the exact log-density of
their distribution, at any rows: what a density estimate has to reach and cannot pass on average.
Both take the same parameters.
"""

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

__all__ = [
    "make_checkerboard",
    "checkerboard_log_density",
    "make_eight_gaussians",
    "eight_gaussians_log_density",
    "make_pinwheel",
    "pinwheel_log_density",
    "make_two_spirals",
    "two_spirals_log_density",
]
