"""The learned diffusion time, against the posteriors of laws in closed form."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skdiffusion import DenoiserNet
from skdiffusion.diffusion.time import inverse_gamma_log_pdf
from skdiffusion.training.presets import judging_net
from skdiffusion.training.time import TimeHead, TimeNet

D = 6
X = 0.02 * np.random.default_rng(0).normal(size=(300, D))
RANGE = {"sigma_min": 0.1, "sigma_max": 10.0}


@pytest.fixture(scope="module")
def denoiser():
    net = judging_net().set_params(max_epochs=1, steps_per_epoch=10, module__width=32)
    return net.set_params(random_state=0).fit(X).denoiser()


@pytest.fixture(scope="module")
def fitted(denoiser):
    """Nets trained on rows that are nearly a point, of which the posterior is an inverse gamma."""
    return {
        posterior: TimeNet(
            posterior=posterior, **RANGE, n_levels=15, max_epochs=12, random_state=0
        ).fit(X, denoiser=denoiser)
        for posterior in ("categorical", "inverse_gamma")
    }


def noisy(sigma, n=200, seed=1):
    return sigma * np.random.default_rng(seed).normal(size=(n, D))


every_posterior = pytest.mark.parametrize("posterior", ["categorical", "inverse_gamma"])


class TestPosterior:
    @every_posterior
    def test_is_that_of_a_point(self, fitted, posterior):
        """Rows around the origin: the law of the noise variance given the squared distance."""
        net = fitted[posterior]
        for sigma in (0.3, 1.0, 3.0):
            rows = noisy(sigma)
            squares = torch.from_numpy((rows**2).sum(1, keepdims=True))
            truth = inverse_gamma_log_pdf(torch.from_numpy(net.levels_), squares, D)
            truth = truth.softmax(1).numpy()
            found = np.exp(net.log_posterior(rows))
            logs = np.log(net.levels_)
            assert abs((found @ logs) - (truth @ logs)).mean() < 0.25
            assert 0.5 * abs(found - truth).sum(1).mean() < 0.35

    @every_posterior
    def test_peaks_at_the_true_level(self, fitted, posterior):
        net = fitted[posterior]
        for sigma in (0.3, 1.0, 3.0):
            mean = (np.exp(net.log_posterior(noisy(sigma))) @ np.log(net.levels_)).mean()
            assert abs(np.exp(mean) / sigma - 1) < 0.4

    @every_posterior
    def test_sums_to_one(self, fitted, posterior):
        log_posterior = fitted[posterior].log_posterior(noisy(1.0))
        assert log_posterior.shape == (200, 15)
        assert log_posterior.dtype == np.float64
        assert_allclose(np.exp(log_posterior).sum(1), 1)

    def test_untrained_it_tells_nothing(self, denoiser):
        net = TimeNet(**RANGE, max_epochs=1, lr=0.0, random_state=0).fit(X, denoiser=denoiser)
        times = [np.exp(net.log_posterior(noisy(s))) @ np.log(net.levels_) for s in (0.3, 3.0)]
        assert abs(times[0].mean() - times[1].mean()) < 0.5

    @every_posterior
    def test_far_rows(self, fitted, posterior):
        """Far beyond the largest level all is finite, and the largest level is likeliest."""
        log_posterior = fitted[posterior].log_posterior(np.full((1, D), 1e4))
        assert np.isfinite(log_posterior).all()
        assert log_posterior.argmax() == 14

    def test_rows_by_themselves(self, fitted):
        rows, net = noisy(1.0), fitted["categorical"]
        single = np.concatenate([net.log_posterior(row[None]) for row in rows[:10]])
        assert_allclose(single, net.log_posterior(rows)[:10], rtol=1e-9, atol=1e-9)


class TestLevels:
    def test_are_spaced_by_factors(self, fitted):
        assert_allclose(fitted["categorical"].levels_, np.geomspace(0.1, 10, 15))

    def test_noise_covers_the_cells_of_all_levels(self, fitted):
        """Evenly, half a step beyond the outermost."""
        net = fitted["categorical"]
        torch.manual_seed(0)
        log_sigma, _ = net.infer(torch.zeros(20_000, D))
        step = np.log(net.levels_[1] / net.levels_[0])
        place = (log_sigma.numpy()[:, 0] - np.log(0.1)) / step
        assert place.min() == pytest.approx(-0.5, abs=0.01)
        assert place.max() == pytest.approx(14.5, abs=0.01)
        counts = np.bincount(np.rint(place).astype(int).clip(0, 14), minlength=15)
        assert abs(counts / 20_000 * 15 - 1).max() < 0.15


class TestTrunk:
    def test_of_the_denoiser_stays_as_it_is(self, denoiser):
        before = [weight.clone() for weight in denoiser.parameters()]
        net = TimeNet(max_epochs=1, random_state=0).fit(X, denoiser=denoiser)
        torch.testing.assert_close(list(denoiser.parameters()), before, rtol=0, atol=0)
        hidden = net.module_.trunk.net.hidden[0].weight
        assert not torch.equal(hidden.double(), denoiser.net.hidden[0].weight)

    def test_starts_from_the_denoiser(self, denoiser):
        net = TimeNet(max_epochs=1, lr=0.0, optimizer__weight_decay=0.0, random_state=0)
        net.fit(X, denoiser=denoiser)
        hidden = net.module_.trunk.net.hidden[0].weight
        torch.testing.assert_close(hidden.double(), denoiser.net.hidden[0].weight)

    def test_of_a_residual_network(self):
        options = {"module__width": 16, "module__depth": 1, "max_epochs": 1, "steps_per_epoch": 3}
        given = DenoiserNet(**options, random_state=0).fit(X).denoiser()
        net = TimeNet(max_epochs=1, random_state=0).fit(X, denoiser=given)
        assert np.isfinite(net.log_posterior(noisy(1.0))).all()

    @pytest.mark.parametrize("n_outputs", [1, 7])
    def test_head(self, denoiser, n_outputs):
        head = TimeHead(denoiser, D, n_outputs, 0.5)
        assert head(torch.zeros(3, D)).shape == (3, n_outputs)
        assert not any(w.requires_grad for w in head.trunk.net.leave.parameters())
        assert all(w.requires_grad for w in head.trunk.net.hidden.parameters())


class TestNet:
    def test_same_seed_same_net(self, denoiser):
        nets = [TimeNet(max_epochs=1, random_state=s).fit(X, denoiser=denoiser) for s in (0, 0, 1)]
        posteriors = [net.log_posterior(noisy(1.0)) for net in nets]
        assert_array_equal(posteriors[0], posteriors[1])
        assert (posteriors[0] != posteriors[2]).any()

    def test_global_generators_stay_untouched(self, denoiser):
        state = torch.get_rng_state()
        TimeNet(max_epochs=1, random_state=0).fit(X, denoiser=denoiser)
        assert torch.equal(torch.get_rng_state(), state)

    def test_clone_and_pickle(self, fitted):
        net = fitted["categorical"]
        copied = clone(net)
        assert copied.get_params()["n_levels"] == 15
        assert not copied.initialized_
        loaded = pickle.loads(pickle.dumps(net))
        assert_array_equal(loaded.log_posterior(noisy(1.0)), net.log_posterior(noisy(1.0)))

    def test_unknown_posterior(self, denoiser):
        with pytest.raises(
            ValueError, match=r"posterior must be one of \('categorical', .* 'beta'"
        ):
            TimeNet(posterior="beta").fit(X, denoiser=denoiser)
