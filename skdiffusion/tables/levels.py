"""Numbers whose scale depends on a category: each category has a codec of its own."""

from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from skdiffusion.tables.coders import NumberCoder
from skdiffusion.tables.numeric_transforms import fit_numbers
from skdiffusion.tables.reading import NUMERIC
from skdiffusion.tables.relations import Relation, any_gaps
from skdiffusion.tables.vocabulary import find_positions

# rows of a category from which it has a codec of its own
MIN_ROWS = 10
MAX_LEVELS = 50
# Nats by which the ranks of a category's numbers differ from those of all: numbers that lie within
# a seventh of the others' ranks, where a network resolves them badly
NARROW = 2.0
# variance of the ranks of numbers that are all equal
SMALLEST = 1e-4


class LevelCodec:
    """A codec for each category, whose features are behind that of the number."""

    name = "by category"
    n_encoded = 1

    def __init__(self, codecs, bounds, simplex):
        self.codecs, self.bounds, self.simplex = codecs, bounds, simplex

    def _by_level(self, method, x, levels, *options):
        """Apply a method of the codec of each category to its numbers."""
        made = np.empty(len(x))
        for level in np.unique(levels):
            rows = levels == level
            made[rows] = np.ravel(getattr(self.codecs[level], method)(x[rows], *options))
        return made

    def encode(self, x):
        return self._by_level("encode", x[:, 0], x[:, 1].astype(int))[:, None]

    def decode(self, z):
        levels = self.simplex.decode(z[:, 1:])
        # beyond the numbers of a category are those of another
        low, high = np.array(self.bounds)[levels].T
        return np.clip(self._by_level("decode", z[:, :1], levels), low, high)

    def dequantize(self, z, rng):
        levels = self.simplex.decode(z[:, 1:])
        return self._by_level("dequantize", z[:, :1], levels, rng)[:, None]

    def log_volume(self, x, sigma):
        return self._by_level("log_volume", x[:, 0], x[:, 1].astype(int), sigma)


class ByLevel(Relation):
    """A number that is encoded given a category, whose position its column gets."""

    def __init__(self, number, category, levels):
        self.coded, self.parents, self.levels = (number,), (category,), levels

    def encode(self, columns):
        (number,), (category,) = self.coded, self.parents
        positions = find_positions(columns[category].values, self.levels)
        gaps = any_gaps(columns, self.columns) | (positions < 0)
        return {number: replace(columns[number], gaps=gaps, levels=positions)}


def depends_on(x, levels, weights):
    """Return by how many nats a category tells numbers, 0 where all categories share a scale."""
    _, place = np.unique(x, return_inverse=True)
    shared = np.bincount(place, weights)
    n, counts = shared.sum(), np.bincount(levels, weights)
    # of the middle rank of equal numbers
    z = ndtri((np.cumsum(shared) - shared / 2) / n)[place]
    w = 1.0 if weights is None else weights
    mean = np.bincount(levels, w * z) / np.maximum(counts, 1)
    variance = np.bincount(levels, w * (z - mean[levels]) ** 2) / np.maximum(counts, 1)
    variance = np.maximum(variance, SMALLEST)
    gain = (variance + mean**2 - 1 - np.log(variance)) / 2
    has_rows = counts >= MIN_ROWS
    if not np.any(gain[has_rows] > NARROW):
        return 0.0
    # two numbers for each category, at the price of the Bayesian information criterion
    return float(counts[has_rows] @ gain[has_rows] - has_rows.sum() * np.log(n))


def find_category(j, columns, coders, taken):
    """Return the column of categories that the scale of a column of numbers depends on, or None."""
    there, gains = ~columns[j].gaps, {None: 0.0}
    known = columns[j].take(there)
    if known.kind not in NUMERIC or coders[j].codec.name not in ("standard", "quantile"):
        return None
    for k, coder in enumerate(coders):
        is_apt = coder.codec.name == "simplex" and coder.codec.n_encoded < MAX_LEVELS
        is_apt = is_apt and k not in taken and not len(coder.rare.members)
        if is_apt and not np.any(columns[k].gaps & there):
            levels = find_positions(columns[k].values[there], coder.levels)
            gains[k] = depends_on(known.values, levels, known.weights)
    return max(gains, key=gains.get)


class LevelCoder(NumberCoder):
    """Numbers, each with the position of its category beside it."""

    def __init__(self, column, category, whole, clip):
        vars(self).update(vars(whole))
        codecs, bounds = [], []
        for level in range(len(category.levels)):
            part = column.take(~column.gaps & (column.levels == level))
            x, codec, ends = whole.numbers(part)[0], whole.codec, whole.extent
            # those of few rows share the codec of all
            if len(x) >= MIN_ROWS and len(np.unique(x)) > 1:
                codec, ends = fit_numbers(x, part, whole.resolution, "no spike")
            elif len(x):
                ends = x.min(), x.max()
            codecs.append(codec)
            bounds.append(ends if clip else whole.extent)
        self.codec = LevelCodec(codecs, bounds, category.codec)

    def numbers(self, column):
        x, gaps = super().numbers(column)
        return np.column_stack([x, column.levels[~gaps]]), gaps
