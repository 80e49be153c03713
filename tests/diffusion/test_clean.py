"""Clean rows from noisy ones: exact where the denoiser of noisy rows is."""

import pytest
import torch

from skdiffusion.diffusion import GaussianDenoiser, MixtureDenoiser, Posterior
from skdiffusion.diffusion.clean import CleanDenoiser

D, N, SIGMA_MIN = 4, 60, 0.005
NOISE = torch.tensor([0.5, 0.2, 0.0, 1.0], dtype=torch.float64)
# half of their own noise is the least that is added to rows
EXACT_FROM = 1.25**0.5


def normal(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


ROOT = normal(D, D, seed=0)
COV = ROOT @ ROOT.mT / D + 0.05 * torch.eye(D)
MEAN = normal(D, seed=1)
X = 2 * normal(N, D, seed=2)
LEVELS = {
    "least": EXACT_FROM * NOISE.clamp_min(SIGMA_MIN),
    "scalar": torch.tensor(1.2),
    "rows": torch.linspace(1.2, 20, N, dtype=torch.float64).unsqueeze(1),
    "entries": NOISE + torch.tensor([0.1, 20.0, 0.01, 3.0]),
    "all": NOISE * EXACT_FROM + normal(N, D, seed=3).abs() + 0.01,
}


class Recorder(torch.nn.Module):
    """Remembers the levels that it is asked at."""

    def forward(self, x, sigma):
        self.sigma = sigma.expand_as(x)
        return Posterior(torch.zeros_like(x))


@pytest.mark.parametrize("sigma", LEVELS.values(), ids=LEVELS)
class TestExact:
    def test_gaussian(self, sigma):
        noisy = GaussianDenoiser(MEAN, COV + torch.diag(NOISE**2))
        clean = CleanDenoiser(noisy, NOISE, SIGMA_MIN)(X, sigma).mean
        truth = GaussianDenoiser(MEAN, COV)(X, sigma).mean
        torch.testing.assert_close(clean, truth, rtol=0, atol=1e-9)

    def test_mixture(self, sigma):
        weights, means = torch.tensor([0.3, 0.7]), 2 * normal(2, D, seed=4)
        covs = torch.stack([COV, 0.3 * COV])
        noisy = MixtureDenoiser(weights, means, covs + torch.diag(NOISE**2))
        clean = CleanDenoiser(noisy, NOISE, SIGMA_MIN)(X, sigma).mean
        truth = MixtureDenoiser(weights, means, covs)(X, sigma).mean
        torch.testing.assert_close(clean, truth, rtol=0, atol=1e-8)


def test_without_noise_nothing_changes():
    noisy, sigma = GaussianDenoiser(MEAN, COV), torch.tensor(0.3)
    clean = CleanDenoiser(noisy, torch.zeros(D), SIGMA_MIN)
    torch.testing.assert_close(clean(X, sigma).mean, noisy(X, sigma).mean)
    assert clean.lowest == SIGMA_MIN


def test_at_their_own_noise_rows_are_denoised_nearly_exactly():
    """What is added is half of the noise at least: a fifth of the way back is missing at most."""
    variance, noise = 0.04, torch.tensor([1.0], dtype=torch.float64)
    noisy = GaussianDenoiser(torch.zeros(1), torch.tensor([variance + 1.0]))
    clean = CleanDenoiser(noisy, noise, SIGMA_MIN)(torch.tensor([[2.0]]).double(), noise).mean
    assert clean.item() == pytest.approx(2 * (1 - 1 / (variance + 1.25)))
    assert 2 * variance / (variance + 1) < clean.item() < 0.2 * 2 + 2 * variance


def test_rounding_does_not_tell_noise_from_less():
    denoiser = CleanDenoiser(GaussianDenoiser(MEAN, COV + torch.diag(NOISE**2)), NOISE, SIGMA_MIN)
    below = denoiser(X, NOISE * (1 - 1e-9) + 0.01 * (NOISE == 0)).mean
    at = denoiser(X, NOISE + 0.01 * (NOISE == 0)).mean
    torch.testing.assert_close(below, at, rtol=1e-6, atol=1e-6)


def test_known_entries_count_as_noisy_rows_show_them():
    """The expectation of an entry given a noisy value of another."""
    known, noise = 1, torch.full((D,), 0.8, dtype=torch.float64)
    noisy = COV + torch.diag(noise**2)
    sigma = torch.full((D,), 1e4, dtype=torch.float64)
    sigma[known] = SIGMA_MIN
    mean = CleanDenoiser(GaussianDenoiser(MEAN, noisy), noise, SIGMA_MIN)(X, sigma).mean
    slope = COV[:, known] / (noisy[known, known] + SIGMA_MIN**2)
    truth = MEAN + (X[:, [known]] - MEAN[known]) * slope
    free = torch.arange(D) != known
    torch.testing.assert_close(mean[:, free], truth[:, free], rtol=0, atol=1e-4)
    torch.testing.assert_close(mean[:, known], X[:, known], rtol=0, atol=1e-3)


@pytest.mark.parametrize("share", [1.0, 1.05, 3.0])
def test_the_denoiser_is_never_asked_far_below_the_noise(share):
    recorder = Recorder()
    CleanDenoiser(recorder, NOISE, SIGMA_MIN)(X, share * NOISE)
    assert (recorder.sigma >= NOISE / 2).all()
    assert recorder.sigma.min() >= SIGMA_MIN


def test_lowest_is_where_it_becomes_exact():
    clean = CleanDenoiser(GaussianDenoiser(MEAN, COV), NOISE, SIGMA_MIN)
    assert clean.lowest == pytest.approx(EXACT_FROM * NOISE.max().item())
