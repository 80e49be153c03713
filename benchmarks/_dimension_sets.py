"""Manifolds of known dimension, clean and with noise, for `benchmarks.dimension`.

Each maker takes a number of rows and a RandomState, and returns rows in its own columns. `draw`
turns them into the wanted number of columns by a random rotation and scales them to a root mean
square distance of one from their mean, so that a noise level means the same for all.

`SETS` are those of the table. `TUNING` are others, on which the constants of
`skdiffusion.geometry.intrinsic_dimension` were chosen, with other seeds.

Several are those of Campadelli, P. et al. (2015), Intrinsic dimension estimation: relevant
techniques and a benchmark framework, Mathematical Problems in Engineering, and of Hein, M.,
Audibert, J.-Y. (2005), Intrinsic dimensionality estimation of submanifolds in R^d, ICML.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["PIECES", "SETS", "TUNING", "Manifold", "draw", "draw_union"]

NOISE = 0.02  # in units of the root mean square radius
PIECES = (1, 2, 5)


class Manifold(NamedTuple):
    """A manifold, its dimension, and the number of columns it is turned into."""

    make: Callable
    dimension: int
    columns: int


def sphere(d):
    """Uniform on the unit sphere of dimension `d`."""

    def make(n, rng):
        X = rng.normal(size=(n, d + 1))
        return X / np.linalg.norm(X, axis=1, keepdims=True)

    return make


def cube(d):
    """Uniform in the unit cube."""
    return lambda n, rng: rng.uniform(size=(n, d))


def cube_surface(d):
    """Uniform on the faces of a cube, of dimension `d`."""

    def make(n, rng):
        X = rng.uniform(size=(n, d + 1))
        X[np.arange(n), rng.randint(d + 1, size=n)] = rng.randint(2, size=n)
        return X

    return make


def gaussian(d):
    """Standard normal."""
    return lambda n, rng: rng.normal(size=(n, d))


def affine(n, rng):
    """A box of three dimensions in five columns, skewed."""
    slopes = np.array(
        [[1.2, 0.5, -0.5, 0.4, 1.1], [-0.5, 0.9, -0.2, -0.9, -0.3], [0, 0, 1, -0.1, 0]]
    )
    return 4 * rng.uniform(size=(n, 3)) @ slopes


def swiss_roll(n, rng):
    """A rolled sheet."""
    t = 1.5 * np.pi * (1 + 2 * rng.uniform(size=n))
    return np.column_stack([t * np.cos(t), 21 * rng.uniform(size=n), t * np.sin(t)])


def s_curve(n, rng):
    """A sheet bent to an S."""
    t = 3 * np.pi * (rng.uniform(size=n) - 0.5)
    return np.column_stack([np.sin(t), 2 * rng.uniform(size=n), np.sign(t) * (np.cos(t) - 1)])


def helix(n, rng):
    """A closed curve that winds eight times about a torus."""
    t = 2 * np.pi * rng.uniform(size=n)
    radius = 2 + np.cos(8 * t)
    return np.column_stack([radius * np.cos(t), radius * np.sin(t), np.sin(8 * t)])


def spiral(n, rng):
    """A flat helix of five turns."""
    t = 10 * np.pi * rng.uniform(size=n)
    return np.column_stack([10 * np.cos(t), 10 * np.sin(t), t])


def moebius(n, rng):
    """A band twisted ten times by half a turn."""
    t, width = 2 * np.pi * rng.uniform(size=n), 2 * rng.uniform(size=n) - 1
    radius = 1 + 0.5 * width * np.cos(5 * t)
    return np.column_stack([radius * np.cos(t), radius * np.sin(t), 0.5 * width * np.sin(5 * t)])


def torus(n, rng):
    """A torus, uniform in its angles."""
    u, v = 2 * np.pi * rng.uniform(size=(2, n))
    radius = 1 + 0.4 * np.cos(v)
    return np.column_stack([radius * np.cos(u), radius * np.sin(u), 0.4 * np.sin(v)])


def crossed_circles(d):
    """Circles whose radius is the next parameter, in ``2 d`` columns; strongly curved."""

    def make(n, rng):
        p = rng.uniform(size=(n, d))
        radius = np.roll(p, -1, axis=1)
        return np.hstack([radius * np.cos(2 * np.pi * p), radius * np.sin(2 * np.pi * p)])

    return make


def paraboloid(d):
    """A paraboloid over a multivariate Burr distribution, in ``3 (d + 1)`` columns."""

    def make(n, rng):
        E = rng.exponential(size=(n, d + 1))
        X = 1 / (1 + E[:, 1:] / E[:, :1])
        X = np.column_stack([X, (X**2).sum(1)])
        return np.hstack([X, np.sin(X), X**2])

    return make


def waves(d, columns, frequency, seed):
    """Sines of random projections of the parameters."""
    fixed = np.random.RandomState(seed)
    slopes = frequency * fixed.normal(size=(d, columns))
    phases = 2 * np.pi * fixed.uniform(size=columns)
    return lambda n, rng: np.sin(rng.uniform(-1, 1, size=(n, d)) @ slopes + phases)


def tangled(n, rng):
    """Four parameters in six columns, easily taken for three."""
    a, b, c, d = rng.uniform(size=(4, n))
    return np.column_stack(
        [
            b**2 * np.cos(2 * np.pi * a),
            c**2 * np.sin(2 * np.pi * a),
            b + c + (b - d) ** 2,
            b - 2 * c + (a - d) ** 2,
            -b - 2 * c + (c - d) ** 2,
            a**2 - b**2 + c**2 - d**2,
        ]
    )


SETS = {
    "helix": Manifold(helix, 1, 3),
    "Moebius band": Manifold(moebius, 2, 3),
    "swiss roll": Manifold(swiss_roll, 2, 3),
    "swiss roll in 50": Manifold(swiss_roll, 2, 50),
    "sphere 2 in 20": Manifold(sphere(2), 2, 20),
    "affine 3 in 5": Manifold(affine, 3, 5),
    "paraboloid 3 in 12": Manifold(paraboloid(3), 3, 12),
    "crossed circles 4 in 8": Manifold(crossed_circles(4), 4, 8),
    "sphere 10 in 11": Manifold(sphere(10), 10, 11),
    "cube faces 17 in 18": Manifold(cube_surface(17), 17, 18),
    "cube 20 in 50": Manifold(cube(20), 20, 50),
}
TUNING = {
    "spiral 1 in 13": Manifold(spiral, 1, 13),
    "S-curve": Manifold(s_curve, 2, 3),
    "S-curve in 30": Manifold(s_curve, 2, 30),
    "torus in 10": Manifold(torus, 2, 10),
    "waves 2 in 50": Manifold(waves(2, 50, 2.0, 5), 2, 50),
    "waves 3 in 15": Manifold(waves(3, 15, 1.0, 6), 3, 15),
    "tangled 4 in 6": Manifold(tangled, 4, 6),
    "sphere 4 in 12": Manifold(sphere(4), 4, 12),
    "crossed circles 6 in 36": Manifold(crossed_circles(6), 6, 36),
    "paraboloid 6 in 21": Manifold(paraboloid(6), 6, 21),
    "sphere 7 in 8": Manifold(sphere(7), 7, 8),
    "Gaussian 10 in 10": Manifold(gaussian(10), 10, 10),
    "cube faces 12 in 20": Manifold(cube_surface(12), 12, 20),
    "Gaussian 15 in 40": Manifold(gaussian(15), 15, 40),
}


def draw(manifold, n_rows, noise, seed):
    """Draw rows of a manifold, turned, scaled to a unit radius and noised."""
    rng = np.random.RandomState(seed)
    X = manifold.make(n_rows, rng)
    X = (X - X.mean(0)) / np.sqrt(X.var(0).sum())
    if manifold.columns != X.shape[1]:
        X = X @ frame(manifold.columns, X.shape[1], rng)
    return X + noise * rng.normal(size=X.shape)


def frame(columns, dimension, rng):
    """Return orthonormal rows, uniform over all of them."""
    if dimension > columns:
        raise ValueError(f"{dimension} own columns do not fit into {columns}.")
    return np.linalg.qr(rng.normal(size=(columns, dimension)))[0].T


def draw_union(n_rows, noise, seed, columns=10):
    """Draw flat pieces of dimension 1, 2 and 5 that do not meet, and the dimension of each row."""
    rng = np.random.RandomState(seed)
    truth = np.repeat(PIECES, -(-n_rows // len(PIECES)))[:n_rows]
    X = np.zeros((n_rows, columns))
    for i, d in enumerate(PIECES):
        rows = truth == d
        X[rows] = rng.uniform(-1, 1, size=(rows.sum(), d)) @ frame(columns, d, rng)
        X[rows, i] += 4 * i
    return X + noise * rng.normal(size=X.shape), truth
