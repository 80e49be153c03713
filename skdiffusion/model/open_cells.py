"""Known cells that have no feature by themselves, as they are encoded given others.

What they need besides is drawn, and chosen by how likely it makes the known cells.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.special import ndtr

from skdiffusion.model.drawing import draw_known
from skdiffusion.tables.conditions import Conditions

# draws to choose from for one row, and for all rows that share what is known
N_PROPOSALS, MIN_POOL = 32, 1000
# of a column's range: half the width of what counts as one number
WIDTH = 1e-7
# how much less likely a row is with numbers that were never seen
BEYOND = 1e-9


@dataclass
class Proposals:
    """Features and cells, by column, to choose from for some rows, and how likely they are."""

    rows: np.ndarray
    places: np.ndarray  # of the features
    features: np.ndarray  # (n_rows, n_proposals, n_features)
    cells: dict[int, Any]  # (n_rows, n_proposals) each
    weights: np.ndarray  # (n_rows, n_proposals)


def propose(model, values, opened, draw, k):
    """Return proposals for rows with known features (n, d) and open cells, by `k` draws each."""
    proposals = []
    for relations, rows, given in opened:
        Z = draw(np.repeat(values[rows], k, axis=0))
        many = {j: cells.repeat(k) for j, cells in given.items()}
        places, features, cells, weights = _weighed(model.encoder, relations, Z, many)
        shape = len(rows), k
        made = Proposals(
            rows,
            places,
            features.reshape(*shape, -1),
            {j: each.reshape(shape) for j, each in cells.items()},
            weights.reshape(shape),
        )
        for row in np.flatnonzero(~made.weights.any(axis=1)):
            _take_from_rows(made, row, model, relations, {j: c[[row]] for j, c in given.items()})
        proposals.append(made)
    return proposals


def choose(values, proposals, levels, is_shared=False):
    """Return known features with those of one proposal for each row, and its cells by column.

    `levels` (n,) say which, in [0, 1): they are ranks among the proposals by their weights. Shared
    proposals are those of one row for all.
    """
    n, values, cells = len(values), values.copy(), {}
    for made in proposals:
        rows = np.arange(n) if is_shared else made.rows
        mine = np.zeros(n, dtype=int) if is_shared else np.arange(len(rows))
        ranks = np.cumsum(made.weights, axis=1)
        if is_shared:
            chosen = np.searchsorted(ranks[0], levels * ranks[0, -1], side="right")
        else:
            chosen = (ranks <= levels[rows][:, None] * ranks[:, -1:]).sum(axis=1)
        values[np.ix_(rows, made.places)] = made.features[mine, chosen]
        for j, each in made.cells.items():
            whole, there = cells.get(j, (np.zeros(n, each.dtype), np.zeros(n, dtype=bool)))
            whole[rows], there[rows] = each[mine, chosen], True
            cells[j] = whole, there
    return values, cells


def settle_conditions(model, n, conditions, generator):
    """Return conditions of which no known cell stands open, for `n` rows."""
    if not conditions.opened:
        return conditions

    def draw(known):
        return draw_known(model, len(known), Conditions(known), generator)

    is_shared = len(conditions.values) == 1
    k = max(MIN_POOL, 4 * n) if is_shared else N_PROPOSALS
    proposals = propose(model, conditions.values, conditions.opened, draw, k)
    levels = torch.rand(n, generator=generator, device=generator.device).cpu().numpy()
    values = np.broadcast_to(conditions.values, (n, model.n_features))
    values, cells = choose(values, proposals, levels, is_shared)
    for j, (given, there) in conditions.cells.items():
        drawn, also = cells.get(j, (given, np.zeros(n, dtype=bool)))
        cells[j] = np.where(there, given, drawn), there | also
    return replace(conditions, values=values, cells=cells, opened=[])


def _weighed(encoder, relations, Z, given):
    """Return places, features and cells of drawn rows with given cells, and weights of these."""
    cells = encoder.decode_cells(Z[:, : encoder.n_encoded_])
    agrees, weights = np.ones(len(Z), dtype=bool), np.ones(len(Z))
    for relation in relations:
        own = {j: given[j] for j in relation.columns if j in given}
        agrees &= relation.complete(cells, own)
    for j, each in given.items():
        cells[j] = each
    columns = [encoder.column_of(j, each) for j, each in enumerate(cells)]
    involved = encoder.involved(relations)
    for relation in encoder._recoding.relations:
        if set(relation.columns) <= set(involved):
            agrees &= relation.holds(cells)
    for j in involved:
        # what does not agree is encoded as missing
        columns[j].gaps = ~agrees
    coded = encoder.coded(columns)
    for relation in relations:
        for j in relation.solved(given):
            weights[agrees] *= _likelihood(encoder, j, coded[j], cells[j][agrees])
    features = [encoder._coded[j].encode(coded[j])[0] for j in involved]
    places = np.concatenate([encoder.features_of_column(j) for j in involved])
    weights *= agrees
    return places, np.concatenate(features, axis=1), {j: cells[j] for j in involved}, weights


def _likelihood(encoder, j, column, cells):
    """Return about how likely the numbers of a column are, 1 for what is no number."""
    coder, plain = encoder._coded[j], encoder._coders[j]
    likely = 1.0
    if plain.levels is None and hasattr(plain, "extent"):
        low, high = plain.extent
        x = plain.numbers_of(cells)
        likely = np.where((low <= x) & (x <= high), 1.0, BEYOND)
    if coder.levels is not None or coder.codec.n_encoded != 1:
        return likely
    x, _ = coder.numbers(column)
    lattice = getattr(coder.codec, "lattice", None)
    half = WIDTH * np.ptp(coder.extent) if lattice is None else lattice.step / 2
    # beside a category the number comes first
    step = np.eye(1, x.shape[1])[0] * half if x.ndim == 2 else half
    low, high = (coder.codec.encode(end)[:, 0] for end in (x - step, x + step))
    return likely * np.maximum(ndtr(high) - ndtr(low), np.finfo(float).tiny)


def _take_from_rows(made, row, model, relations, given):
    """Take rows of `fit` in place of draws of which none agrees with given cells."""
    many = {j: cells.repeat(len(model.rows)) for j, cells in given.items()}
    _, features, cells, weights = _weighed(model.encoder, relations, model.rows, many)
    if not weights.any():
        names = ", ".join(repr(model.encoder._coders[j].name) for j in given)
        raise ValueError(
            f"No row has the given cells of columns {names}: they break a relation between columns "
            "(see constraints_ of the encoder), or nothing like them was seen in fit."
        )
    best = np.argsort(-weights)[np.arange(made.weights.shape[1]) % np.count_nonzero(weights)]
    made.features[row], made.weights[row] = features[best], weights[best]
    for j, each in cells.items():
        made.cells[j][row] = each[best]
