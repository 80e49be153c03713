"""Spectral normalisation: of hidden layers, in training, and plain weights after it."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized

from skdiffusion import DiffusionManifoldSampler
from skdiffusion.nets import ResidualMLP, TableTransformer, UNet
from skdiffusion.training.net import DenoiserNet
from skdiffusion.training.spectral import LAYERS, hidden_layers

X = np.random.RandomState(0).normal(size=(80, 4)) ** 3
MODULES = [(ResidualMLP, {}), (TableTransformer, {}), (UNet, {"module__image_shape": (2, 2)})]
ZERO = {"leave", "leave.2"}


def fit(module=ResidualMLP, *, spectral_norm=True, **options):
    settings = {"max_epochs": 4, "steps_per_epoch": 20, "lr": 0.03, "random_state": 0}
    return DenoiserNet(module, spectral_norm=spectral_norm, **settings | options).fit(X)


def norms(net):
    """Return the largest singular value of each layer but those that start at zero."""
    layers = net.module_.net.named_modules()
    return {
        name: torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item()
        for name, layer in layers
        if isinstance(layer, LAYERS) and name not in ZERO
    }


class Averages(Callback):
    """Notes the averaged weights after each epoch, before any is divided."""

    def on_epoch_end(self, net, **kwargs):
        with dict(net.callbacks_)["average"].applied():
            self.weights = {k: v.clone() for k, v in net.module_.net.state_dict().items()}


class TestNorm:
    @pytest.mark.parametrize(("module", "options"), MODULES)
    def test_at_most_one(self, module, options):
        found, free = (
            norms(fit(module, **options)),
            norms(fit(module, spectral_norm=False, **options)),
        )
        assert found.keys() == free.keys()
        assert max(found.values()) <= 1.05
        assert max(free.values()) > 1.05

    def test_last_layer_is_free(self):
        net = ResidualMLP(n_inputs=4, n_outputs=4)
        assert len(hidden_layers(net)) == 8
        assert net.leave not in hidden_layers(net)
        assert fit().module_.net.leave.weight.any()

    def test_parametrisations_of_ones_own_are_left_alone(self):
        class Own(ResidualMLP):
            def __init__(self, *args, **options):
                super().__init__(*args, **options)
                weight_norm(self.enter)

        net = fit(Own).module_.net
        assert [n for n, layer in net.named_modules() if is_parametrized(layer)] == ["enter"]

    def test_averaged_weights_are_kept(self):
        """Those that are left are the averages, divided by their norm."""
        averages = Averages()
        net = fit(validation_fraction=0.0, callbacks=[averages]).module_.net
        for name, layer in net.named_modules():
            if not isinstance(layer, LAYERS):
                continue
            divided = f"{name}.parametrizations.weight.original"
            weight = averages.weights.get(divided, averages.weights.get(f"{name}.weight"))
            if divided in averages.weights:
                weight = weight / torch.linalg.matrix_norm(weight, 2)
            torch.testing.assert_close(layer.weight.detach(), weight, rtol=0.02, atol=1e-5)

    def test_a_stop_in_between(self):
        net = fit(max_time=1e-9)
        assert len(net.history) == 1
        assert max(norms(net).values()) <= 1.05

    def test_network_without_hidden_layers(self):
        class Scaled(nn.Module):
            def __init__(self, n_inputs, n_outputs):
                super().__init__()
                self.scale = nn.Parameter(torch.zeros(n_outputs))

            def forward(self, inputs, log_sigma):
                return self.scale * inputs

        assert fit(Scaled).module_.net.scale.any()


class TestUse:
    def test_pickle(self):
        net = fit()
        copy = pickle.loads(pickle.dumps(net))
        x, sigma = torch.ones(2, 4), torch.tensor(0.5)
        assert torch.equal(copy.module_(x, sigma).mean, net.module_(x, sigma).mean)

    def test_parameter(self):
        net = fit()
        assert net.get_params()["spectral_norm"] is True
        again = clone(net).fit(X)
        assert norms(again) == norms(net)

    def test_compiled(self, monkeypatch):
        compiled = []
        monkeypatch.setattr(torch, "compile", lambda net, **options: compiled.append(net) or net)
        net = fit(compile=True)
        assert compiled == [net.module_.net]
        assert max(norms(net).values()) <= 1.05

    def test_search(self):
        sampler = DiffusionManifoldSampler(
            denoiser=DenoiserNet(max_epochs=1), dcr_ratio=None, manifold=None, random_state=0
        )
        grid = {"denoiser__spectral_norm": [False, True]}
        search = GridSearchCV(sampler, grid, cv=2).fit(X)
        scores = search.cv_results_["mean_test_score"]
        assert np.isfinite(scores).all()
        assert scores[0] != scores[1]
