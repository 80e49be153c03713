"""Every parameter of the trainer changes what is learned, or is refused."""

import inspect

import numpy as np
import pytest
import torch

from skdiffusion.nets import ResidualMLP
from skdiffusion.training.net import DenoiserNet
from skdiffusion.training.objective import DenoisingLoss

X = np.random.RandomState(0).normal(size=(80, 3)) ** 3
BASE = {
    "module__width": 8,
    "module__depth": 1,
    "batch_size": 16,
    "steps_per_epoch": 4,
    "max_epochs": 2,
    "random_state": 0,
}


class Doubled(ResidualMLP):
    def forward(self, inputs, log_sigma):
        return 2 * super().forward(inputs, log_sigma)


class HalfLoss(DenoisingLoss):
    def forward(self, x0, denoiser, prepared, correction, sample_weight=None):
        return super().forward(x0, denoiser, prepared, correction / 2, sample_weight)


OTHER = {
    "module": Doubled,
    "module__width": 9,
    "module__depth": 2,
    "module__dropout": 0.5,
    "criterion": HalfLoss,
    "schedule": "vp",
    "sigma_min": 0.2,
    "sigma_max": 2.0,
    "per_entry": 0.0,
    "given": [2],
    "validation_fraction": 0.5,
    "steps_per_epoch": 3,
    "max_epochs": 6,
    "batch_size": 17,
    "lr": 0.1,
    "optimizer": torch.optim.SGD,
    "optimizer__weight_decay": 10.0,
    "random_state": 1,
}
# what they change has tests of its own
OF_THE_END = {"patience", "max_time"}
OF_COST_OR_OUTPUT = {"device", "verbose"}


def outputs(**options):
    net = DenoiserNet(**BASE | options).fit(X)
    with torch.no_grad():
        return net.denoiser()(torch.from_numpy(X[:10]), torch.tensor(0.5)).mean


@pytest.fixture(scope="module")
def base():
    return outputs()


class TestEffect:
    def test_all_are_tested(self):
        named = set(inspect.signature(DenoiserNet).parameters) - {"kwargs"}
        elsewhere = OF_THE_END | OF_COST_OR_OUTPUT
        assert named == {n for n in OTHER if "__" not in n} | elsewhere

    @pytest.mark.parametrize("name", OTHER)
    def test_changes_the_denoiser(self, base, name):
        assert (outputs(**{name: OTHER[name]}) - base).abs().max() > 1e-6

    @pytest.mark.parametrize(("name", "value"), [("device", "cpu"), ("verbose", 1)])
    def test_does_not(self, base, name, value):
        torch.testing.assert_close(outputs(**{name: value}), base, rtol=0, atol=0)


class TestRefusal:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("schedule", "linear"),
            ("sigma_min", 0.0),
            ("sigma_min", 30.0),
            ("sigma_max", np.inf),
            ("per_entry", 1.5),
            ("per_entry", "half"),
            ("patience", 0),
            ("validation_fraction", 1.0),
            ("steps_per_epoch", 2.5),
            ("max_epochs", 0),
            ("batch_size", -1),
            ("lr", -1e-3),
            ("given", ["a"]),
            ("given", [-1]),
            ("train_split", "half"),
            ("iterator_train__shuffle", True),
            ("iterator_valid__batch_size", 3),
        ],
    )
    def test_values(self, name, value):
        with pytest.raises(ValueError, match=name):
            DenoiserNet(**BASE | {name: value}).fit(X)

    @pytest.mark.parametrize(
        "name", ["sigma", "module__widht", "criterion__weight", "optimizer__m"]
    )
    def test_names(self, name):
        with pytest.raises((TypeError, ValueError), match=name.partition("__")[2] or name):
            DenoiserNet(**BASE | {name: 1}).fit(X)


class TestSampleWeight:
    def test_equal_weights_are_none(self, base):
        net = DenoiserNet(**BASE).fit(X, sample_weight=np.full(80, 3.0))
        with torch.no_grad():
            mean = net.denoiser()(torch.from_numpy(X[:10]), torch.tensor(0.5)).mean
        torch.testing.assert_close(mean, base)

    def test_rows_of_no_weight_teach_nothing(self):
        """Wherever they are: the same batches, noise and validation otherwise."""
        weights, moved = np.r_[np.zeros(40), np.ones(40)], X.copy()
        moved[:40] += 1000
        nets = [DenoiserNet(**BASE).fit(rows, sample_weight=weights) for rows in (X, moved)]
        assert nets[0].history[:, "valid_loss"] == nets[1].history[:, "valid_loss"]
        for first, second in zip(*(net.module_.net.parameters() for net in nets), strict=True):
            torch.testing.assert_close(first, second)

    def test_goes_with_completions(self):
        rows = X.copy()
        rows[::5, 0] = np.nan
        completions = np.stack([np.nan_to_num(rows)] * 2)
        net = DenoiserNet(**BASE).fit(rows, sample_weight=np.arange(80.0), completions=completions)
        assert np.isfinite(net.history[:, ("train_loss", "valid_loss")]).all()

    @pytest.mark.parametrize("weights", [np.ones(79), -np.ones(80), np.zeros(80), [np.nan] * 80])
    def test_bad(self, weights):
        with pytest.raises(ValueError, match=r"(?i)sample.weight"):
            DenoiserNet(**BASE).fit(X, sample_weight=weights)
