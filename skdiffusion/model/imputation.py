"""Missing cells filled from models of their table, by means or by draws."""

from dataclasses import replace

import numpy as np
import torch
from sklearn.utils import check_random_state

from skdiffusion.diffusion.solvers import SOLVERS
from skdiffusion.model.drawing import draw_known, even_noise
from skdiffusion.tables.conditions import Conditions
from skdiffusion.tables.gaps import mean_cells

# by name or as a function
WITH_NOISE = {"ancestral", SOLVERS["ancestral"]}


def known_features(model, columns, y=None):
    """Return the encoded features of a table and its target, NaN where they are to be found."""
    encoder = model.encoder
    Z = encoder.encode_columns(columns)
    for j, simplex in encoder._indicators.items():
        # what is filled in shall be a cell
        Z[:, (encoder.groups_ == j) & encoder.is_indicator_] = simplex.vertices[0]
    target = np.full((len(Z), int(model.is_target.sum())), np.nan)
    if y is not None:
        target[:] = model.target_encoder.transform(y)
    return np.concatenate([Z, target], axis=1)


def complete(model, Z, start, seed):
    """Draw the features that are NaN given the others, from noise `start` of unit variance.

    Each row is drawn by itself: its draw does not depend on those beside it.
    """
    sampling = replace(model.sampling, guidance_scale=1.0)
    if sampling.solver in WITH_NOISE:
        sampling = replace(sampling, solver="dpmpp_2m")
    generator = torch.Generator(model.device).manual_seed(seed)
    # where posteriors are exact, nothing stands in for them
    starts = None if sampling.solver is None else model.starts
    model = replace(model, sampling=sampling, starts=starts)
    return draw_known(model, len(Z), Conditions(Z), generator, start)


def expected_cells(models, Zs, n_draws, seed):
    """Return the mean of each number and the most frequent category, by column, and the targets'.

    Draws are spread over the models, and start from the same noise in all rows.
    """
    is_exact = models[0].known_noise is not None
    generator = torch.Generator(models[0].device).manual_seed(seed)
    bank = even_noise(1 if is_exact else n_draws, models[0].n_features, generator)
    cells, targets = [], []
    for k, start in enumerate(bank):
        model, Z = models[k % len(models)], Zs[k % len(models)]
        Z = _expected(model, Z) if is_exact else complete(model, Z, start.expand(len(Z), -1), seed)
        cells.append(model.encoder.decode_cells(Z[:, ~model.is_target]))
        if model.target_encoder is not None:
            target = model.target_encoder.encoder_.decode_cells(Z[:, model.is_target])
            targets.append(target)
    means = mean_cells(models[0].encoder, cells)
    target = mean_cells(models[0].target_encoder.encoder_, targets)[0] if targets else None
    return means, target


def fill_by_mean(model, Z, n_draws, random_state):
    """Return tables and targets of which what is NaN in `Z` is expected; None is a fixed seed."""
    seed = 0 if random_state is None else check_random_state(random_state).randint(2**31 - 1)
    cells, target = expected_cells([model], [Z], n_draws, int(seed))
    if target is not None:
        own = model.target_encoder.encoder_.assemble([target], len(Z))
        target = model.target_encoder.as_target(own[:, 0])
    return model.encoder.assemble(cells, len(Z)), target


def fill_by_draw(model, Z, n_draws, random_state):
    """Return tables and targets of which what is NaN in `Z` is drawn, once."""
    rng = check_random_state(random_state)
    drawn = complete(model, Z, None, int(rng.randint(2**31 - 1)))
    filled = model.encoder.decode_table(drawn[:, ~model.is_target], rng)
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


def row_noise(Z, seed):
    """Return standard normal noise that depends on each row and a seed alone, and its sources."""
    # the same numbers to the last bits but one, whatever they were computed with
    keys = (np.frombuffer((row.round(9) + 0.0).tobytes(), np.uint32) for row in Z)
    sources = [np.random.default_rng([seed, *key]) for key in keys]
    return torch.from_numpy(np.stack([s.standard_normal(Z.shape[1]) for s in sources])), sources


class RowUniforms(np.random.RandomState):
    """What an encoder draws rare categories with, from a source for each row."""

    def __init__(self, sources):
        super().__init__(0)
        self.sources = sources

    def uniform(self, low=0.0, high=1.0, size=None):
        """Return one uniform number for each row."""
        return np.array([source.uniform(low, high) for source in self.sources])
