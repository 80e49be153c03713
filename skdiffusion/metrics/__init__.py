"""Judge generated rows: two-sample distances, fidelity, coverage and privacy.

All take the tables that the samplers take and draw. `shape_error`, `trend_error` and `exact_copies`
expect original units, `structural_similarity` pixels. The others compare points: arrays of numbers
without gaps as they are, all else in the coordinates of a `GowerScaler` of the first table.

Copies of training rows are nearly perfect by `wasserstein`: read distances beside `dcr_ratio`.
"""

from skdiffusion.metrics.features import frechet_distance, structural_similarity, vendi_score
from skdiffusion.metrics.fidelity import exact_copies, shape_error, trend_error
from skdiffusion.metrics.report import FidelityReport, fidelity_report
from skdiffusion.metrics.scaling import GowerScaler
from skdiffusion.metrics.search_scores import sample_score
from skdiffusion.metrics.two_sample import c2st, coverage_density, dcr_ratio, wasserstein

__all__ = [
    "FidelityReport",
    "GowerScaler",
    "c2st",
    "coverage_density",
    "dcr_ratio",
    "exact_copies",
    "fidelity_report",
    "frechet_distance",
    "sample_score",
    "shape_error",
    "structural_similarity",
    "trend_error",
    "vendi_score",
    "wasserstein",
]
