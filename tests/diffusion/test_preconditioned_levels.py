"""The preconditioned network for rows with categories, against closed forms."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from skdiffusion.diffusion.categories import Levels
from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.preconditioning import Preconditioned, WhiteFrame
from skdiffusion.nets import ResidualMLP

N = 10


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def posterior_covariance(S, noise):
    """Of the clean row given the noisy one, from the two precisions."""
    return torch.linalg.inv(torch.linalg.inv(S) + torch.linalg.inv(noise))


# rows of two numbers, a triangle between them, and a flag at the end
NUMBERS, TRIANGLE_ENTRIES, FLAG_ENTRY = [0, 3], [1, 2], [4]
TRIANGLE = torch.tensor([[1.0, 0.2], [-0.5, 0.8], [-0.7, -1.1]]).double()
FLAG = torch.tensor([[-0.5], [2.0]]).double()
TRIANGLE_SHARES = torch.tensor([0.5, 0.2, 0.3]).double()
FLAG_SHARES = torch.tensor([0.75, 0.25]).double()
CATEGORIES = Levels(
    5,
    [(torch.tensor(TRIANGLE_ENTRIES), TRIANGLE), (torch.tensor(FLAG_ENTRY), FLAG)],
    [TRIANGLE_SHARES, FLAG_SHARES],
)
NUMBERS_MEAN = torch.tensor([0.3, -1.0]).double()
NUMBERS_COVS = {
    "full": torch.tensor([[1.0, 0.7], [0.7, 0.6]]).double(),
    "diagonal": torch.tensor([[1.0, 0.0], [0.0, 0.3]]).double(),
}
_several = torch.exp(1.5 * normal(N, 5, seed=20) - 1)[:, [0, 1, 1, 3, 4]]
MIXED_LEVELS = {
    "scalar": torch.tensor(0.3, dtype=torch.float64),
    "much": torch.tensor(20.0, dtype=torch.float64),
    "per row": torch.exp(normal(N, 1, seed=4)),
    "few patterns": _several[torch.tensor([2, 0, 1, 1, 1, 0, 2, 2, 1, 0])],
    "per entry": _several,
    "known and unknown": torch.tensor([[0.005, 20.0, 20.0, 0.005, 20.0]], dtype=torch.float64),
}
every_mixed_level = pytest.mark.parametrize("sigma", MIXED_LEVELS.values(), ids=MIXED_LEVELS)
MIXED_X = 1.5 * normal(N, 5, seed=21)


def independent_distribution(cov):
    """Numbers and two categories that know nothing of each other, as points and as a Gaussian."""
    weights, means, covs = [], [], torch.zeros(5, 5).double()
    covs[np.ix_(NUMBERS, NUMBERS)] = cov
    for k, corner in enumerate(TRIANGLE):
        for j, flag in enumerate(FLAG):
            mean = torch.zeros(5).double()
            mean[NUMBERS], mean[TRIANGLE_ENTRIES], mean[FLAG_ENTRY] = NUMBERS_MEAN, corner, flag
            means.append(mean)
            weights.append(TRIANGLE_SHARES[k] * FLAG_SHARES[j])
    weights, means = torch.stack(weights), torch.stack(means)
    mean = weights @ means
    apart = means - mean
    moments = mean, covs + torch.einsum("k,ki,kj->ij", weights, apart, apart)
    return MixtureDenoiser(weights, means, covs.expand(6, 5, 5)), GaussianDenoiser(*moments)


class Silent(nn.Module):
    """Zero outputs, in double precision."""

    def __init__(self, n_outputs):
        super().__init__()
        self.outputs = nn.Parameter(torch.zeros(n_outputs, dtype=torch.float64))

    def forward(self, inputs, log_sigma):
        self.seen = inputs
        return self.outputs.expand(len(inputs), -1)


class TestLevels:
    @every_mixed_level
    @pytest.mark.parametrize("cov", NUMBERS_COVS.values(), ids=NUMBERS_COVS)
    @pytest.mark.parametrize("with_baseline", [False, True])
    def test_untrained_network_is_exact_for_independent_columns(self, sigma, cov, with_baseline):
        distribution, gaussian = independent_distribution(cov)
        net = ResidualMLP(15 if with_baseline else 10, 7, n_entries=5, width=8, depth=1)
        denoiser = Preconditioned(
            net, gaussian, distribution if with_baseline else None, CATEGORIES
        )
        expected = distribution(MIXED_X, sigma).mean
        torch.testing.assert_close(denoiser(MIXED_X, sigma).mean, expected, rtol=1e-6, atol=1e-6)

    @every_mixed_level
    def test_untrained_network_with_a_diagonal_gaussian(self, sigma):
        distribution, gaussian = independent_distribution(NUMBERS_COVS["diagonal"])
        gaussian = GaussianDenoiser(gaussian.mean, gaussian.cov.diagonal().clone())
        denoiser = Preconditioned(Silent(7), gaussian, levels=CATEGORIES)
        expected = distribution(MIXED_X, sigma).mean
        torch.testing.assert_close(denoiser(MIXED_X, sigma).mean, expected, rtol=1e-7, atol=1e-7)

    @pytest.mark.parametrize("diagonal", [False, True])
    def test_root_is_that_of_the_numbers_posterior_covariance(self, diagonal):
        """Numbers that depend on the codes too: their covariance given all noisy entries."""
        root = normal(5, 5, seed=22)
        cov = root @ root.T + 0.05 * torch.eye(5).double()
        stored = cov.diagonal().clone() if diagonal else cov
        cov = torch.diag(stored) if diagonal else cov
        frame = WhiteFrame(GaussianDenoiser(torch.zeros(5), stored), torch.tensor(NUMBERS))
        whole = WhiteFrame(GaussianDenoiser(torch.zeros(5), stored))
        for sigma in MIXED_LEVELS.values():
            coordinates = frame(MIXED_X, sigma)
            for i, row in enumerate(sigma.expand(N, 5)):
                root = coordinates.root[coordinates.pattern[i]]
                root = torch.diag(root) if root.dim() == 1 else root
                posterior = posterior_covariance(cov, torch.diag(row**2))
                expected = posterior[np.ix_(NUMBERS, NUMBERS)]
                torch.testing.assert_close(root @ root.T, expected, rtol=1e-6, atol=1e-9)
            # the rest is as it would be without
            torch.testing.assert_close(coordinates.white, whole(MIXED_X, sigma).white)
            torch.testing.assert_close(coordinates.mean, whole(MIXED_X, sigma).mean)

    @every_mixed_level
    def test_outputs_are_white_corrections_and_logits(self, sigma):
        _, gaussian = independent_distribution(NUMBERS_COVS["full"])
        net = Silent(7)
        denoiser = Preconditioned(net, gaussian, levels=CATEGORIES)
        correction = normal(7, seed=23)
        with torch.no_grad():
            net.outputs.copy_(correction)
        mean = denoiser(MIXED_X, sigma).mean
        coordinates = denoiser.frame(MIXED_X, sigma)
        own = coordinates.colour(correction[:2].expand(N, 2))
        torch.testing.assert_close(mean[:, NUMBERS], coordinates.mean[:, NUMBERS] + own)
        log_prob = CATEGORIES.normalise(CATEGORIES.log_prob(MIXED_X, sigma) + correction[2:])
        codes = [1, 2, 4]
        torch.testing.assert_close(mean[:, codes], CATEGORIES.mean(log_prob)[:, codes])
        prepared = denoiser.prepare(MIXED_X, sigma)
        found = denoiser.category_log_prob(prepared, denoiser.correction(prepared))
        torch.testing.assert_close(found, log_prob)

    @every_mixed_level
    def test_what_the_network_sees(self, sigma):
        """The white row; the baseline's direction, white where numbers are; the probabilities."""
        distribution, gaussian = independent_distribution(NUMBERS_COVS["full"])
        net = Silent(7)
        denoiser = Preconditioned(net, gaussian, distribution, CATEGORIES)
        denoiser(MIXED_X, sigma)
        # few rows are repeated up to a number whose products do not depend on it
        white, direction, levels = net.seen[: len(MIXED_X)].split([5, 5, 5], dim=1)
        coordinates = denoiser.frame(MIXED_X, sigma)
        torch.testing.assert_close(white, coordinates.white)
        torch.testing.assert_close(levels, CATEGORIES.log_prob(MIXED_X, sigma).exp())
        expected = distribution(MIXED_X, sigma).mean - coordinates.mean
        codes = [1, 2, 4]
        torch.testing.assert_close(direction[:, codes], expected[:, codes])
        colour = coordinates.colour(direction[:, NUMBERS])
        torch.testing.assert_close(colour, expected[:, NUMBERS], rtol=1e-6, atol=1e-9)

    def test_categories_alone(self):
        """Rows without a number."""
        levels = Levels(
            3,
            [(torch.tensor([0, 1]), TRIANGLE), (torch.tensor([2]), FLAG)],
            [TRIANGLE_SHARES, FLAG_SHARES],
        )
        for cov in (torch.ones(3), 0.5 * torch.eye(3) + 0.5):
            net = ResidualMLP(8, 5, n_entries=3, width=8)
            denoiser = Preconditioned(net, GaussianDenoiser(torch.zeros(3), cov), levels=levels)
            for sigma in (torch.tensor(0.3), torch.exp(normal(N, 1))):
                x = normal(N, 3)
                expected = levels.mean(levels.log_prob(x, sigma))
                torch.testing.assert_close(denoiser(x, sigma).mean, expected)

    def test_rows_of_numbers_alone_have_no_levels(self):
        denoiser = Preconditioned(Silent(5), independent_distribution(NUMBERS_COVS["full"])[1])
        prepared = denoiser.prepare(MIXED_X, torch.tensor(0.3))
        with pytest.raises(ValueError, match="There are no categories"):
            denoiser.category_log_prob(prepared, denoiser.correction(prepared))

    def test_means_lie_among_the_codes(self):
        """Whatever a network says, the mean of a category is one of its levels'."""
        _, gaussian = independent_distribution(NUMBERS_COVS["full"])
        net = Silent(7)
        with torch.no_grad():
            net.outputs.copy_(100 * normal(7, seed=24))
        mean = Preconditioned(net, gaussian, levels=CATEGORIES)(
            10 * MIXED_X, torch.tensor(0.3)
        ).mean
        assert (mean[:, 4] >= -0.5).all() and (mean[:, 4] <= 2.0).all()
        assert (mean[:, 1:3].norm(dim=1) <= TRIANGLE.norm(dim=1).max() + 1e-9).all()

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_copies(self, duplicate):
        distribution, gaussian = independent_distribution(NUMBERS_COVS["full"])
        denoiser = Preconditioned(Silent(7), gaussian, distribution, CATEGORIES)
        sigma = MIXED_LEVELS["per entry"]
        assert torch.equal(duplicate(denoiser)(MIXED_X, sigma).mean, denoiser(MIXED_X, sigma).mean)
