"""Training on, with other rows."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skdiffusion.training.net import DenoiserNet

X = np.random.RandomState(0).normal(size=(90, 2)) ** 3


def net(*callbacks, **options):
    settings = {
        "module__width": 8,
        "module__depth": 1,
        "batch_size": 16,
        "steps_per_epoch": 5,
        "max_epochs": 3,
        "random_state": 0,
    }
    return DenoiserNet(callbacks=list(callbacks), **settings | options)


def weights(net):
    return [weight.detach().clone() for weight in net.module_.net.parameters()]


class Begin(Callback):
    def on_train_begin(self, net, **kwargs):
        self.weights, self.rates = weights(net), []

    def on_batch_begin(self, net, training=False, **kwargs):
        if training:
            self.rates.append(net.optimizer_.param_groups[0]["lr"])


def test_begins_where_fit_ended():
    begin = Begin()
    trained = net(begin).fit(X)
    ended, rates = weights(trained), begin.rates
    assert trained.partial_fit(X[:40]) is trained
    torch.testing.assert_close(begin.weights, ended, rtol=0, atol=0)
    assert not torch.equal(weights(trained)[0], ended[0])
    assert trained.history[:, "epoch"] == [1, 2, 3, 4, 5, 6]
    assert begin.rates == rates


def test_of_a_net_that_was_not_fitted_is_fit():
    torch.testing.assert_close(weights(net().partial_fit(X)), weights(net().fit(X)), rtol=0, atol=0)


def test_uses_the_new_rows():
    first, second = (net().fit(X).partial_fit(rows) for rows in (X, X[:50]))
    assert not torch.equal(weights(first)[0], weights(second)[0])


def test_other_numbers_of_rows():
    """Steps and epochs follow them."""
    trained = net(steps_per_epoch="auto", max_epochs="auto", batch_size=64).fit(X)
    n_epochs = len(trained.history)
    trained.partial_fit(np.random.RandomState(1).normal(size=(900, 2)))
    assert trained.history[n_epochs, "train_batch_count"] > trained.history[0, "train_batch_count"]


def test_noise_is_not_that_of_fit():
    trained = net(lr=0.0).fit(X).partial_fit(X)
    assert trained.history[0, "train_loss"] != trained.history[3, "train_loss"]


def test_learns_more():
    """In parts as well as at once, of data with something to learn."""
    rng = np.random.RandomState(0)
    angle = rng.uniform(0, 2 * np.pi, 900)
    rows = 1.4 * np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.normal(size=(900, 2))
    trained = net(steps_per_epoch=30, lr=0.01).fit(rows[:300])
    before = min(trained.history[:, "valid_loss"])
    for part in (rows[300:600], rows[600:]):
        trained.partial_fit(part)
    assert min(trained.history[6:, "valid_loss"]) < before


def test_gaps_and_weights():
    rows = X.copy()
    rows[::7, 0] = np.nan
    trained = net().fit(X)
    with pytest.raises(ValueError, match="give `completions`"):
        trained.partial_fit(rows)
    trained.partial_fit(
        rows, completions=[np.nan_to_num(rows)], sample_weight=np.linspace(0, 2, 90)
    )
    assert len(trained.history) == 6


def test_other_columns():
    with pytest.raises(ValueError, match=r"shape \(90, 1\); fit saw 2 columns"):
        net().fit(X).partial_fit(X[:, :1])


def test_warm_start_trains_on_too():
    trained = net(warm_start=True).fit(X)
    ended = weights(trained)
    trained.set_params(lr=0.0).fit(X)
    torch.testing.assert_close(weights(trained), ended, rtol=0, atol=0)
    assert len(trained.history) == 6


class TestRowVisits:
    def test_are_counted(self):
        trained = net().fit(X)
        assert trained.history[:, "row_visits"] == [80, 160, 240]
        assert trained.history[-1, "left_out"] == 0
        assert trained.partial_fit(X).history[-1, "row_visits"] == 240

    def test_and_what_the_time_cut_off(self, monkeypatch):
        seconds = iter(range(100))
        monkeypatch.setattr("time.monotonic", lambda: next(seconds))
        trained = net(max_epochs=8, max_time=2.5).fit(X)
        assert len(trained.history) == 2
        assert trained.history[:, "left_out"] == [0, 0.75]

    def test_an_early_stop_cuts_nothing_off(self):
        trained = net(lr=1.0, max_epochs=40, patience=1).fit(X)
        assert len(trained.history) < 40
        assert trained.history[-1, "left_out"] == 0
