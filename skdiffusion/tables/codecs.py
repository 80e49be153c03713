r"""Codecs of single columns: constant, standard, simplex, and spike.

A codec is fitted by its constructor and offers, row by row, what `TableEncoder` does for tables:

- ``encode(x) -> (n, n_encoded)`` and ``decode(z) -> (n,)``;
- ``dequantize(z, rng) -> (n, n_encoded)`` and ``log_volume(x, sigma) -> (n,)``.

Where numbers are a linear function of the encoded value, ``line`` has its slope and its value at
zero. Numeric codecs work on float values, the simplex on the positions of the categories.
"""

import numpy as np
from scipy.fft import dct

from skdiffusion._utils.gross import far_out

# Half width of a unit cell, short of the edge by more than the rounding of a round trip
INNER = 0.5 - 1e-7

# Scaled number whose square over that of the narrowest kernel is one still
FARTHEST = 1e140

# Largest factor by which uneven frequencies may raise the squared size of a simplex
MAX_STRETCH = 25.0


class ConstantCodec:
    """A column of one value: no encoded features."""

    name = "constant"
    n_encoded = 0

    def __init__(self, value):
        self.value = value
        self.line = 0.0, value

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
    n_encoded = 1

    def __init__(self, values, counts, lattice, scale=None):
        self.lattice = lattice
        # which a code for missing would set else
        kept = ~far_out(values, counts)
        share = counts[kept] / counts[kept].sum()
        first = values[kept][0]
        offsets = values[kept] - first
        mean = share @ offsets
        self.mean = first + mean
        self.scale = np.sqrt(share @ (offsets - mean) ** 2) if scale is None else scale
        # beyond what fit has seen, so far that squares stay in floating point
        self.limit = max(FARTHEST, np.abs((values - self.mean) / self.scale).max())
        self.line = self.scale, self.mean

    def encode(self, x):
        return np.clip((x - self.mean) / self.scale, -self.limit, self.limit)[:, None]

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
        return np.full(len(x), np.log(cell) - np.log(self.scale))


class SimplexCodec:
    """Categories as the vertices of a regular simplex, centred on their mean."""

    name = "simplex"

    def __init__(self, counts):
        n_categories, share = len(counts), counts / counts.sum()
        even = 1 - 1 / n_categories
        stretch = min(even / (1 - share @ share), MAX_STRETCH)
        self.n_encoded = n_categories - 1
        self.scale = np.sqrt(n_categories * stretch)
        self.basis = dct(np.eye(n_categories), axis=1, norm="ortho")[:, 1:]
        self.mean = share @ self.basis
        self.vertices = self.scale * (self.basis - self.mean)

    def encode(self, x):
        return self.vertices[x]

    def decode(self, z):
        # The uncentred vertices have equal norms: the nearest one has the largest product.
        return np.argmax((z / self.scale + self.mean) @ self.basis.T, axis=1)

    def dequantize(self, z, rng):
        return z

    def log_volume(self, x, sigma):
        return np.full(len(x), self.n_encoded / 2 * np.log(2 * np.pi * sigma**2))


class SpikeCodec:
    """A column with a spike: whether a cell is that value, and if not, which number."""

    name = "spike"
    n_encoded = 2

    def __init__(self, spike, count, rest, others, counts):
        self.spike = spike
        self.rest = rest
        self.bounds = others[0], others[-1]
        self.flag = SimplexCodec(np.array([counts.sum(), count]))
        self.vertices = self.flag.vertices
        # what the rest could be behind a spike is what it is elsewhere
        self.fillers, self.shares = rest.encode(others)[:, 0], counts / counts.sum()
        self.filler = rest.decode(np.zeros((1, 1)))

    def encode(self, x):
        on = x == self.spike
        number = self.rest.encode(np.where(on, self.filler, x))
        number[on] = 0.0
        return np.concatenate([self.flag.encode(on.astype(np.intp)), number], axis=1)

    def decode(self, z):
        return np.where(self.is_spike(z), self.spike, self.rest.decode(z[:, 1:]))

    def dequantize(self, z, rng):
        on = self.is_spike(z)
        fillers = rng.choice(self.fillers, len(z), p=self.shares)
        number = np.where(on[:, None], fillers[:, None], z[:, 1:])
        return np.concatenate([z[:, :1], self.rest.dequantize(number, rng)], axis=1)

    def log_volume(self, x, sigma):
        on = x == self.spike
        number = self.rest.log_volume(np.where(on, self.filler, x), sigma)
        return self.flag.log_volume(x, sigma) + np.where(on, 0.0, number)

    def is_spike(self, z):
        """Return which encoded rows decode to the spike."""
        return self.flag.decode(z[:, :1]) == 1
