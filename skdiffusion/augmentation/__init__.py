"""Synthetic rows for training: variations of real rows, and which rows to vary.

How rare a numeric target is can be asked by anyone; the rest serves the estimators.
"""

from skdiffusion.augmentation.relevance import boxplot_relevance, density_relevance

__all__ = ["boxplot_relevance", "density_relevance"]
