"""Synthetic rows for training: which rows to start from, and putting tables together."""

from skdiffusion.augmentation.relevance import boxplot_relevance, density_relevance

__all__ = ["boxplot_relevance", "density_relevance"]
