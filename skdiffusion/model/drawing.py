"""Draws of encoded rows, under conditions."""

import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.utils import gen_batches
from torch import nn
from torch.quasirandom import SobolEngine

from skdiffusion._utils.chunks import progress
from skdiffusion.diffusion import N_STEPS, SOLVERS, GaussianDenoiser, Guided, Measured, karras, run
from skdiffusion.tables.conditions import Conditions

CHUNK_ROWS, MAX_ELEMENTS = 4096, 2**23
# rows that are drawn together, from one set of even noise: the same whatever the memory
BLOCK_ROWS = 2**16
# of rows given a measurement: two more took nothing off the error of restored digits
N_RESTARTS = 4
# fewest draws from which the share that meets ranges is judged
MIN_PROPOSALS = 256
# share of the draws below which they are no longer chosen among
MIN_ACCEPTANCE = 0.02
# share below which rows of `fit` tell what categories go with ranges
RARE = 0.1
# draws that a range gets in all
MAX_PROPOSALS = 20_000


@dataclass(frozen=True)
class Sampling:
    """How noise becomes rows."""

    solver: Any = "dpmpp_2m"  # a name, a function, or None for exact draws of a closed form
    n_steps: int | None = None  # None: the solver's own number
    guidance_scale: float = 1.0
    verbose: int = 0

    @property
    def solve(self):
        """The solver as a function."""
        return self.solver if callable(self.solver) else SOLVERS[self.solver]

    def sigmas(self, lowest, highest, n_steps=None):
        """Return the grid of noise levels, of the usual number of steps if none is given."""
        return karras(lowest, highest, n_steps or self.n_steps or N_STEPS.get(self.solver, 24))


def even_noise(n, d, generator):
    """Draw standard normal rows that together cover the space evenly: scrambled Sobol points."""
    device = generator.device
    seed = int(torch.randint(2**31 - 1, (), generator=generator, device=device))
    points = SobolEngine(d, scramble=True, seed=seed).draw(n, dtype=torch.float64)
    order = torch.randperm(n, generator=generator, device=device)
    # the grid of points has its corner at zero, whose normal score is infinite
    noise = torch.special.ndtri(points.clamp(2.0**-31, 1 - 2.0**-31)).to(device)
    return noise[order]


def draw(model, n, conditions, generator):
    """Draw encoded rows given known features, block by block."""
    if n <= BLOCK_ROWS:
        return _draw_block(model, n, conditions, generator)
    Z = np.empty((n, model.n_features))
    for rows in progress(gen_batches(n, BLOCK_ROWS), model.sampling.verbose):
        given = conditions.take(rows)
        Z[rows] = _draw_block(model, rows.stop - rows.start, given, generator)
    return Z


def _draw_block(model, n, conditions, generator):
    """Draw encoded rows given known features; ranges are met by choosing among draws."""
    if not conditions.has_ranges:
        return draw_known(model, n, conditions, generator)
    Z = np.empty((n, model.n_features))
    pending, drawn, met = np.arange(n), [], []
    budget = max(MAX_PROPOSALS, round(n / MIN_ACCEPTANCE))
    while len(pending) and sum(map(len, met)) < budget:
        if len(met) == 1 and met[0].mean() < RARE:
            conditions = _given_categories(model, n, conditions, generator)
        asked = np.repeat(pending, -(-MIN_PROPOSALS // len(pending)))
        drawn.append(draw_known(model, len(asked), conditions.take(asked), generator))
        met.append(conditions.are_met(model.encoder, drawn[-1][:, ~model.is_target]))
        served, first = np.unique(asked[met[-1]], return_index=True)
        Z[served] = drawn[-1][met[-1]][first]
        pending = np.setdiff1d(pending, served)
    if len(pending):
        drawn, met = np.concatenate(drawn), np.concatenate(met)
        Z[pending] = _draw_rare(model, drawn[met], len(met), conditions, pending, generator)
    return Z


def _given_categories(model, n, conditions, generator):
    """Return conditions with the categories of rows of `fit` that meet the others."""
    rows, is_category = model.rows, np.zeros(model.n_features, dtype=bool)
    for columns, _ in model.encoder.category_blocks():
        is_category[columns] = True
    values = np.array(np.broadcast_to(conditions.values, (n, model.n_features)))
    given = ~np.isnan(values) & is_category
    agrees = conditions.are_met(model.encoder, rows[:, ~model.is_target])
    if not is_category.any() or (given != given[0]).any() or np.ptp(values[:, given[0]], 0).any():
        return conditions
    agrees &= np.isclose(rows[:, given[0]], values[0, given[0]]).all(1)
    if not agrees.any():
        return conditions
    chosen = torch.randint(int(agrees.sum()), (n,), generator=generator, device=generator.device)
    free = is_category & ~given[0]
    values[:, free] = rows[agrees][chosen.cpu().numpy()][:, free]
    return replace(conditions, values=values)


def draw_known(model, n, conditions, generator, start=None):
    """Draw encoded rows of which some features are known, from rows or noise of unit variance."""
    is_exact = model.sampling.solver is None
    if start is None and model.starts is not None:
        # from its noise level on a start is as the rows are, however short the training
        seed = int(torch.randint(2**31 - 1, (), generator=generator, device=generator.device))
        noisy = model.starts.draw(model, conditions, n, np.random.RandomState(seed))
        if noisy is not None:
            if is_exact:
                return noisy
            kept = np.where(model.starts.is_kept, noisy, conditions.values)
            return redraw(model, noisy, Conditions(kept), model.starts.sigma, generator)
    if is_exact:
        return _draw_exactly(model, n, conditions, generator)
    start = even_noise(n, model.n_features, generator) if start is None else start
    sigmas = model.sampling.sigmas(model.lowest, model.sigma_max)
    Z = _solve(model, partial(_start, model), start, conditions, sigmas, generator)
    return Z if conditions.measurement is None else _restart(model, Z, conditions, generator)


def _restart(model, Z, conditions, generator):
    """Noise rows as much as they vary and draw them again (Xu et al., 2023, arXiv:2306.14878)."""
    # errors made at more noise wear off
    variances = model.prior.cov if model.prior.is_diagonal else model.prior.cov.diagonal()
    level = float(variances.mean().sqrt().clamp(2 * model.lowest, model.sigma_max))
    for _ in range(N_RESTARTS):
        options = {"generator": generator, "device": model.device, "dtype": torch.float64}
        noise = torch.randn(Z.shape, **options).cpu().numpy()
        Z = redraw(model, Z + level * noise, conditions, level, generator)
    return Z


def redraw(model, noisy, conditions, sigma, generator):
    """Draw encoded rows again from rows with the noise level `sigma`, some features known."""
    steps = model.sampling.sigmas(model.lowest, model.sigma_max)
    n_steps = model.sampling.n_steps or max(8, int((steps <= sigma).sum()) - 1)
    sigmas = model.sampling.sigmas(model.lowest, sigma, n_steps)
    noisy = torch.from_numpy(noisy).to(model.device)
    return _solve(model, lambda denoiser, given, x: x, noisy, conditions, sigmas, generator)


def _draw_rare(model, met, n_drawn, conditions, pending, generator):
    """Draw rows given features of draws, or rows of `fit`, that meet the ranges."""
    seen = model.rows[conditions.are_met(model.encoder, model.rows[:, ~model.is_target])]
    source = met if len(met) else seen
    if not len(source):
        raise ValueError(
            f"None of {n_drawn} draws meets the conditions, and no row of fit did: widen them."
        )
    warnings.warn(
        f"Only {len(met)} of {n_drawn} draws met the ranges: {len(pending)} rows repeat values of "
        f"{'these' if len(met) else 'rows of fit'} in the columns with ranges.",
        UserWarning,
        stacklevel=4,
    )
    chosen = torch.randint(len(source), (len(pending),), generator=generator, device=model.device)
    values = np.broadcast_to(conditions.take(pending).values, (len(pending), model.n_features))
    settled = conditions.constrained(model.encoder) & np.isnan(values)
    values = np.where(settled, source[chosen.cpu().numpy()], values)
    return draw_known(model, len(pending), Conditions(values), generator)


def _draw_exactly(model, n, conditions, generator):
    """Draw from the posterior of a closed form, whose noise levels may be zero and infinite."""
    values = torch.from_numpy(np.broadcast_to(conditions.values, (n, model.n_features)).copy())
    unknown = values.isnan()
    if unknown.all() and conditions.measurement is None:
        return model.denoiser.sample(n, generator).numpy()
    if conditions.measurement is not None:
        matrix, measured, noise = map(torch.from_numpy, conditions.measurement)
        # known features are measured without noise, the same ones of all rows
        known = ~unknown[0]
        matrix = torch.cat([matrix, torch.eye(len(known)).to(matrix)[known]])
        measured = torch.cat([measured.expand(n, -1), values[:, known]], dim=1)
        noise = nn.functional.pad(noise, (0, int(known.sum())))
        return model.denoiser.sample_measured(matrix, measured, noise, generator).numpy()
    sigma = torch.where(unknown, torch.inf, 0.0).to(values)
    return model.denoiser.sample_posterior(values.nan_to_num(), sigma, generator).numpy()


def by_solver(model):
    """Return a model whose draws, where they are those of a closed form, are solved for."""
    return model if model.sampling.solver is not None else replace(model, sampling=Sampling())


def _conditioned(model, conditions):
    """Return the denoiser given what is known, of rows without the noise of those of `fit`."""
    measurement = conditions.measurement
    if measurement is None:
        return _given_features(model, conditions)
    if not isinstance(model.prior, GaussianDenoiser):
        raise ValueError("Rows in a box are not drawn so: use DiffusionManifoldSampler.")
    denoiser = _given_features(model, conditions)
    gaussian = _given_features(replace(model, denoiser=model.prior), conditions)
    parts = [torch.from_numpy(part).to(model.device) for part in measurement]
    return Measured(denoiser, *parts, reference=gaussian)


def _given_features(model, conditions):
    """Return the denoiser given the known features."""
    known = torch.from_numpy(conditions.known).to(model.device)
    if not known.any():
        return model.clean_denoiser
    values = torch.from_numpy(conditions.values).to(model.device)
    scale, limits = model.sampling.guidance_scale, (model.sigma_min, model.sigma_max)
    return Guided(model.clean_denoiser, known, values, scale, *limits)


def _start(model, denoiser, conditions, noise):
    """Return rows at the largest noise level, where their distribution is all but normal."""
    prior, sigma = model.prior, model.sigma_max
    start = prior.mean + _coloured(prior, sigma, noise)
    known = torch.from_numpy(conditions.known).to(model.device).any(1, keepdim=True)
    known |= conditions.measurement is not None
    if not known.any():
        return start
    # a deterministic solver remembers the mean it starts from
    centre = prior.mean.to(start).expand_as(start)
    shift = denoiser(centre, start.new_tensor(sigma)).mean - centre
    # where nothing is known a row starts as it would by itself
    return start + shift * known


def _coloured(gaussian, sigma, noise):
    """Turn standard normal rows into rows of the noised Gaussian, about zero."""
    if gaussian.is_diagonal:
        return noise * (gaussian.cov + sigma**2).sqrt()
    noised = gaussian.cov + sigma**2 * torch.eye(noise.shape[1]).to(noise)
    # of all roots the symmetric one leaves each column nearest to its own noise
    values, vectors = torch.linalg.eigh(noised)
    return noise @ (vectors * values.sqrt()) @ vectors.mT


def _solve(model, begin, start, conditions, sigmas, generator):
    """Solve from what `begin` makes of the rows of `start`, in chunks."""
    parts, size = [], CHUNK_ROWS
    if conditions.measurement is not None:
        # a derivative of each feature by each measurement is held at once
        size = min(size, max(1, MAX_ELEMENTS // conditions.measurement.matrix.size))
    blocks = np.split(np.arange(len(start)), range(size, len(start), size))
    for rows in progress(blocks, model.sampling.verbose):
        given = conditions.take(rows)
        denoiser = _conditioned(model, given)
        with torch.no_grad():
            x = begin(denoiser, given, start[rows])
            states = model.sampling.solve(denoiser, x, sigmas, generator=generator)
            parts.append(run(states).cpu().numpy())
    return np.concatenate(parts)
