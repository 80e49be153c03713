"""Levels too rare for a vertex of their own."""

from numbers import Integral, Real

import numpy as np

__all__ = ["RareLevels", "check_min_frequency"]


class RareLevels:
    """Which level has which vertex: the rare ones share the last."""

    def __init__(self, counts, min_frequency):
        least = 0 if min_frequency is None else min_frequency
        if isinstance(least, Real) and not isinstance(least, Integral):
            least = least * counts.sum()
        is_rare = counts < least
        self.members = np.flatnonzero(is_rare)
        self.share = counts[is_rare] / max(counts[is_rare].sum(), 1)
        frequent = np.flatnonzero(~is_rare)
        self.vertex_of = np.full(len(counts), len(frequent))
        self.vertex_of[frequent] = np.arange(len(frequent))
        self.n_vertices = len(frequent) + bool(len(self.members))
        # the level that a vertex is decoded to without a draw
        common = self.members[[self.share.argmax()]] if len(self.members) else self.members
        self.level_of = np.concatenate([frequent, common])

    def decode(self, vertices, rng):
        """Return levels: of the rare ones the most frequent, or a draw given `rng`."""
        levels = self.level_of[vertices]
        if rng is not None and len(self.members):
            # one draw per row, used or not: so the draws of later columns depend on no cell
            edges = np.cumsum(self.share)[:-1]
            drawn = self.members[np.searchsorted(edges, rng.uniform(size=len(levels)), "right")]
            is_rare = vertices == self.n_vertices - 1
            levels = np.where(is_rare, drawn, levels)
        return levels

    def log_share(self, levels):
        """Return the log of each level's frequency among those of its vertex."""
        shares = np.ones(len(self.vertex_of) + 1)
        shares[self.members] = self.share
        shares[-1] = self.share.min(initial=1.0)
        return np.log(shares)[levels]


def check_min_frequency(value):
    """Raise unless a parameter is None, a positive whole number, or a share below 1."""
    if value is None:
        return
    whole = isinstance(value, Integral) and not isinstance(value, bool) and value >= 1
    share = isinstance(value, Real) and not isinstance(value, Integral) and 0 < value < 1
    if not (whole or share):
        raise ValueError(
            "min_frequency must be None, a whole number from 1 on, or a share between 0 and 1, "
            f"got {value!r}."
        )
