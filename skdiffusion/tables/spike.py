"""A column of numbers of which one value is a spike: is it that value, and if not, which number."""

import numpy as np

from skdiffusion.tables.columns import SimplexCodec

__all__ = ["SpikeCodec", "find_spike"]

SHARE = 0.1
"""Share of the rows from which on a value can be a spike."""

PROMINENCE = 3.0
"""How many times as often as any other value a spike occurs."""

MIN_REST = 10
"""Fewest rows beside the spike that a law of their numbers can be learned from."""

MAX_FILLERS = 1000


def find_spike(values, counts):
    """Find the value that stands out of the others."""
    if len(values) < 3:
        return None
    first = int(np.argmax(counts))
    rest = np.delete(counts, first)
    prominent = counts[first] >= max(SHARE * counts.sum(), PROMINENCE * rest.max())
    return first if prominent and rest.sum() >= MIN_REST else None


class SpikeCodec:
    """Two codes: whether a number is the spike, and the code of the number that it else is."""

    name = "spike"
    n_codes = 2

    def __init__(self, spike, counts, rest, others):
        self.spike = spike
        self.rest = rest
        self.flag = SimplexCodec(np.asarray(counts))
        self.vertices = self.flag.vertices
        codes = np.sort(rest.encode(others)[:, 0])
        # what the rest could be behind a spike, an even choice of what it is elsewhere
        n_fillers = min(len(codes), MAX_FILLERS)
        self.fillers = codes[np.linspace(0, len(codes) - 1, n_fillers).round().astype(int)]

    def encode(self, x):
        on = x == self.spike
        number = self.rest.encode(np.where(on, self.rest.decode(np.zeros((1, 1))), x))
        number[on] = 0.0
        return np.concatenate([self.flag.encode(on.astype(np.intp)), number], axis=1)

    def decode(self, z):
        return np.where(self.is_spike(z), self.spike, self.rest.decode(z[:, 1:]))

    def dequantize(self, z, rng):
        on = self.is_spike(z)
        fillers = rng.choice(self.fillers, len(z))
        number = np.where(on[:, None], fillers[:, None], z[:, 1:])
        return np.concatenate([z[:, :1], self.rest.dequantize(number, rng)], axis=1)

    def log_volume(self, x, sigma):
        on = x == self.spike
        flag = self.flag.log_volume(x, sigma)
        number = self.rest.log_volume(np.where(on, self.rest.decode(np.zeros((1, 1))), x), sigma)
        return flag + np.where(on, 0.0, number)

    def is_spike(self, z):
        """Which rows of codes are decoded to the spike."""
        return self.flag.decode(z[:, :1]) == 1

    def void(self, z):
        """Which codes say nothing: those of the rest behind a spike."""
        return np.stack([np.zeros(len(z), dtype=bool), self.is_spike(z)], axis=1)
