"""Judge generated rows: two-sample distances, fidelity, coverage and privacy.

All functions take plain numeric arrays. Point-cloud metrics (`wasserstein`, `sliced_wasserstein`,
`c2st`, `coverage_density`, `dcr_ratio`) compare rows as points and expect the coordinates of a
`GowerScaler`, so that every column of the table weighs the same. Column metrics
(`shape_error`, `trend_error`) and `exact_copies` expect rows in original units. `fidelity_report`
does the coding and computes all of them.

No single number settles the matter: copies of the training rows are nearly perfect by
`wasserstein`, so read every distance beside `dcr_ratio`.
"""

from skdiffusion.metrics.fidelity import coverage_density, shape_error, trend_error
from skdiffusion.metrics.forecast import crps
from skdiffusion.metrics.privacy import dcr_ratio, exact_copies
from skdiffusion.metrics.report import fidelity_report
from skdiffusion.metrics.scaling import GowerScaler
from skdiffusion.metrics.two_sample import c2st, sliced_wasserstein, wasserstein

__all__ = [
    "GowerScaler",
    "c2st",
    "coverage_density",
    "crps",
    "dcr_ratio",
    "exact_copies",
    "fidelity_report",
    "shape_error",
    "sliced_wasserstein",
    "trend_error",
    "wasserstein",
]
