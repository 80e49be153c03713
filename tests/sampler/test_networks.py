"""Networks can be exchanged: draws, conditions, gaps, densities and pickles work with each."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.nets import ResidualMLP, UNet


class Own(nn.Module):
    """A user's network: what it is built with, and what it is called with, and no more."""

    def __init__(self, n_inputs, n_outputs, n_entries=None):
        super().__init__()
        d = n_outputs if n_entries is None else n_entries
        self.layers = nn.Sequential(
            nn.Linear(n_inputs + d, 16), nn.Tanh(), nn.Linear(16, n_outputs)
        )

    def forward(self, inputs, log_sigma):
        return self.layers(torch.cat([inputs, log_sigma], dim=1))


NETS = {
    "mlp": {"module": ResidualMLP, "module__width": 16},
    "unet": {"module": UNet, "module__image_shape": (2, 2), "module__width": 8},
    "own": {"module": Own, "max_epochs": 20, "lr": 0.01},
}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    ),
]


def mixed_table(n=240):
    """Four numbers that hang together, a category that tells their sign, and gaps."""
    rng = np.random.RandomState(0)
    common = rng.normal(size=n)
    frame = pd.DataFrame({f"x{j}": common + 0.3 * rng.normal(size=n) for j in range(4)})
    frame["sign"] = np.where(common > 0, "+", "-")
    frame.loc[rng.choice(n, 30, replace=False), "x1"] = np.nan
    return frame, np.where(frame["x0"] > 1, "far", "near")


@pytest.fixture(scope="module", params=NETS, ids=list(NETS))
def fitted(request):
    X, y = mixed_table()
    options = {"max_epochs": 6, "batch_size": 64, "device": "cpu", **NETS[request.param]}
    net = DenoiserNet(**options)
    return DiffusionManifoldSampler(denoiser=net, random_state=0).fit(X, y), X, y


class TestEachNetwork:
    def test_draws(self, fitted):
        sampler, X, _ = fitted
        rows = sampler.sample(200, random_state=0)
        assert list(rows) == list(X)
        assert set(rows["sign"]) == {"+", "-"}

    def test_conditions_on_cells_and_classes(self, fitted):
        sampler, _, _ = fitted
        rows = sampler.sample(200, conditions={"x2": 1.5}, random_state=0)
        assert (rows["x2"] == 1.5).all()
        assert 0.9 < rows["x3"].mean() < 1.9
        assert (rows["sign"] == "+").mean() > 0.75
        assert sampler.sample(100, y="far", random_state=0)["x0"].mean() > 0.9

    def test_gaps(self, fitted):
        sampler, X, _ = fitted
        gaps = X["x1"].isna()
        filled = sampler.impute(X)
        others = X.loc[gaps, ["x0", "x2", "x3"]].mean(axis=1)
        assert np.corrcoef(filled.loc[gaps, "x1"], others)[0, 1] > 0.85

    def test_scores_do_not_depend_on_other_rows(self, fitted):
        sampler, X, _ = fitted
        together = sampler.score_samples(X[:20])
        alone = [sampler.score_samples(X[i : i + 1])[0] for i in range(5)]
        assert_allclose(together[:5], alone, rtol=1e-5, atol=1e-5)
        far = X[:20].assign(x0=lambda frame: -frame["x0"] - 3)
        assert sampler.score_samples(far).mean() < together.mean() - 3

    def test_pickle(self, fitted):
        sampler, X, _ = fitted
        other = pickle.loads(pickle.dumps(sampler))
        pd.testing.assert_frame_equal(
            other.sample(5, random_state=0), sampler.sample(5, random_state=0)
        )
        assert_allclose(other.score_samples(X[:3]), sampler.score_samples(X[:3]))


@pytest.mark.parametrize("options", NETS.values(), ids=NETS)
@pytest.mark.parametrize("device", DEVICES)
def test_devices(options, device):
    X, y = mixed_table(80)
    net = DenoiserNet(**options | {"max_epochs": 1, "steps_per_epoch": 3, "device": device})
    sampler = DiffusionManifoldSampler(denoiser=net, random_state=0).fit(X, y)
    assert sampler.model_.device.type == device
    assert len(sampler.sample(5, random_state=0)) == 5
    assert np.isfinite(sampler.score_samples(X[:5])).all()
