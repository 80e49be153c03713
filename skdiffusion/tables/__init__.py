"""Mixed tables as real vectors and back, and relations between their columns."""

from skdiffusion.tables.constraints import (
    Constraint,
    FixedCombinations,
    FixedIncrement,
    FunctionalDependency,
    Inequality,
    LinearEquation,
    OneHot,
    Recoded,
)
from skdiffusion.tables.discovery import discover_constraints

__all__ = [
    "Constraint",
    "FixedCombinations",
    "FixedIncrement",
    "FunctionalDependency",
    "Inequality",
    "LinearEquation",
    "OneHot",
    "Recoded",
    "discover_constraints",
]
