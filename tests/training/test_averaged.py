"""What skorch is kept from or brought to: parameters, copies, randomness, and averages."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

from skdiffusion.training.net import DenoiserNet

X = np.random.RandomState(0).normal(size=(60, 3))

OPTIONS = {"max_epochs": 2, "batch_size": 8, "optimizer__weight_decay": 0.01, "random_state": 0}


def small(**options):
    return DenoiserNet(module__width=8, steps_per_epoch=5, **OPTIONS | options)


def fit(net):
    return net.fit(X)


def weights(net):
    return list(net.module_.state_dict().values())


def same(first, second):
    torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=0)


class TestParameters:
    def test_none_are_records_of_skorch(self):
        """The order of a set, and so a repr, would change from process to process."""
        net = small()
        params = net.get_params()
        assert not [key for key in params if key.startswith("_")]
        assert params["optimizer__weight_decay"] == 0.01
        assert clone(net).set_params(lr=0.5).get_params().keys() == params.keys()

    def test_clones_train_to_the_same(self):
        fitted = fit(small())
        copy = clone(fitted)
        assert not copy.initialized_
        same(fit(copy), fitted)

    def test_pickles(self):
        fitted = fit(small())
        same(pickle.loads(pickle.dumps(fitted)), fitted)
        same(fit(pickle.loads(pickle.dumps(small()))), fitted)


class TestRandomness:
    def test_is_their_own(self):
        torch.manual_seed(1)
        state = torch.get_rng_state()
        first = fit(small())
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(2)
        same(fit(small()), first)
        other = fit(small(random_state=1))
        assert not all(map(torch.equal, weights(other), weights(first)))

    def test_is_given_back_after_an_error(self):
        class Fail(Callback):
            def on_train_begin(self, net, **kwargs):
                torch.rand(1)
                raise RuntimeError("on purpose")

        state = torch.get_rng_state()
        with pytest.raises(RuntimeError, match="on purpose"):
            fit(small(callbacks=[Fail()]))
        assert torch.equal(torch.get_rng_state(), state)


class TestAverage:
    def test_weights_go_on_from_where_they_were(self):
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
        fit(small(callbacks=[("watch", watch)]))
        assert watch.apart == [True, True]
