"""Mixed tables as real vectors and back, relations between their columns, and measurements."""

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
from skdiffusion.tables.linear_measurement import LinearMeasurement

__all__ = [
    "Constraint",
    "FixedCombinations",
    "FixedIncrement",
    "FunctionalDependency",
    "Inequality",
    "LinearEquation",
    "LinearMeasurement",
    "OneHot",
    "Recoded",
    "discover_constraints",
]
