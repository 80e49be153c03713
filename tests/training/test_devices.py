"""A device gives the CPU's numbers, to rounding; skipped where there is none."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.training import DistributedDenoiserNet

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

rng = np.random.RandomState(0)
X = rng.normal(size=(400, 3))
X[:, 1] = X[:, 0] ** 2 - 1
GAPS = np.where(rng.uniform(size=X.shape) < 0.1, np.nan, X)
SETTINGS = {"module__width": 32, "max_epochs": 6, "random_state": 0}


def sampler(device, **options):
    net = DenoiserNet(device=device, **SETTINGS | options)
    return DiffusionManifoldSampler(denoiser=net, manifold=None, random_state=0).fit(X)


@pytest.fixture(scope="module")
def both():
    """One net on two devices: trained on the first."""
    model = sampler("cuda")
    return model, move(model)


def move(model):
    """A copy of a fitted sampler on the CPU."""
    other = copy.deepcopy(model)
    other._model = replace(
        other._model, denoiser=other._model.denoiser.cpu(), prior=other._model.prior.cpu()
    )
    return other


def test_is_used(both):
    assert next(both[0].model_.denoiser.parameters()).is_cuda


def test_training_reaches_the_same_loss():
    """Generators differ from device to device, so that losses agree as seeds do."""

    def best(device, seed):
        net = DenoiserNet(device=device, **SETTINGS | {"random_state": seed}).fit(X)
        return min(net.history[:, "valid_loss"])

    host, device = ([best(name, seed) for seed in range(4)] for name in ("cpu", "cuda"))
    assert abs(np.mean(device) - np.mean(host)) < 4 * np.std(host, ddof=1)


def test_scores(both):
    scores = [model.score_samples(X[:50]) for model in both]
    np.testing.assert_allclose(*scores, rtol=1e-3, atol=1e-3)


def test_draws(both):
    draws = [model.sample(50, random_state=0) for model in both]
    np.testing.assert_allclose(*draws, rtol=1e-2, atol=1e-2)


def test_imputed_cells(both):
    filled = [model.impute(GAPS[:50], random_state=0) for model in both]
    np.testing.assert_allclose(*filled, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("options", [{"mixed_precision": "bf16"}, {"compile": True}])
def test_precision_and_compilation_cost_little_quality(options):
    plain = min(DenoiserNet(device="cuda", **SETTINGS).fit(X).history[:, "valid_loss"])
    cls = DistributedDenoiserNet if "mixed_precision" in options else DenoiserNet
    other = cls(device="cuda", **SETTINGS, **options).fit(X)
    assert min(other.history[:, "valid_loss"]) == pytest.approx(plain, rel=0.1)
