r"""The quantile codec: a probability-integral transform that keeps tied values exactly.

The map from score to value is monotone and piecewise linear, between a limited number of knots and
beyond them. A value that many rows share, an *atom*, has the scores of all its ranks. Where scores
are spread, an atom of a narrow interval is, too, and one of a wide one stays a *point*.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from skdiffusion.tables.codecs import INNER

# A value that at least this share of the rows has is an atom
ATOM_SHARE = 0.01

# Where the other values occur at least this often on average, they are all atoms
MULTIPLICITY = 3.0

# Chance that one more row repeats a value from which on the values are all that occurs
REPEATS = 0.5

# An atom whose cell of scores is at least this wide stays a point where scores are spread
POINT_WIDTH = 0.2

ROWS_PER_KNOT = 30
MIN_ROWS_PER_KNOT = 5
MIN_KNOTS = 10
MAX_KNOTS = 1000

# Rows beyond the extra knots of a tail
TAIL_KNOTS = np.array([2.0, 6.0, 18.0])

# Ranks by which a stretch ends short of the atom above it, not to be taken for that
SHY = 1e-7

# Share of the rows beyond the quantile that sets the slope of a tail's continuation
TAIL = 0.05

HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


def repeats(counts, lattice):
    """Whether one more row would repeat a value, by the share of values seen once (Good, 1953)."""
    is_open = lattice is not None and lattice.is_open
    return not is_open and counts[counts <= 1].sum() <= (1 - REPEATS) * counts.sum()


def find_atoms(counts, lattice=None):
    """Return which values many rows share, in place of varying continuously."""
    atoms = counts >= max(ATOM_SHARE * counts.sum(), 2)
    rest = counts[~atoms]
    if rest.sum() >= MULTIPLICITY * len(rest) or repeats(rest, lattice):
        atoms[:] = True
    return atoms


class QuantileCodec:
    """Gaussian scores of the ranks, with atoms."""

    name = "quantile"
    n_encoded = 1

    def __init__(self, values, counts, lattice):
        self.lattice = lattice
        self.n_rows = counts.sum()
        atoms = find_atoms(counts, lattice)
        if lattice is None:
            # A value alone between two atoms spans no stretch to interpolate on.
            before, after = np.r_[True, atoms[:-1]], np.r_[atoms[1:], True]
            atoms = atoms | (before & after)
        ranks = np.r_[0, np.cumsum(counts)]
        # NaN is above all of them, and equal to none
        self.atoms = np.append(values[atoms], np.nan)
        self.atom_ranks = np.stack([ranks[:-1][atoms], ranks[1:][atoms]])
        self.atom_codes = ndtri(self.atom_ranks.mean(axis=0) / self.n_rows)
        # Probability over density, not length: the extreme cells have no end.
        mass = np.diff(self.atom_ranks, axis=0)[0] / self.n_rows
        self.atom_widths = mass * np.exp(self.atom_codes**2 / 2 + HALF_LOG_2PI)
        self.is_point = self.atom_widths >= POINT_WIDTH
        # the measure that a value which is no atom carries in `log_volume`
        is_whole = lattice is not None and lattice.integral
        unit = np.diff(values).min() if atoms.all() else 1.0
        self.log_unit = np.log(lattice.step if is_whole else unit)
        self._set_tails(values, ranks)
        self._set_pieces(values, ranks, atoms)

    def _set_tails(self, values, ranks):
        """Set the slopes dz/dx below the least and above the greatest value."""
        n = self.n_rows
        self.z_end = -ndtri(0.5 / n)
        z_tail = min(-ndtri(TAIL), self.z_end / 2)
        middle = (ranks[1:] + ranks[:-1]) / (2 * n)
        low, high = np.interp([ndtr(-z_tail), ndtr(z_tail)], middle, values)
        span = values[-1] - values[0]
        self.tails = [
            (self.z_end - z_tail) / length if length > 1e-9 * span else 2 * self.z_end / span
            for length in (low - values[0], values[-1] - high)
        ]

    def _knots(self, values, ranks):
        """Return the interpolation knots of one stretch without atoms."""
        if self.lattice is None:
            middle = (ranks[1:] + ranks[:-1]) / 2
            inner = (middle - middle[0]) / (middle[-1] - middle[0])
            known_x, known_rank = values, ranks[0] + inner * (ranks[-1] - ranks[0])
        else:
            half = self.lattice.step / 2
            known_x = np.stack([values - half, values + half], axis=1).ravel()
            known_rank = np.stack([ranks[:-1], ranks[1:]], axis=1).ravel()
        size = ranks[-1] - ranks[0]
        fewest = np.clip(size // MIN_ROWS_PER_KNOT, 1, MIN_KNOTS)
        n_pieces = np.clip(size // ROWS_PER_KNOT, fewest, MAX_KNOTS)
        n_pieces = int(min(n_pieces, len(values) - (self.lattice is None)))
        rank = np.linspace(ranks[0], ranks[-1], n_pieces + 1)
        # extra knots within the first and the last piece
        low = TAIL_KNOTS[size / n_pieces > TAIL_KNOTS]
        first = low if ranks[0] == 0 else []
        last = self.n_rows - low if ranks[-1] == self.n_rows else []
        rank = np.union1d(rank, np.r_[first, last])
        x = np.interp(rank, known_rank, known_x)
        rank[-1] -= SHY
        rank = np.clip(rank, 0.5, self.n_rows - 0.5)
        x[-1] = known_x[-1]
        return x, ndtri(rank / self.n_rows)

    def _set_pieces(self, values, ranks, atoms):
        """Set the map: knots of the way from scores to values, and anchors of the way back."""
        starts = np.flatnonzero(np.r_[True, atoms[1:] | atoms[:-1]])
        stops = np.r_[starts[1:], len(values)]
        knots, anchors = [], []
        for start, stop in zip(starts, stops, strict=True):
            if atoms[start]:
                low, high = ranks[start], ranks[stop]
                edges = np.clip([low, high], 0.5, self.n_rows - 0.5)
                knots.append(([values[start]] * 2, ndtri(edges / self.n_rows)))
                anchors.append(([values[start]], [ndtri((low + high) / 2 / self.n_rows)]))
            else:
                stretch = self._knots(values[start:stop], ranks[start : stop + 1])
                knots.append(stretch)
                anchors.append(stretch)
        self.knot_x, self.knot_z = np.concatenate(knots, axis=1)
        self.anchor_x, self.anchor_z = np.concatenate(anchors, axis=1)
        # beyond an extreme atom nothing else is decoded
        self.ends = np.where(atoms[[0, -1]], 0.0, 1 / np.array(self.tails))

    def _atom_of(self, x):
        """Return the position of each value among the atoms, and whether it is one."""
        position = np.searchsorted(self.atoms, x)
        return position, self.atoms[position] == x

    def _score(self, x):
        """Interpolate between the anchors; beyond them start from the score of the last rank."""
        first, last = self.anchor_x[0], self.anchor_x[-1]
        z = np.interp(x, self.anchor_x, self.anchor_z)
        z = np.where(x < first, -self.z_end - (first - x) * self.tails[0], z)
        return np.where(x > last, self.z_end + (x - last) * self.tails[1], z)

    def encode(self, x):
        return self._score(x)[:, None]

    def decode(self, z):
        z = z[:, 0]
        below = self.ends[0] * np.minimum(z - self.knot_z[0], 0.0)
        above = self.ends[1] * np.maximum(z - self.knot_z[-1], 0.0)
        x = np.interp(z, self.knot_z, self.knot_x) + below + above
        return x if self.lattice is None else self.lattice.snap(x)

    def dequantize(self, z, rng):
        # One draw per row, used or not: so the draws of later columns depend on no cell of this.
        uniform = rng.uniform(-INNER, INNER, size=len(z))
        x = self.decode(z)
        position, is_atom = self._atom_of(x)
        spread = z[:, 0].copy()
        if self.lattice is not None:
            spread = self._score(x + uniform * self.lattice.step)
        atom = position[is_atom]
        low, high = self.atom_ranks[:, atom]
        rank = (low + high) / 2 + uniform[is_atom] * (high - low)
        spread[is_atom] = np.where(self.is_point[atom], z[is_atom, 0], ndtri(rank / self.n_rows))
        return spread[:, None]

    def log_volume(self, x, sigma):
        position, is_atom = self._atom_of(x)
        half = 0.0 if self.lattice is None else self.lattice.step / 2
        if half:
            log_slope = np.log(self._score(x + half) - self._score(x - half)) - np.log(2 * half)
        else:
            piece = np.searchsorted(self.anchor_x, x, side="right")
            log_slopes = np.log(np.diff(self.anchor_z)) - np.log(np.diff(self.anchor_x))
            log_slope = np.r_[np.log(self.tails[0]), log_slopes, np.log(self.tails[1])][piece]
        volume = log_slope + self.log_unit
        atom = position[is_atom]
        blurred = HALF_LOG_2PI + np.log(sigma)
        volume[is_atom] = np.where(self.is_point[atom], blurred, np.log(self.atom_widths[atom]))
        return volume
