"""Samplers and tables that several files share; each sampler is fitted once."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import multivariate_normal

from skdiffusion import DenoiserNet, DiffusionManifoldSampler


@pytest.fixture(scope="session")
def quick():
    """Make a sampler that fits within a tenth of a second, where quality is no subject."""

    def make(**options):
        net = DenoiserNet(max_epochs=1, steps_per_epoch=5, module__width=16, module__depth=1)
        fast = {"denoiser": net, "baseline": "gaussian", "manifold": None}
        return DiffusionManifoldSampler(
            **fast | {"n_likelihood_steps": 4, "random_state": 0} | options
        )

    return make


@pytest.fixture(scope="session")
def trained():
    """Make a sampler that fits within seconds and follows simple distributions well."""

    def make(max_epochs=3, **options):
        net = DenoiserNet(max_epochs=max_epochs, lr=0.006, module__width=64, module__depth=2)
        fast = {"denoiser": net, "manifold": None, "random_state": 0}
        return DiffusionManifoldSampler(**fast | options)

    return make


@pytest.fixture(scope="session")
def gaussian(trained):
    """A correlated Gaussian of five columns, its rows, and a sampler fitted on them."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    scale = np.array([0.1, 1.0, 1.0, 5.0, 100.0])
    cov = (root @ root.T / 5 + 0.3 * np.eye(5)) * np.outer(scale, scale)
    truth = multivariate_normal(np.array([3.0, 0.0, -1.0, 10.0, 500.0]), cov)
    X = truth.rvs(2000, random_state=1)
    fresh = truth.rvs(200, random_state=2)
    sampler = trained(baseline="gaussian").fit(X)
    return SimpleNamespace(truth=truth, X=X, fresh=fresh, sampler=sampler)


@pytest.fixture(scope="session")
def blobs(trained):
    """Three well separated classes of unequal size, and a sampler fitted on them."""
    rng = np.random.default_rng(0)
    classes = np.array(["blue", "green", "red"])
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    label = rng.choice(3, size=700, p=[0.5, 0.3, 0.2])
    X = centres[label] + 0.5 * rng.normal(size=(700, 2))
    y = classes[label]

    def class_of(rows):
        return classes[((rows[:, None] - centres) ** 2).sum(-1).argmin(axis=1)]

    sampler = trained(max_epochs=10).fit(X, y)
    return SimpleNamespace(
        classes=classes, centres=dict(zip(classes, centres, strict=True)), std=0.5,
        X=X, y=y, class_of=class_of, sampler=sampler,
    )  # fmt: skip


@pytest.fixture(scope="session")
def regression(trained):
    """The first column is a numeric target and noise, the second is noise alone."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=800)
    X = np.column_stack([y + 0.3 * rng.normal(size=800), rng.normal(size=800)])
    return SimpleNamespace(X=X, y=y, noise=0.3, sampler=trained(baseline="gaussian").fit(X, y))


def columns(n=240):
    """Columns of every kind, the categories depending on the numbers."""
    rng = np.random.default_rng(0)
    size = rng.normal(50.0, 10.0, n)
    return {
        "size": size,
        "weight": (size / 7 + rng.normal(size=n)).astype(np.float32),
        "count": rng.poisson(4, n),
        "small": rng.integers(0, 30, n).astype(np.int16),
        "flag": size > 55,
        "city": np.where(size < 45, "Oslo", np.where(rng.random(n) < 0.5, "Bern", "Rome")),
    }


@pytest.fixture(scope="session")
def pandas_table():
    data = columns()
    frame = pd.DataFrame(data)
    frame["nullable"] = pd.array(data["count"] % 7, dtype="Int64")
    frame["kind"] = pd.Categorical(data["city"], categories=["Rome", "Oslo", "Bern", "Nowhere"])
    return frame.set_index(np.arange(len(frame)) + 1000)


@pytest.fixture(scope="session")
def polars_table():
    data = columns()
    return pl.DataFrame(data).with_columns(
        kind=pl.Series(data["city"].tolist(), dtype=pl.Enum(["Rome", "Oslo", "Bern", "Nowhere"])),
        free=pl.Series(data["city"].tolist(), dtype=pl.Categorical),
    )
