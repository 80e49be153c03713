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
        made = _weighed(model.encoder, relations, Z, rows, given)
        for row in np.flatnonzero(~made.weights.any(axis=1)):
            _take_from_rows(made, row, model, relations, {j: c[[row]] for j, c in given.items()})
        proposals.append(made)
    return proposals


def choose(values, settled, proposals, levels, is_shared=False):
    """Return known features and settled cells with those of a proposal for each row.

    `levels` (n,) say which, as ranks by weight in [0, 1). Shared proposals are of one row for all.
    """
    n, values, cells = len(values), values.copy(), {}
    for made in proposals:
        rows = np.arange(n) if is_shared else made.rows
        mine = np.zeros(n, dtype=int) if is_shared else np.arange(len(rows))
        ranks = np.cumsum(made.weights, axis=1)
        wanted = levels[rows] * ranks[mine, -1]
        pairs = zip(mine, wanted, strict=True)
        chosen = np.array([np.searchsorted(ranks[k], x, side="right") for k, x in pairs])
        values[np.ix_(rows, made.places)] = made.features[mine, chosen]
        for j, each in made.cells.items():
            whole, there = cells.get(j, (np.zeros(n, each.dtype), np.zeros(n, dtype=bool)))
            whole[rows], there[rows] = each[mine, chosen], True
            cells[j] = whole, there
    for j, (given, there) in settled.items():
        drawn, also = cells.get(j, (given, there))
        cells[j] = np.where(there, given, drawn), there | also
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
    values, cells = choose(values, conditions.cells, proposals, levels, is_shared)
    return replace(conditions, values=values, cells=cells, opened=[])


def _weighed(encoder, relations, Z, rows, given):
    """Return proposals of as many drawn rows for each row, with given cells, and weights."""
    shape = len(rows), len(Z) // len(rows)
    given = {j: each.repeat(shape[1]) for j, each in given.items()}
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
    features = np.concatenate(features, axis=1).reshape(*shape, -1)
    cells = {j: cells[j].reshape(shape) for j in involved}
    return Proposals(rows, places, features, cells, (weights * agrees).reshape(shape))


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
    seen = _weighed(model.encoder, relations, model.rows, [row], given)
    weights = seen.weights[0]
    if not weights.any():
        names = ", ".join(repr(model.encoder._coders[j].name) for j in given)
        raise ValueError(
            f"No row has the given cells of columns {names}: they break a relation between columns "
            "(see constraints_ of the encoder), or nothing like them was seen in fit."
        )
    best = np.argsort(-weights)[np.arange(made.weights.shape[1]) % np.count_nonzero(weights)]
    made.features[row], made.weights[row] = seen.features[0, best], weights[best]
    for j, each in seen.cells.items():
        made.cells[j][row] = each[0, best]
