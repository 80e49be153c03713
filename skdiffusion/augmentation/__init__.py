"""Synthetic rows for training: variations of real rows, and which rows to vary.

How rare a numeric target is can be asked by anyone; the rest serves the estimators.
"""

from skdiffusion.augmentation.relevance import boxplot_relevance, density_relevance
from skdiffusion.augmentation.rows import jitter as jitter
from skdiffusion.augmentation.rows import stack as stack
from skdiffusion.augmentation.vary import fit_sampler as fit_sampler
from skdiffusion.augmentation.vary import synthesize as synthesize
from skdiffusion.augmentation.vary import vary as vary

__all__ = ["boxplot_relevance", "density_relevance"]
