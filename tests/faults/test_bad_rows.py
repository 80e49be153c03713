"""Rows and losses that are not numbers."""

import numpy as np
import pytest
from skorch.callbacks import Callback

from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionImputer,
    DiffusionManifoldSampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.training.objective import DenoisingLoss

X = np.random.RandomState(0).normal(size=(60, 2))
NET = {"max_epochs": 4, "steps_per_epoch": 5, "module__width": 8, "module__depth": 1}


class NaNFrom(DenoisingLoss):
    """A loss that is not a number from a batch in the middle on."""

    n_batches = 0

    def forward(self, *args):
        self.n_batches += self.training
        return super().forward(*args) * (np.nan if self.n_batches > 12 else 1.0)


class Count(Callback):
    def on_batch_end(self, net, training=False, **kwargs):
        self.seen = getattr(self, "seen", 0) + training


@pytest.mark.parametrize("fraction", [0.0, 0.2])
def test_a_loss_in_the_middle(fraction):
    """Training stops with advice, or with the best weights before it."""
    net = DenoiserNet(criterion=NaNFrom, validation_fraction=fraction, random_state=0, **NET)
    if not fraction:
        with pytest.raises(ValueError, match=r"diverged: .* to nan\. Lower .* lr="):
            net.fit(X)
        assert not net.initialized_
        return
    net.fit(X)
    assert net.history[-1, "valid_loss"] != net.history[-1, "valid_loss"]
    assert all(weight.isfinite().all() for weight in net.module_.net.parameters())


@pytest.mark.parametrize(
    "estimator",
    [
        DiffusionManifoldSampler(denoiser=DenoiserNet(**NET)),
        RiemannianKernelSmoother(),
        OperatorScoreMatching(),
        DiffusionAnomalyDetector(),
        DiffusionImputer(sampler=DiffusionManifoldSampler(denoiser=DenoiserNet(**NET))),
        TableEncoder(),
        DenoiserNet(**NET),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_cells(estimator, bad):
    rows = X.copy()
    rows[7, 1] = bad
    with pytest.raises(ValueError, match=r"(?i)infini|finite"):
        estimator.fit(rows)
    assert not [name for name in vars(estimator) if name == "_model"]


def test_gaps_of_a_net_need_completions():
    rows = X.copy()
    rows[7, 1] = np.nan
    with pytest.raises(ValueError, match="give `completions`"):
        DenoiserNet(**NET).fit(rows)
