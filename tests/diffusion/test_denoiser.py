"""Conversions between what a network may predict, against the processes that define them."""

import pytest
import torch

from skdiffusion.diffusion.denoiser import (
    Posterior,
    eps_from_mean,
    mean_from_eps,
    mean_from_score,
    mean_from_v,
    score,
    score_from_mean,
    v_from_mean,
)

N, D = 6, 3
GENERATOR = torch.Generator().manual_seed(0)
X0, EPS = torch.randn(2, N, D, generator=GENERATOR, dtype=torch.float64)
LEVELS = {
    "scalar": torch.tensor(0.7, dtype=torch.float64),
    "per row": torch.rand(N, 1, generator=GENERATOR, dtype=torch.float64) + 0.1,
    "per column": torch.rand(1, D, generator=GENERATOR, dtype=torch.float64) + 0.1,
    "per entry": torch.rand(N, D, generator=GENERATOR, dtype=torch.float64) * 5 + 0.1,
}
every_level = pytest.mark.parametrize("sigma", LEVELS.values(), ids=LEVELS)


def oracle(x, sigma):
    """The denoiser that knows the clean rows."""
    return Posterior(X0)


@every_level
class TestConversions:
    """A prediction of the true clean row is one of the true noise, score and velocity."""

    def test_noise(self, sigma):
        x = X0 + sigma * EPS
        torch.testing.assert_close(eps_from_mean(X0, x, sigma), EPS)
        torch.testing.assert_close(mean_from_eps(EPS, x, sigma), X0)

    def test_score(self, sigma):
        """The gradient of log N(x; x0, sigma ** 2) in x."""
        x = (X0 + sigma * EPS).requires_grad_()
        log_prob = torch.distributions.Normal(X0, sigma.expand_as(X0)).log_prob(x).sum()
        (gradient,) = torch.autograd.grad(log_prob, x)
        torch.testing.assert_close(score_from_mean(X0, x.detach(), sigma), gradient)
        torch.testing.assert_close(mean_from_score(gradient, x.detach(), sigma), X0)
        torch.testing.assert_close(score(oracle, x.detach(), sigma), gradient)

    def test_velocity(self, sigma):
        """``v = alpha eps - sigma_vp x0``, ``x0 = alpha z - sigma_vp v`` where alpha and sigma_vp
        are the cosine and the sine of one angle."""
        angle = torch.atan(sigma)
        alpha, sigma_vp = angle.cos(), angle.sin()
        x = X0 + sigma * EPS
        z = alpha * X0 + sigma_vp * EPS
        v = v_from_mean(X0, x, sigma)
        torch.testing.assert_close(alpha * x, z)
        torch.testing.assert_close(v, alpha * EPS - sigma_vp * X0)
        torch.testing.assert_close(mean_from_v(v, x, sigma), alpha * z - sigma_vp * v)

    def test_round_trips(self, sigma):
        """Of an arbitrary mean, not only of the true one."""
        x, mean = X0 + sigma * EPS, EPS.flip(0)
        for there, back in [
            (eps_from_mean, mean_from_eps),
            (score_from_mean, mean_from_score),
            (v_from_mean, mean_from_v),
        ]:
            torch.testing.assert_close(back(there(mean, x, sigma), x, sigma), mean)


class TestPosterior:
    def test_variance_is_optional(self):
        mean, var = Posterior(torch.ones(1))
        assert var is None
        assert mean == 1
