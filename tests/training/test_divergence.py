"""Networks whose training diverges: an error, or no account taken of them."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.training.callbacks import AveragedEarlyStopping

X = np.random.default_rng(0).normal(size=(120, 2)) @ [[1.0, 0.8], [0.0, 0.6]]


def sampler(**options):
    net = DenoiserNet(max_epochs=2, steps_per_epoch=10, **options)
    return DiffusionManifoldSampler(denoiser=net, manifold=None, random_state=0)


@pytest.mark.parametrize("options", [{}, {"validation_fraction": 0.0}])
@pytest.mark.parametrize("lr", [1e3, 1e8, 1e30])
def test_not_a_number_is_an_error(lr, options):
    model = sampler(lr=lr, **options)
    with pytest.raises(ValueError, match=r"diverged: .* to (nan|inf)\. Lower .* lr="):
        model.fit(X)
    assert not hasattr(model, "history_")


@pytest.mark.parametrize("options", [{}, {"validation_fraction": 0.0}])
def test_what_is_worse_than_no_training_counts_for_nothing(options):
    """The closed form is left, whose score is near that of a normal distribution."""
    model = sampler(lr=10.0, **options)
    with pytest.warns(ConvergenceWarning, match="counts for nothing"):
        model.fit(X)
    truth = -np.log(2 * np.pi * 0.6) - 1
    assert model.score(X) == pytest.approx(truth, abs=0.3)
    drawn = model.sample(500, random_state=0)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(X.T), atol=0.4)
    far = model.score_samples([[9.0, -9.0], [99.0, 99.0]])
    assert far.max() < model.score_samples(X).min() - 10


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_ordinary_training_is_none_of_them(seed):
    sampler().set_params(random_state=seed).fit(X[:30])


def test_without_losses_on_record():
    """Users may switch skorch's callbacks off."""
    net = DenoiserNet(max_epochs=1, steps_per_epoch=3, callbacks__train_loss=None)
    net.set_params(callbacks__valid_loss=None, random_state=0).fit(X)
    assert isinstance(dict(net.callbacks_)["average"], AveragedEarlyStopping)
