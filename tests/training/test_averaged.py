"""What all trainers share: parameters, copies, randomness, and the averaged weights."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, GradientNormClipping

from skdiffusion.training.autoencoder_net import AutoencoderNet
from skdiffusion.training.net import DenoiserNet

X = np.random.RandomState(0).normal(size=(60, 3))

OPTIONS = {"max_epochs": 2, "batch_size": 8, "optimizer__weight_decay": 0.01, "random_state": 0}
NETS = {
    "denoiser": lambda **options: DenoiserNet(
        module__width=8, steps_per_epoch=5, **OPTIONS | options
    ),
    "autoencoder": lambda **options: AutoencoderNet(module__n_components=2, **OPTIONS | options),
}
every_net = pytest.mark.parametrize("name", sorted(NETS))
averaged_nets = pytest.mark.parametrize("name", ["autoencoder", "denoiser"])


def fit(net):
    return net.fit(X)


def weights(net):
    return list(net.module_.state_dict().values())


def same(first, second):
    torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=0)


class TestParameters:
    @every_net
    def test_none_are_records_of_skorch(self, name):
        """The order of a set, and so a repr, would change from process to process."""
        net = NETS[name]()
        params = net.get_params()
        assert not [key for key in params if key.startswith("_")]
        assert params["optimizer__weight_decay"] == 0.01
        assert clone(net).set_params(lr=0.5).get_params().keys() == params.keys()

    @every_net
    def test_clones_train_to_the_same(self, name):
        fitted = fit(NETS[name]())
        copy = clone(fitted)
        assert not copy.initialized_
        same(fit(copy), fitted)

    @every_net
    def test_pickles(self, name):
        fitted = fit(NETS[name]())
        same(pickle.loads(pickle.dumps(fitted)), fitted)
        same(fit(pickle.loads(pickle.dumps(NETS[name]()))), fitted)


class TestRandomness:
    @every_net
    def test_is_their_own(self, name):
        torch.manual_seed(1)
        state = torch.get_rng_state()
        first = fit(NETS[name]())
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(2)
        same(fit(NETS[name]()), first)
        other = fit(NETS[name](random_state=1))
        assert not all(map(torch.equal, weights(other), weights(first)))

    @every_net
    def test_is_given_back_after_an_error(self, name):
        class Fail(Callback):
            def on_train_begin(self, net, **kwargs):
                torch.rand(1)
                raise RuntimeError("on purpose")

        state = torch.get_rng_state()
        with pytest.raises(RuntimeError, match="on purpose"):
            fit(NETS[name](callbacks=[Fail()]))
        assert torch.equal(torch.get_rng_state(), state)


class TestAverage:
    @averaged_nets
    def test_weights_go_on_from_where_they_were(self, name):
        """A validation borrows the average, and gives the weights back."""

        class Watch(Callback):
            def __init__(self):
                self.apart = []

            def on_batch_end(self, net, training=False, **kwargs):
                now = [w.detach().clone() for w in net.module_.net.parameters()]
                if training:
                    self.last = now
                else:
                    self.apart.append(not all(map(torch.equal, now, self.last)))

            def on_epoch_end(self, net, **kwargs):
                now = [w.detach().clone() for w in net.module_.net.parameters()]
                assert all(map(torch.equal, now, self.last))

        watch = Watch()
        fit(NETS[name](callbacks=[("watch", watch)]))
        assert watch.apart == [True, True]


class TestTraining:
    @averaged_nets
    def test_adamw_is_fused_unless_told_otherwise(self, name):
        assert fit(NETS[name]()).optimizer_.defaults["fused"]
        assert not fit(NETS[name](optimizer__fused=False)).optimizer_.defaults["fused"]

    @pytest.mark.parametrize(
        ("name", "options", "norm"),
        [("autoencoder", {}, 1.0), ("denoiser", {}, 1.0), ("denoiser", {"clip_grad_norm": 2.0}, 2)],
    )
    def test_gradients_are_clipped(self, name, options, norm):
        callbacks = dict(fit(NETS[name](**options)).callbacks_)
        assert isinstance(callbacks["clip"], GradientNormClipping)
        assert callbacks["clip"].gradient_clip_value == norm

    @averaged_nets
    def test_progress_only_if_verbose(self, name):
        assert "progress" not in dict(fit(NETS[name]()).callbacks_)
        assert "progress" in dict(fit(NETS[name](verbose=1)).callbacks_)

    @averaged_nets
    def test_an_interruption_is_raised_and_leaves_it_unfitted(self, name):
        class Interrupt(Callback):
            def on_batch_end(self, net, **kwargs):
                raise KeyboardInterrupt

        net = NETS[name](callbacks=[Interrupt()])
        with pytest.raises(KeyboardInterrupt):
            fit(net)
        assert not net.initialized_
        assert not hasattr(net, "module_")

    @averaged_nets
    def test_an_early_stop_leaves_it_fitted(self, name):
        net = fit(NETS[name](lr=1.0, max_epochs=40, patience=1))
        assert net.initialized_
        assert len(net.history) < 40


class TestTrainedModule:
    @pytest.mark.parametrize(
        ("name", "take"), [("denoiser", "denoiser"), ("autoencoder", "autoencoder")]
    )
    def test_is_a_copy_in_double_precision(self, name, take):
        net = fit(NETS[name]())
        copy = getattr(net, take)()
        floats = [w for w in copy.state_dict().values() if w.is_floating_point()]
        assert {w.dtype for w in floats} == {torch.float64}
        assert not copy.training
        assert not any(w.requires_grad for w in copy.parameters())
        before = [w.clone() for w in weights(net)]
        for weight in floats:
            weight.fill_(0.0)
        torch.testing.assert_close(weights(net), before, rtol=0, atol=0)
