"""The score against the process that defines it."""

import pytest
import torch

from skdiffusion.diffusion.denoiser import Posterior, score

N, D = 6, 3
GENERATOR = torch.Generator().manual_seed(0)
X0, EPS = torch.randn(2, N, D, generator=GENERATOR, dtype=torch.float64)
LEVELS = {
    "scalar": torch.tensor(0.7, dtype=torch.float64),
    "per row": torch.rand(N, 1, generator=GENERATOR, dtype=torch.float64) + 0.1,
    "per column": torch.rand(1, D, generator=GENERATOR, dtype=torch.float64) + 0.1,
    "per entry": torch.rand(N, D, generator=GENERATOR, dtype=torch.float64) * 5 + 0.1,
}


@pytest.mark.parametrize("sigma", LEVELS.values(), ids=LEVELS)
def test_score_of_the_denoiser_that_knows_the_clean_rows(sigma):
    """The gradient of log N(x; x0, sigma ** 2) in x."""
    x = (X0 + sigma * EPS).requires_grad_()
    log_prob = torch.distributions.Normal(X0, sigma.expand_as(X0)).log_prob(x).sum()
    (gradient,) = torch.autograd.grad(log_prob, x)
    found = score(lambda x, sigma: Posterior(X0), x.detach(), sigma)
    torch.testing.assert_close(found, gradient)
