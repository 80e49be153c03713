"""Invertible coding of mixed tables, and of their target, as real vectors."""

from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.target import TargetEncoder

__all__ = ["TableEncoder", "TargetEncoder"]
