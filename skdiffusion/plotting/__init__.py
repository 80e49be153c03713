"""Pictures of synthetic tables, densities and anomalies, as displays in the manner of scikit-learn.

A display is made by one of its class methods, keeps what it shows, and draws it with ``plot``, as
often as wanted and into axes of your own. It calls methods by name and accepts arrays and frames,
so it also draws what other libraries sampled and scored. ``skdiffusion[plot]`` has what it needs.
"""

from ._contributions import FeatureContributionDisplay
from ._dependence import DependenceDisplay
from ._row_pictures import RowDisplay
from ._samples import ManifoldDisplay, SyntheticComparisonDisplay
from ._scores import AnomalyScoreDisplay, LogDensityDisplay
from ._trajectory import TrajectoryDisplay

__all__ = [
    "SyntheticComparisonDisplay",
    "LogDensityDisplay",
    "AnomalyScoreDisplay",
    "FeatureContributionDisplay",
    "DependenceDisplay",
    "RowDisplay",
    "ManifoldDisplay",
    "TrajectoryDisplay",
]
