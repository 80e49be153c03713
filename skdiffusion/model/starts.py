"""Rows of `fit` as the start of draws, with the noise that keeps draws from repeating them."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from skdiffusion._utils.systematic import spread
from skdiffusion.tables.conditions import Conditions

# draws by which a noise level is judged: their median distance is right within a few per cent
N_JUDGED = 500
# rows among which nearest ones are looked for
MAX_COMPARED = 20_000
# no lower noise level is tried: draws from it would be copies
LOWEST = 0.02
# halvings of the range of log noise levels: to within 6 %
N_HALVINGS = 7


@dataclass(frozen=True)
class Starts:
    """Complete encoded rows, and the noise level from which draws are denoised."""

    rows: np.ndarray  # (n, d)
    sigma: float
    is_category: np.ndarray  # (d,), of the features
    weights: np.ndarray | None = None  # (n,)

    def take(self, kept):
        """Return the same of some features."""
        return replace(self, rows=self.rows[:, kept], is_category=self.is_category[kept])

    def added_noise(self, model):
        """Return the noise that rows lack at the noise level, by feature."""
        own = 0.0 if model.noise is None else np.pad(model.noise, (0, model.is_target.sum()))
        return np.sqrt(np.maximum(self.sigma**2 - own**2, 0.0))

    def choose(self, conditions, n, rng):
        """Return for each draw a row that has its known categories, -1 where none has.

        Given numbers no row is chosen: hardly one would have them.
        """
        chosen, known = np.full(n, -1), np.broadcast_to(conditions.known, (n, len(self.is_category)))
        free = np.flatnonzero(~known[:, ~self.is_category].any(1))
        values = np.broadcast_to(conditions.values, known.shape)[free][:, self.is_category]
        # no two gaps are equal
        wanted, member = np.unique(np.nan_to_num(values, nan=np.inf), axis=0, return_inverse=True)
        categories = self.rows[:, self.is_category]
        for k, cells in enumerate(wanted):
            asked, given = free[member.ravel() == k], np.isfinite(cells)
            agrees = np.isclose(categories[:, given], cells[given]).all(1)
            if agrees.any():
                weights = agrees * (1.0 if self.weights is None else self.weights)
                chosen[asked] = spread(weights, len(asked), rng)
        return chosen


def fit_starts(model, draw, Z, weights, ratio, rng):
    """Return where draws start that are as far from rows as `ratio` says, and their ratio.

    None in place of a start is noise: where even such draws come nearer, or most rows have equals.
    """
    compared = rng.permutation(len(Z))[:MAX_COMPARED]
    rows = Z[compared]
    all_weights, weights = weights, None if weights is None else weights[compared]
    starts = Starts(rows, model.sigma_max, model.is_category, weights)
    judge = Novelty(model, rows, weights, rng)
    seed = int(rng.randint(2**31 - 1))

    def judged(starts):
        generator = torch.Generator(model.device).manual_seed(seed)
        free = Conditions(np.full((1, model.n_features), np.nan))
        return judge(draw(replace(model, starts=starts), min(N_JUDGED, len(rows)), free, generator))

    found, copies = judged(None)
    if not (found > ratio and copies <= judge.copies):
        return None, found
    low, high = math.log(LOWEST), math.log(model.sigma_max)
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        there, copies = judged(replace(starts, sigma=math.exp(middle)))
        if there >= ratio and copies <= judge.copies:
            high, found = middle, there
        else:
            low = middle
    return Starts(Z, math.exp(high), model.is_category, all_weights), found


class Novelty:
    """How far draws are from the rows of `fit`, over how far these are from one another.

    Distances are Gower's, of decoded cells: a number counts by its column's range, two categories
    that differ by 1. Near 0 draws repeat rows, at 1 they are as new as the rows are to one another.
    """

    def __init__(self, model, Z, weights, rng):
        self.model, self.ranges = model, None
        points = self._points(Z)
        self.neighbors = NearestNeighbors(n_neighbors=2, metric="manhattan").fit(points)
        some = rng.permutation(len(Z))[:N_JUDGED]
        own = self.neighbors.kneighbors(points[some])[0][:, 1]
        if weights is not None:
            # what stands for several equal rows has one of them beside it
            own = np.where(weights[some] > 1, 0.0, own)
        self.own, share = np.median(own), np.mean(own == 0)
        # two standard errors more than rows have equals, of which there is never quite none
        self.copies = share + 2 * np.sqrt((share + 1 / len(own)) / len(own))

    def __call__(self, Z):
        """Return the ratio of median distances, and the share of draws that equal a row."""
        nearest = self.neighbors.kneighbors(self._points(Z), 1)[0]
        ratio = np.median(nearest) / self.own if self.own > 0 else np.nan
        return float(ratio), np.mean(nearest == 0)

    def _points(self, Z):
        """Return points whose distance in L1 is Gower's, but for the ranges of numbers."""
        model = self.model
        parts = [model.encoder.decode_numbers(Z[:, ~model.is_target])]
        if model.target_encoder is not None:
            parts.append(model.target_encoder.encoder_.decode_numbers(Z[:, model.is_target]))
        numbers, categories = map(np.hstack, zip(*parts, strict=True))
        if self.ranges is None:
            self.ranges = np.ptp(numbers, axis=0)
        return np.hstack([numbers / np.where(self.ranges > 0, self.ranges, 1.0), categories / 2])
