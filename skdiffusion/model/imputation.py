"""Missing cells filled from models of their table, by means or by draws."""

from copy import copy
from dataclasses import replace

import numpy as np
import torch

from skdiffusion._utils.chunks import row_blocks
from skdiffusion.diffusion.solvers import SOLVERS
from skdiffusion.model.drawing import draw_known, even_noise
from skdiffusion.model.open_cells import N_PROPOSALS, choose, propose
from skdiffusion.tables.conditions import Conditions
from skdiffusion.tables.frames import read_table
from skdiffusion.tables.gaps import gaps_of, mean_cells

STRATEGIES = ("mean", "draw")
# by name or as a function
WITH_NOISE = {"ancestral", SOLVERS["ancestral"]}


class Known:
    """What is known of some rows of a table: features, cells of relations, and open ones."""

    def __init__(self, model, columns, y=None, rows=slice(None)):
        encoder = model.encoder
        Z = encoder.encode_columns(columns)
        for j, simplex in encoder._indicators.items():
            # what is filled in shall be a cell
            Z[:, (encoder.groups_ == j) & encoder.is_indicator_] = simplex.vertices[0]
        target = np.full((len(Z), int(model.is_target.sum())), np.nan)
        if y is not None:
            target[:] = model.target_encoder.transform(y)
        self.model, self.Z = model, np.concatenate([Z, target], axis=1)[rows]
        cells = encoder.settled_cells(columns)
        self.settled = {j: (each[rows], there[rows]) for j, (each, there) in cells.items()}
        self.opened, self.proposals = encoder.open_cells(self.settled), None

    def take(self, rows):
        """Return what is known of some of the rows."""
        part = copy(self)
        part.Z, part.proposals = self.Z[rows], None
        part.settled = {j: (each[rows], there[rows]) for j, (each, there) in self.settled.items()}
        part.opened = self.model.encoder.open_cells(part.settled)
        return part

    def settle(self, seed, level):
        """Return features, NaN where they are to be found, and settled cells; open ones by draws.

        `level` in [0, 1), one or one for each row, says which of the draws that `seed` makes.
        """
        if not self.opened:
            return self.Z, self.settled
        if self.proposals is None:
            generator = torch.Generator(self.model.device).manual_seed(seed)
            bank = even_noise(N_PROPOSALS, self.model.n_features, generator)

            def draw(known):
                # the same noise for each row, whose draw depends on none beside it
                start = bank.repeat(len(known) // len(bank), 1)
                return complete(self.model, known, start, seed)

            self.proposals = propose(self.model, self.Z, self.opened, draw, N_PROPOSALS)
        levels = np.broadcast_to(level, len(self.Z))
        return choose(self.Z, self.settled, self.proposals, levels)


def read_gaps(model, X):
    """Return the columns of a table, and its gaps but those in columns that `fit` saw empty."""
    columns = read_table(X)
    is_empty = np.array([coder.is_empty for coder in model.encoder._coders])
    return columns, gaps_of(columns) & ~is_empty


def complete(model, Z, start, seed):
    """Draw what is NaN given the rest, from noise `start`; no draw depends on other rows."""
    sampling = replace(model.sampling, guidance_scale=1.0)
    if sampling.solver in WITH_NOISE:
        sampling = replace(sampling, solver="dpmpp_2m")
    generator = torch.Generator(model.device).manual_seed(seed)
    # where posteriors are exact, nothing stands in for them
    starts = None if sampling.solver is None else model.starts
    model = replace(model, sampling=sampling, starts=starts)
    if start is not None:
        return draw_known(model, len(Z), Conditions(Z), generator, start)
    return model.draw(len(Z), generator, Conditions(Z))


def expected_cells(knowns, n_draws, seed):
    """Return the mean of each number and the most frequent category, by column, and the targets'.

    Draws are spread over the models of what is known, and start from the same noise in all rows.
    """
    # the draws of a block are held at once, and depend on no row outside
    blocks = row_blocks(len(knowns[0].Z), n_draws * knowns[0].Z.shape[1] // 4)
    if len(blocks) > 1:
        parts = [expected_cells([k.take(rows) for k in knowns], n_draws, seed) for rows in blocks]
        cells, targets = zip(*parts, strict=True)
        targets = None if targets[0] is None else np.concatenate(targets)
        return list(map(np.concatenate, zip(*cells, strict=True))), targets
    model = knowns[0].model
    is_exact = model.known_noise is not None
    generator = torch.Generator(model.device).manual_seed(seed)
    n_draws = 1 if is_exact and not knowns[0].opened else n_draws
    cells, targets = [], []
    for k, start in enumerate(even_noise(n_draws, model.n_features, generator)):
        known = knowns[k % len(knowns)]
        model, (Z, _) = known.model, known.settle(seed, (k + 0.5) / n_draws)
        Z = _expected(model, Z) if is_exact else complete(model, Z, start.expand(len(Z), -1), seed)
        cells.append(model.encoder.decode_coded(Z[:, ~model.is_target]))
        if model.target_encoder is not None:
            target = model.target_encoder.encoder_.decode_coded(Z[:, model.is_target])
            targets.append(target)
    means = mean_cells(model.encoder, cells)
    if not targets:
        return means, None
    return means, mean_cells(model.target_encoder.encoder_, targets, as_cells=False)[0]


def fill_by_mean(knowns, n_draws, seed):
    """Return the table and the target that are expected by models of what is known."""
    model, known = knowns[0].model, knowns[0]
    cells, target = expected_cells(knowns, n_draws, seed)
    if target is not None:
        own = model.target_encoder.encoder_.assemble([target], len(target))
        target = model.target_encoder.as_target(own[:, 0])
    return model.encoder.assemble(cells, len(known.Z), known.settled), target


def fill_by_draw(known, seed, rng, start=None):
    """Return a table and a target of which what is not known is drawn, from noise `start`."""
    model, (Z, settled) = known.model, known.settle(seed, rng.uniform(size=len(known.Z)))
    drawn = complete(model, Z, start, seed)
    filled = model.encoder.decode_table(drawn[:, ~model.is_target], rng, settled)
    if model.target_encoder is None:
        return filled, None
    return filled, model.target_encoder.inverse_transform(drawn[:, model.is_target])


def _expected(model, Z):
    """Return conditional means of a closed form, with noise on what is known."""
    x, unknown = torch.from_numpy(np.nan_to_num(Z)), torch.from_numpy(np.isnan(Z))
    wanted = unknown.any(0).numpy()
    for level in np.unique(model.known_noise[wanted]):
        columns = torch.from_numpy(wanted & (model.known_noise == level))
        # a tensor: two numbers would meet in single precision
        sigma = torch.where(unknown, torch.inf, x.new_tensor(level))
        mean = model.denoiser(x, sigma).mean
        Z = np.where(unknown & columns, mean, Z)
    return Z


class RowNoise(np.random.RandomState):
    """Random numbers that depend on each row and a seed alone, whatever rows are beside it."""

    def __init__(self, Z, seed):
        super().__init__(0)
        # the same numbers to the last bits but one, whatever they were computed with
        keys = (np.frombuffer((row.round(9) + 0.0).tobytes(), np.uint32) for row in Z)
        self.sources = [np.random.default_rng([seed, *key]) for key in keys]
        self.start = np.stack([s.standard_normal(Z.shape[1]) for s in self.sources])

    def uniform(self, low=0.0, high=1.0, size=None):
        """Return one uniform number for each row."""
        return np.array([source.uniform(low, high) for source in self.sources])
