"""Pictures of synthetic tables, densities and anomalies, as displays in the manner of scikit-learn.

A display is made by one of its class methods, keeps what it shows, and draws it with ``plot``, as
often as wanted and into axes of your own. Displays call methods by name and accept arrays and
frames, so they also draw what other libraries sampled and scored. They need matplotlib, which comes
with ``skdiffusion[plot]``.
"""

from ._samples import ManifoldDisplay, SyntheticComparisonDisplay
from ._scores import AnomalyScoreDisplay, FeatureContributionDisplay, LogDensityDisplay
from ._trajectory import TrajectoryDisplay

__all__ = [
    "SyntheticComparisonDisplay",
    "LogDensityDisplay",
    "AnomalyScoreDisplay",
    "FeatureContributionDisplay",
    "ManifoldDisplay",
    "TrajectoryDisplay",
]
