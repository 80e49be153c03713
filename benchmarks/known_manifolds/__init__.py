"""Manifolds that are known exactly: the truth against which tests and benchmarks judge.

A `Manifold` draws rows on a surface, and answers for any rows what a method that learns the surface
can only estimate: the nearest points and the distance, tangent spaces, the dimension, the lengths
of shortest paths, and the density by area.
"""

from benchmarks.known_manifolds.base import Manifold
from benchmarks.known_manifolds.embedded import CurvedSheet, Embedded
from benchmarks.known_manifolds.pieces import Moons, RareModes, Union
from benchmarks.known_manifolds.surfaces import Cube, SCurve, Sphere, SwissRoll, Torus

__all__ = [
    "Manifold",
    "SwissRoll",
    "SCurve",
    "Sphere",
    "Torus",
    "Cube",
    "CurvedSheet",
    "Moons",
    "RareModes",
    "Union",
    "Embedded",
]
