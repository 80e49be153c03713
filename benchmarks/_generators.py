"""The generators of tables that are compared, and how draws from them are timed."""

import time
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks import _baselines, _diffusion, _rivals


def ours(train, seed, **net_params):
    """DiffusionManifoldSampler with its defaults, unless its net is given other parameters."""
    from skdiffusion import DenoiserNet, DiffusionManifoldSampler

    denoiser = DenoiserNet(**net_params) if net_params else None
    return _fit(DiffusionManifoldSampler(denoiser=denoiser), train, seed)


def smoother(train, seed):
    """RiemannianKernelSmoother with its defaults."""
    from skdiffusion import RiemannianKernelSmoother

    return _fit(RiemannianKernelSmoother(), train, seed)


def _fit(model, train, seed):
    target = "categorical" if train.is_classification else "continuous"
    model.set_params(target=target, random_state=seed).fit(
        _rivals.to_frame(train).drop(columns="target"),
        train.y.astype(int) if train.is_classification else train.y,
    )

    def sample(n, seed):
        X, y = model.sample(n, return_y=True, random_state=seed)
        return np.column_stack([_rivals.to_rows(X), y])

    return sample


METHODS = {
    "copy": _baselines.copy_train,
    "smote": _baselines.smote,
    "kde": _baselines.kde,
    "gmm": _baselines.gmm,
    "cart": _rivals.cart,
    "vine": _rivals.vine,
    "edm_mlp": _diffusion.edm_mlp,
    "tabddpm": _diffusion.tabddpm,
    "tabddpm_unclipped": partial(_diffusion.tabddpm, clip=None),
    "smoother": smoother,
    "ours": ours,
}
# Shortened trainings: --quick asks whether a benchmark runs, not how good anything is.
QUICK_METHODS = METHODS | {
    "ours": partial(ours, max_epochs=2),
    "edm_mlp": partial(_diffusion.edm_mlp, n_steps=100),
    "tabddpm": partial(_diffusion.tabddpm, n_steps=100, n_timesteps=100),
    "tabddpm_unclipped": partial(_diffusion.tabddpm, clip=None, n_steps=100, n_timesteps=100),
}
PACKAGES = {"smote": "imblearn", "cart": "synthpop", "vine": "pyvinecopulib"}


def available(methods):
    """Leave out, with a line, the methods whose package is not installed."""
    missing = [m for m in methods if m in PACKAGES and find_spec(PACKAGES[m]) is None]
    for method in missing:
        print(f"{method}: left out, the package {PACKAGES[method]} is not installed.")
    return [m for m in methods if m not in missing]


def draw_tables(fit, train, seed, n_tables=1):
    """Fit a generator and draw tables as large as `train`, on one thread.

    Parameters
    ----------
    fit : callable
        ``fit(train, seed)`` returns ``sample(n, seed)``, which returns rows like ``train.Z``.
    train : Table
        From `benchmarks._data.Table`.
    seed : int
        Seed of the fit; the draws take those that follow.
    n_tables : int
        Number of tables.

    Returns
    -------
    tables : list of ndarray
        What was drawn.
    seconds : dict of str to float
        CPU seconds of the fit, ``fit_s``, and of drawing one table, ``sample_s``.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            start = time.process_time()
            sample = fit(train, seed)
            fitted = time.process_time()
            tables = [np.asarray(sample(len(train.Z), seed + i)) for i in range(n_tables)]
            drawn = time.process_time()
    finally:
        torch.set_num_threads(n_threads)
    return tables, {"fit_s": fitted - start, "sample_s": (drawn - fitted) / n_tables}
