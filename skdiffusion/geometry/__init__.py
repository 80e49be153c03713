"""Geometry of data sets, as pure functions on NumPy arrays."""

from skdiffusion.geometry.intrinsic import intrinsic_dimension, noise_level

__all__ = ["intrinsic_dimension", "noise_level"]
