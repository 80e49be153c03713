"""Averaged weights, early stopping, the learning rate and callbacks of skorch."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback, EarlyStopping

from skdiffusion.training.net import DenoiserNet
from skdiffusion.training.objective import DenoisingLoss

X = np.random.RandomState(0).normal(size=(80, 2)) ** 3


class Recorder(Callback):
    """Notes the weights, their averages and the learning rate; it is called after the others."""

    def on_train_begin(self, net, **kwargs):
        self.steps, self.averages, self.rates, self.best = [], [], [], []
        self.initial = self.weights(net)

    def weights(self, net):
        return [weight.detach().clone() for weight in net.module_.net.parameters()]

    def average(self, net):
        return [average.clone() for average in dict(net.callbacks_)["average"].averages_]

    def on_batch_begin(self, net, training=False, **kwargs):
        if training:
            self.rates.append(net.optimizer_.param_groups[0]["lr"])
        else:
            self.validated = self.weights(net)

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.steps.append(self.weights(net))
            self.averages.append(self.average(net))

    def on_epoch_end(self, net, **kwargs):
        self.after_epoch = self.weights(net)


class Ruin(Callback):
    """Ruins the weights before the seventh epoch."""

    @torch.no_grad()
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 7:
            for weight in net.module_.net.parameters():
                weight += 10.0


def fit(*callbacks, **options):
    settings = {
        "module__width": 8,
        "module__depth": 1,
        "batch_size": 16,
        "steps_per_epoch": 5,
        "max_epochs": 4,
        "patience": None,
        "random_state": 0,
    }
    return DenoiserNet(callbacks=list(callbacks), **settings | options).fit(X)


def final_weights(net):
    return [weight.detach() for weight in net.module_.net.parameters()]


class TestAverage:
    @pytest.mark.parametrize("decay", [0.5, 0.995])
    def test_against_the_recursion(self, decay, monkeypatch):
        monkeypatch.setattr("skdiffusion.training.callbacks.DECAY", decay)
        recorder = Recorder()
        fit(recorder)
        average = recorder.initial
        assert len(recorder.steps) == 20
        for t, (weights, actual) in enumerate(zip(recorder.steps, recorder.averages, strict=True)):
            kept = min(decay, (1 + t) / (10 + t))
            average = [kept * a + (1 - kept) * w for a, w in zip(average, weights, strict=True)]
            torch.testing.assert_close(actual, average)

    def test_validation_judges_the_average(self):
        """And gives the network its own weights back for the next step."""
        recorder = Recorder()
        fit(recorder)
        torch.testing.assert_close(recorder.validated, recorder.averages[-1], rtol=0, atol=0)
        torch.testing.assert_close(recorder.after_epoch, recorder.steps[-1], rtol=0, atol=0)
        assert not torch.equal(recorder.steps[-1][0], recorder.averages[-1][0])

    def test_own_weights_come_back_after_an_error(self):
        class Fail(Recorder):
            def on_batch_begin(self, net, training=False, **kwargs):
                if not training:
                    raise RuntimeError("validation failed")

        recorder = Fail()
        with pytest.raises(RuntimeError, match="validation failed"):
            fit(recorder)
        net = recorder.steps[-1]
        assert not torch.equal(net[0], recorder.averages[-1][0])

    def test_last_average_is_kept_without_validation(self):
        recorder = Recorder()
        net = fit(recorder, validation_fraction=0.0)
        assert "valid_loss" not in net.history[-1]
        torch.testing.assert_close(final_weights(net), recorder.averages[-1], rtol=0, atol=0)

    def test_best_average_is_kept(self):
        recorder = Recorder()
        net = fit(Ruin(), recorder, max_epochs=12)
        best = int(np.argmin(net.history[:, "valid_loss"]))
        assert best < 11
        expected = recorder.averages[5 * (best + 1) - 1]
        torch.testing.assert_close(final_weights(net), expected, rtol=0, atol=0)
        assert net.history[best, "valid_loss_best"]


class TestEarlyStopping:
    @pytest.mark.parametrize("patience", [1, 3])
    def test_stops_after_patience_and_keeps_the_best(self, patience):
        recorder = Recorder()
        net = fit(recorder, lr=1.0, max_epochs=40, patience=patience)
        losses = net.history[:, "valid_loss"]
        best = int(np.argmin(losses))
        assert len(losses) == best + 1 + patience < 40
        # no earlier stop was due
        running = np.minimum.accumulate(losses)
        waited = [epoch - int(np.argmax(running == running[epoch])) for epoch in range(len(losses))]
        assert max(waited[:-1]) < patience
        expected = recorder.averages[5 * (best + 1) - 1]
        torch.testing.assert_close(final_weights(net), expected, rtol=0, atol=0)

    def test_does_not_propagate_and_leaves_the_net_fitted(self):
        net = fit(lr=1.0, max_epochs=40, patience=1)
        check_is_fitted(net)
        assert net.initialized_

    def test_no_patience_trains_on(self):
        assert len(fit(lr=1.0, max_epochs=12).history) == 12

    def test_a_loss_that_is_not_a_number_stops_and_leaves_finite_weights(self):
        """Not a number is no improvement, ever."""

        class Poison(Callback):
            def on_epoch_begin(self, net, **kwargs):
                if len(net.history) == 3:
                    dict(net.callbacks_)["average"].averages_[0].fill_(float("nan"))

        net = fit(Poison(), max_epochs=12, patience=2)
        assert np.isnan(net.history[-1, "valid_loss"])
        assert len(net.history) < 12
        assert all(weight.isfinite().all() for weight in final_weights(net))


class Interrupt(Callback):
    def __init__(self, at):
        self.at = at

    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == self.at:
            raise KeyboardInterrupt


class TestInterruption:
    @pytest.mark.parametrize("at", [1, 3])
    def test_propagates_and_leaves_the_net_unfitted(self, at):
        net = DenoiserNet(max_epochs=4, module__width=8, callbacks=[Interrupt(at)], random_state=0)
        with pytest.raises(KeyboardInterrupt):
            net.fit(X)
        assert not net.initialized_
        with pytest.raises(NotFittedError):
            check_is_fitted(net)

    def test_of_a_second_fit(self):
        """A net that was fitted before is not fitted after an interruption."""
        net = fit()
        net.set_params(callbacks=[Interrupt(1)])
        with pytest.raises(KeyboardInterrupt):
            net.fit(X)
        with pytest.raises(NotFittedError):
            check_is_fitted(net)

    def test_fits_again_afterwards(self):
        net = fit()
        expected = final_weights(net)
        net.set_params(callbacks=[Interrupt(2)])
        with pytest.raises(KeyboardInterrupt):
            net.fit(X)
        net.set_params(callbacks=None).fit(X)
        torch.testing.assert_close(final_weights(net), expected, rtol=0, atol=0)


class TestOneCycle:
    def test_against_torch(self):
        """The rates of PyTorch's own policy, on an optimiser of its own."""
        recorder = Recorder()
        fit(recorder, lr=0.02)
        optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
        policy = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.02, total_steps=21, pct_start=0.1
        )
        expected = []
        for _ in range(20):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            policy.step()
        np.testing.assert_allclose(recorder.rates, expected)
        assert max(recorder.rates) == pytest.approx(0.02, rel=0.01)

    def test_follows_the_parameters_of_the_net(self):
        recorder = Recorder()
        net = fit(recorder, lr=0.02)
        net.set_params(lr=0.1, max_epochs=2).fit(X)
        assert len(recorder.rates) == 10
        assert max(recorder.rates) == pytest.approx(0.1, rel=0.03)


class TestTimeLimit:
    def test_stops_where_an_epoch_more_would_be_too_long(self, monkeypatch):
        """By a clock that goes on by one second with each epoch."""
        seconds = iter(range(100))
        monkeypatch.setattr("time.monotonic", lambda: next(seconds))
        recorder = Recorder()
        net = fit(recorder, max_epochs=9, max_time=4.5, validation_fraction=0.0)
        assert len(net.history) == 4
        torch.testing.assert_close(final_weights(net), recorder.averages[-1], rtol=0, atol=0)

    def test_one_epoch_at_least(self):
        assert len(fit(max_time=1e-9).history) == 1

    def test_without_limit(self):
        assert len(fit().history) == 4


class TestClipping:
    def test_gradient_norm(self):
        norms = []

        class Steep(DenoisingLoss):
            def forward(self, *args):
                return 100 * super().forward(*args)

        class Norms(Callback):
            def on_grad_computed(self, net, named_parameters, **kwargs):
                grads = [weight.grad.ravel() for _, weight in named_parameters]
                norms.append(torch.cat(grads).norm().item())

        fit(Norms(), criterion=Steep)
        assert len(norms) == 20
        assert max(norms) == pytest.approx(1.0, rel=1e-3)


class TestProgress:
    def test_bar(self, capsys):
        fit(verbose=1)
        shown = capsys.readouterr().err
        # of five steps and a validation; how often it is drawn depends on the time they take
        assert "/6" in shown

    def test_silent_by_default(self, capsys):
        fit()
        captured = capsys.readouterr()
        assert captured.out == captured.err == ""

    def test_closes_on_early_stop(self):
        """A bar left open would write once more when it is collected."""
        net = fit(verbose=1, lr=1.0, max_epochs=40, patience=1)
        assert len(net.history) < 40
        # what tqdm calls a closed bar
        assert dict(net.callbacks_)["progress"].pbar_.disable


class TestCallbacksOfSkorch:
    def test_early_stopping_ends_the_training(self):
        """It raises a KeyboardInterrupt, which is none of the user's."""
        recorder = Recorder()
        stop = EarlyStopping(patience=2, sink=lambda text: None)
        net = fit(recorder, stop, lr=1.0, max_epochs=40)
        check_is_fitted(net)
        losses = net.history[:, "valid_loss"]
        best = int(np.argmin(losses))
        assert best < len(losses) - 1 < 39
        expected = recorder.averages[5 * (best + 1) - 1]
        torch.testing.assert_close(final_weights(net), expected, rtol=0, atol=0)

    def test_and_the_net_trains_on_afterwards(self):
        stop = EarlyStopping(patience=1, sink=lambda text: None)
        net = fit(stop, lr=1.0, max_epochs=40).set_params(callbacks=None, max_epochs=2)
        assert len(net.fit(X).history) == 2
