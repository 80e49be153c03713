"""Sets of the manifold benchmark: manifolds of known truth, and the rows that are drawn on them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.known_manifolds import (
    Cube,
    CurvedSheet,
    Embedded,
    Manifold,
    Moons,
    RareModes,
    SCurve,
    Sphere,
    SwissRoll,
    Torus,
    Union,
)

N_TRAIN, N_DRAWN, N_LARGE, N_RARE, N_TANGENTS = 2000, 2000, 20_000, 10_000, 50


@dataclass(frozen=True)
class KnownSet:
    """A manifold, the noise of its rows, and what the default sampler shall reach on it.

    Parameters
    ----------
    name : str
        Name in the tables.
    manifold : Manifold
        The truth.
    noise : float
        Standard deviation of the noise on every column.
    min_coverage, max_sliced : float
        Least coverage and largest sliced distance, over those of real rows.
    has_claim : bool
        Whether the set belongs to the claims.
    """

    name: str
    manifold: Manifold
    noise: float
    min_coverage: float = 0.95
    max_sliced: float = 2.0
    has_claim: bool = True

    @property
    def is_rare(self):
        """Whether one of its modes is rare."""
        return isinstance(self.manifold, RareModes)

    def rare_ratio(self, X):
        """Share of the rows that are of the rare mode, over its weight."""
        last = self.manifold.n_modes - 1
        share = np.mean(self.manifold.mode(X, noise=self.noise) == last)
        return float(share / self.manifold.rare_weight)


def known_sets():
    """Return the sets by name."""
    sets = [
        KnownSet("swiss3", SwissRoll(), 0.0),
        KnownSet("swiss50", Embedded(SwissRoll(), 50), 0.02),
        KnownSet("sphere20", Embedded(Sphere(), 20), 0.02),
        KnownSet("torus10", Embedded(Torus(), 10), 0.02),
        KnownSet(
            "nonlin50",
            CurvedSheet(frequency=1.3, random_state=5),
            0.02,
            min_coverage=0.90,
        ),
        KnownSet("rare10", RareModes(random_state=7), 0.03),
        KnownSet(
            "union",
            Embedded(Union([Sphere(1), Sphere(2), Cube(5)]), 12),
            0.01,
            has_claim=False,
        ),
        KnownSet("moons", Moons(), 0.02, has_claim=False),
        KnownSet("scurve3", SCurve(), 0.0, has_claim=False),
    ]
    return {known.name: known for known in sets}


class Rows(NamedTuple):
    """Independent rows of one set."""

    train: np.ndarray
    test: np.ndarray  # what coverage and copying are judged against
    fresh: np.ndarray  # what stands for a perfect sampler
    large: np.ndarray  # the distribution, for the sliced distance


def draw(known, seed, *, n_rows=N_TRAIN, noise=None):
    """Draw the rows of one seed; `noise` is that of the training rows, None for the set's own."""
    n_fresh = N_RARE if known.is_rare else N_DRAWN
    sizes = {"train": n_rows, "test": N_DRAWN, "fresh": n_fresh, "large": N_LARGE}
    parts = {
        name: known.manifold.sample(
            n,
            noise=known.noise if noise is None or name != "train" else noise,
            random_state=100 * seed + k,
        )
        for k, (name, n) in enumerate(sizes.items())
    }
    return Rows(**parts)
