"""Imputers and tables that several files share; each imputer is fitted once."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skdiffusion import DenoiserNet, DiffusionImputer, DiffusionManifoldSampler
from skdiffusion.closed_forms import gap_filling


@pytest.fixture(scope="module", autouse=True)
def few_rounds():
    """Fill gaps before training in fewer rounds, which take most of the time of a small fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gap_filling, "N_MIXTURE_ROUNDS", 1)
        yield


def tiny_sampler(**options):
    """A sampler that fits within a tenth of a second, where quality is no subject."""
    net = DenoiserNet(max_epochs=1, steps_per_epoch=3, module__width=8, module__depth=1)
    fast = {"denoiser": net, "baseline": "gaussian", "manifold": None, "n_steps": 5}
    return DiffusionManifoldSampler(**fast | options)


@pytest.fixture(scope="session")
def quick():
    """Make an imputer with such a sampler."""

    def make(**options):
        of_sampler = options.keys() & tiny_sampler().get_params(deep=False).keys() - {
            "random_state"
        }
        own = {name: options.pop(name) for name in of_sampler}
        fast = {
            "sampler": tiny_sampler(**own),
            "n_models": 2,
            "n_draws": 4,
            "random_state": 0,
        }
        return DiffusionImputer(**fast | options)

    return make


@pytest.fixture(scope="session")
def gaussian():
    """A correlated Gaussian, rows of it with gaps, and an imputer that has learned them."""
    mean, scale = np.array([3.0, -1.0, 500.0]), np.array([0.1, 1.0, 100.0])
    cov = np.array([[1.0, 0.8, 0.3], [0.8, 1.0, -0.2], [0.3, -0.2, 1.0]]) * np.outer(scale, scale)

    def rows(n, seed):
        rng = np.random.default_rng(seed)
        whole = rng.multivariate_normal(mean, cov, n)
        return whole, np.where(rng.random(whole.shape) < 0.25, np.nan, whole)

    net = DenoiserNet(max_epochs=5, module__width=32, module__depth=2)
    sampler = DiffusionManifoldSampler(denoiser=net, baseline="gaussian", manifold=None)
    imputer = DiffusionImputer(sampler=sampler, n_models=1, random_state=0).fit(rows(1500, 0)[1])
    return SimpleNamespace(mean=mean, cov=cov, scale=scale, rows=rows, imputer=imputer)


@pytest.fixture(scope="session")
def frame():
    """Columns of every kind, each with gaps."""
    rng = np.random.default_rng(0)
    n = 90
    x = rng.normal(size=n)
    size = np.where(x > 0, "L", "S")
    table = pd.DataFrame(
        {
            "x": x,
            "half": (10 * x).astype(np.float32),
            "count": pd.array(rng.poisson(4, n), dtype="Int64"),
            "flag": pd.array(x > 0.2, dtype="boolean"),
            "city": rng.choice(["Bern", "Oslo", "Rome", "Lima"], n, p=[0.5, 0.4, 0.06, 0.04]),
            "kind": pd.Categorical(rng.choice(["u", "v"], n), categories=["w", "v", "u"]),
            "size": pd.Categorical(size, categories=["S", "M", "L"], ordered=True),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n), unit="D"),
            "long": pd.to_timedelta(rng.integers(1, 99, n), unit="min"),
            "spike": np.where(rng.random(n) < 0.5, 0.0, rng.gamma(2.0, size=n).round(1) + 0.1),
        },
        index=np.arange(n) + 1000,
    )
    return table.mask(rng.random(table.shape) < 0.15)
