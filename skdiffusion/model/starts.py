"""Draws that start near rows of `fit`, with the noise that keeps them from repeating these."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from skdiffusion._utils.systematic import spread
from skdiffusion.geometry.neighborhoods import draw_between, neighborhoods
from skdiffusion.geometry.sequential_trees import draw_by_trees
from skdiffusion.metrics.scaling import GowerScaler
from skdiffusion.tables.quantile import repeats

# draws by which a noise level is judged: their median distance is right within a few per cent
N_JUDGED = 500
# rows to start from: fewer would be repeated
MIN_ROWS, MAX_ROWS = 10, 20_000
# neighbours that a start lies between: as many as leave draws near enough
N_NEIGHBORS = (5, 2, 0)
# no lower noise level is tried: draws from it would be copies
LOWEST = 0.02
# of the noise that drowns a row
DROWNED = 1.0
# on cells from trees: enough to leave no number as it was
TREE_SIGMA = 0.2
# halvings of the range of log noise levels: to within 6 %
N_HALVINGS = 7


@dataclass(frozen=True)
class Starts:
    """Encoded rows with their neighbours, and the noise level from which draws are denoised.

    Draws of a closed form are not: they keep the noise.
    """

    rows: np.ndarray  # (n, d)
    sigma: float
    is_category: np.ndarray  # (d,), of the features
    neighborhoods: Any = None  # (n, n), sparse
    weights: np.ndarray | None = None  # (n,)
    is_kept: Any = False  # (d,), of the features that get no noise

    def between(self, n_neighbors):
        """Return starts between rows and so many neighbours that have the same categories."""
        groups = np.unique(self.rows[:, self.is_category].round(6), axis=0, return_inverse=True)[1]
        return replace(self, neighborhoods=neighborhoods(self.rows, groups.ravel(), n_neighbors))

    def from_trees(self, groups, judge, rng):
        """Return starts whose columns trees draw one by one; values that repeat are to be kept."""
        n = len(self.rows)
        rows = self.rows if self.weights is None else self.rows[spread(self.weights, n, rng)]
        rows = draw_by_trees(rows, groups, rng)
        copies = np.flatnonzero(judge.distances(rows) == 0)
        # as many as rows have equals
        rows = np.delete(rows, copies[int(judge.share * n) :], axis=0)
        return Starts(rows, TREE_SIGMA, self.is_category, is_kept=judge.repeats[groups])

    def draw(self, model, conditions, n, rng):
        """Return noisy rows near rows that have the known categories, None if there are too few."""
        if conditions.measurement is not None:
            return None
        is_known = conditions.known.any() or np.any(self.is_kept)
        if is_known and model.sampling.guidance_scale != 1.0:
            return None
        # one class of many may have few rows; a condition that few rows meet asks for others
        least = MIN_ROWS if conditions.known[:, ~model.is_target].any() else 1
        chosen = self.choose(conditions, n, rng, least)
        if chosen is None:
            return None
        rows = self.rows[chosen]
        if self.neighborhoods is not None:
            rows = draw_between(self.rows, self.neighborhoods, chosen, rng)
            # sums of equal numbers round
            rows[:, self.is_category] = self.rows[chosen][:, self.is_category]
        own = 0.0 if model.noise is None else np.pad(model.noise, (0, model.is_target.sum()))
        # the noise that rows have is part of their level
        added = np.sqrt(np.maximum(self.sigma**2 - own**2, 0.0)) * ~np.asarray(self.is_kept)
        if model.sampling.solver is None:
            # nothing takes it off again
            added = added * ~self.is_category
        return rows + added * rng.normal(size=rows.shape)

    def choose(self, conditions, n, rng, least=1):
        """Return for each draw a row that has its known categories, None where `least` have not.

        Given numbers there are none: hardly a row would have them.
        """
        if conditions.known[:, ~self.is_category].any():
            return None
        values = np.broadcast_to(conditions.values, (n, len(self.is_category)))[:, self.is_category]
        # no two gaps are equal
        wanted, member = np.unique(np.nan_to_num(values, nan=np.inf), axis=0, return_inverse=True)
        chosen, categories = np.empty(n, dtype=int), self.rows[:, self.is_category]
        for k, cells in enumerate(wanted):
            asked, given = member.ravel() == k, np.isfinite(cells)
            agrees = np.isclose(categories[:, given], cells[given]).all(1)
            if agrees.sum() < least:
                return None
            weights = agrees * (1.0 if self.weights is None else self.weights)
            chosen[asked] = spread(weights, asked.sum(), rng)
        return chosen


def fit_starts(model, rows, Z, ratio, rng):
    """Return where draws start that are as far from `rows` as `ratio` says, and their ratio.

    None in place of a start is noise, or the closed form.
    """
    if ratio is None:
        return None, np.nan
    some = rng.permutation(len(Z))[:MAX_ROWS]
    weights = None if rows.weights is None else rows.weights[some]
    lowest = max(LOWEST, 2 * model.lowest)
    if len(some) < MIN_ROWS or lowest >= model.sigma_max:
        return None, np.nan
    starts = Starts(Z[some], lowest, rows.is_category, None, weights)
    judge = Novelty(model, starts, rng)
    seed = int(rng.randint(2**31 - 1))

    def ratio_of(starts):
        """Return the ratio of draws from starts, all of the same random numbers."""
        generator = torch.Generator(model.device).manual_seed(seed)
        return judge(replace(model, starts=starts).draw(min(N_JUDGED, len(some)), generator))

    chosen, found = None, ratio_of(None)
    if found > ratio:
        chosen, found = _noised(starts, ratio_of, ratio, model.sigma_max, found)
    has_columns = not hasattr(model.encoder, "n_latent")
    if (chosen is None or chosen.sigma > DROWNED) and has_columns and model.lowest < TREE_SIGMA:
        trees = starts.from_trees(rows.groups, judge, rng)
        # all of them may have been copies
        there = ratio_of(trees) if len(trees.rows) >= MIN_ROWS else np.nan
        # at 0 even draws from noise repeat rows: of the few that there can be
        if there > found > 0:
            return trees, there
    return chosen, found


def _noised(starts, ratio_of, ratio, highest, found):
    """Return starts with the noise that `ratio` takes; `found` is that of draws from noise."""
    low, high = math.log(starts.sigma), math.log(highest)
    for n_neighbors in N_NEIGHBORS:
        starts = starts.between(n_neighbors)
        if ratio_of(starts) <= ratio:
            break
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        there = ratio_of(replace(starts, sigma=math.exp(middle)))
        is_new = there >= ratio
        low, high, found = (low, middle, there) if is_new else (middle, high, found)
    return replace(starts, sigma=math.exp(high)), found


class Novelty:
    """How far draws are from the rows of `fit`, over how far these are from one another.

    Distances are Gower's, of decoded cells.
    """

    def __init__(self, model, starts, rng):
        self.model, weights = model, starts.weights
        codes, is_category = self._codes(starts.rows)
        counts = [np.unique(column, return_counts=True)[1] for column in codes.T]
        self.repeats = np.array([repeats(c, None) for c in counts])  # of each column
        self.scaler = GowerScaler(np.flatnonzero(is_category)).fit(codes)
        points = self.scaler.transform(codes)
        self.neighbors = NearestNeighbors(n_neighbors=2, metric="manhattan").fit(points)
        some = rng.permutation(len(points))[:N_JUDGED]
        own = self.neighbors.kneighbors(points[some])[0][:, 1]
        if weights is not None:
            # what stands for several equal rows has one of them beside it
            own = np.where(weights[some] > 1, 0.0, own)
        self.own, self.share = np.median(own), np.mean(own == 0)
        # three standard errors more than rows have equals, of which there is never quite none
        self.copies = self.share + 3 * np.sqrt((self.share + 1 / len(own)) / len(own))

    def __call__(self, Z):
        """Return the ratio of median distances of draws: 0 if more of them equal rows than rows."""
        nearest = self.distances(Z)
        if not self.own > 0:
            return np.nan
        is_copied = np.mean(nearest == 0) > self.copies
        return 0.0 if is_copied else float(np.median(nearest) / self.own)

    def distances(self, Z):
        """Return how far draws are from their nearest rows."""
        points = self.scaler.transform(self._codes(Z)[0])
        return self.neighbors.kneighbors(points, 1)[0][:, 0]

    def _codes(self, Z):
        """Return the cells of rows and target as numbers, and which columns are of categories."""
        model = self.model
        parts = [model.encoder.decode_codes(Z[:, ~model.is_target])]
        if model.target_encoder is not None:
            parts.append(model.target_encoder.encoder_.decode_codes(Z[:, model.is_target]))
        return tuple(map(np.hstack, zip(*parts, strict=True)))
