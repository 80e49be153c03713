"""Samplers that fit within a moment, and imbalanced tables."""

from types import SimpleNamespace

import numpy as np
import pytest

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion._oversampler import DiffusionOversampler


def quick_sampler(**options):
    """A sampler for tests where quality is no subject."""
    net = DenoiserNet(max_epochs=1, steps_per_epoch=5, module__width=8, module__depth=1)
    fast = {"denoiser": net, "baseline": "gaussian", "manifold": None, "n_steps": 6}
    return DiffusionManifoldSampler(**fast | options)


@pytest.fixture(scope="session")
def quick():
    """Make an oversampler that fits within a fraction of a second."""

    def make(**options):
        return DiffusionOversampler(**{"sampler": quick_sampler(), "random_state": 0} | options)

    return make


@pytest.fixture(scope="session")
def imbalanced():
    """Three classes of 60, 25 and 2 rows, apart from each other."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [60, 25, 2])
    X = rng.normal(size=(len(y), 3)) + 4.0 * y[:, None]
    order = rng.permutation(len(y))
    return SimpleNamespace(X=X[order], y=y[order], counts={0: 60, 1: 25, 2: 2})


@pytest.fixture(scope="session")
def skewed():
    """A numeric target with a long upper tail, and columns that follow it."""
    rng = np.random.default_rng(0)
    y = rng.lognormal(sigma=0.8, size=300)
    X = np.column_stack([np.log(y), rng.normal(size=300)]) + 0.1 * rng.normal(size=(300, 2))
    return SimpleNamespace(X=X, y=y)
