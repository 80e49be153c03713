r"""Codecs of single columns: constant, standard, and the simplex of levels.

A codec is fitted by its constructor and offers four methods, row by row:

- ``encode(x) -> (n, n_codes)`` and ``decode(z) -> (n,)``, inverse to each other on the values
  seen in training;
- ``dequantize(z, rng) -> (n, n_codes)``, which spreads each discrete value, unless it is a point,
  over the cell of codes that decode to it;
- ``log_volume(x, sigma) -> (n,)``, the term that turns the log-density of the code into the
  log-probability (or log-density) of the value.

Numeric codecs work on float values, the simplex on the positions of the levels.
"""

import numpy as np
from scipy.fft import dct

INNER = 0.5 - 1e-7
"""Half width of a unit cell, short of the edge by more than the rounding of a round trip."""

MAX_STRETCH = 25.0
"""Largest factor by which uneven level frequencies may raise the squared size of a simplex."""


class ConstantCodec:
    """A column of one value: no codes."""

    name = "constant"
    n_codes = 0

    def __init__(self, value):
        self.value = value

    def encode(self, x):
        return np.empty((len(x), 0))

    def decode(self, z):
        return np.full(len(z), self.value)

    def dequantize(self, z, rng):
        return z

    def log_volume(self, x, sigma):
        return np.zeros(len(x))


class StandardCodec:
    """Centre and scale; snap to the lattice on the way back."""

    name = "standard"
    n_codes = 1

    def __init__(self, values, counts, lattice, scale=None):
        self.lattice = lattice
        self.log_unit = 0.0
        share = counts / counts.sum()
        # Work in units of the range: squares of very large or small numbers leave the doubles.
        centre = values[0] / 2 + values[-1] / 2
        half = values[-1] / 2 - values[0] / 2
        unit = (values - centre) / half
        mean = share @ unit
        self.mean = centre + half * mean
        self.scale = half * np.sqrt(share @ (unit - mean) ** 2) if scale is None else scale

    def encode(self, x):
        return ((x - self.mean) / self.scale)[:, None]

    def decode(self, z):
        x = self.mean + self.scale * z[:, 0]
        return x if self.lattice is None else self.lattice.snap(x)

    def dequantize(self, z, rng):
        if self.lattice is None:
            return z
        shift = rng.uniform(-INNER, INNER, size=len(z)) * self.lattice.step
        return self.encode(self.decode(z) + shift)

    def log_volume(self, x, sigma):
        counted = self.lattice is not None and self.lattice.integral
        cell = self.lattice.step if counted else 1.0
        return np.full(len(x), np.log(cell) - np.log(self.scale) + self.log_unit)


class ScaledCodec:
    """A continuous column near the ends of the floating-point range, in a unit of its own."""

    n_codes = 1
    lattice = None

    def __init__(self, codec, values, counts, exponent):
        self.name, self.exponent = codec.name, exponent
        self.codec = codec(np.ldexp(values, -exponent), counts, None)
        # the volume of a density counts in units of the column
        self.codec.log_unit -= exponent * np.log(2)

    def encode(self, x):
        return self.codec.encode(np.ldexp(x, -self.exponent))

    def decode(self, z):
        return np.ldexp(self.codec.decode(z), self.exponent)

    def dequantize(self, z, rng):
        return self.codec.dequantize(z, rng)

    def log_volume(self, x, sigma):
        return self.codec.log_volume(np.ldexp(x, -self.exponent), sigma)


class SimplexCodec:
    """Levels as the vertices of a regular simplex, centred on the mean level."""

    name = "simplex"

    def __init__(self, counts):
        n_levels = len(counts)
        share = counts / counts.sum()
        basis = dct(np.eye(n_levels), axis=1, norm="ortho")[:, 1:]
        even = 1 - 1 / n_levels
        stretch = min(even / (1 - share @ share), MAX_STRETCH)
        self.n_codes = n_levels - 1
        self.scale = np.sqrt(n_levels * stretch)
        self.basis = basis
        self.mean = share @ basis
        self.vertices = self.scale * (basis - self.mean)

    def encode(self, x):
        return self.vertices[x]

    def decode(self, z):
        # The uncentred vertices have equal norms: the nearest one has the largest product.
        return np.argmax((z / self.scale + self.mean) @ self.basis.T, axis=1)

    def dequantize(self, z, rng):
        return z

    def log_volume(self, x, sigma):
        return np.full(len(x), self.n_codes / 2 * np.log(2 * np.pi * sigma**2))
