"""Categories against mixtures of points, which are their exact distribution."""

import copy
import pickle

import pytest
import torch

from skdiffusion.diffusion.categories import Levels
from skdiffusion.diffusion.gaussians import EmpiricalDenoiser, MixtureDenoiser

N = 40


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


# a flag at the end, a triangle whose entries are apart and out of order, and two numbers
FLAG = (torch.tensor([4]), double([[-0.5], [2.0]]))
TRIANGLE = (torch.tensor([3, 1]), double([[1.0, 0.2], [-0.5, 0.8], [-0.7, -1.1]]))
SHARES = [double([3.0, 1.0]), double([5.0, 2.0, 3.0])]
LEVELS = Levels(5, [FLAG, TRIANGLE], SHARES)
NOISE = {
    "little": double(0.05),
    "some": double(0.7),
    "much": double(30.0),
    "per row": torch.exp(normal(N, 1, seed=1)),
    # the entries of a category have the same noise
    "per entry": torch.exp(normal(N, 5, seed=2))[:, [0, 1, 2, 1, 4]],
}
every_noise = pytest.mark.parametrize("sigma", NOISE.values(), ids=NOISE)


def noisy(sigma):
    flags, corners = (
        torch.randint(k, (N,), generator=torch.Generator().manual_seed(k)) for k in (2, 3)
    )
    x0 = normal(N, 5, seed=3)
    x0[:, FLAG[0]], x0[:, TRIANGLE[0]] = FLAG[1][flags], TRIANGLE[1][corners]
    return x0, x0 + sigma * normal(N, 5, seed=4)


def mixture_of(block, shares):
    """The distribution of one category alone."""
    codes = block[1]
    return MixtureDenoiser(shares, codes, torch.zeros_like(codes))


class TestPosterior:
    @every_noise
    def test_is_that_of_a_mixture_of_points(self, sigma):
        _, x = noisy(sigma)
        sigma = sigma.expand(N, 5)
        mean = LEVELS.mean(LEVELS.log_prob(x, sigma))
        for block, shares in zip([FLAG, TRIANGLE], SHARES, strict=True):
            columns = block[0]
            exact = mixture_of(block, shares)(x[:, columns], sigma[:, columns]).mean
            torch.testing.assert_close(mean[:, columns], exact)
        assert not mean[:, [0, 2]].any()

    @every_noise
    def test_of_rows_that_occur_as_often_as_the_shares_say(self, sigma):
        rows = TRIANGLE[1].repeat_interleave(torch.tensor([5, 2, 3]), dim=0)
        _, x = noisy(sigma)
        here = TRIANGLE[0]
        exact = EmpiricalDenoiser(rows)(x[:, here], sigma.expand(N, 5)[:, here]).mean
        found = LEVELS.mean(LEVELS.log_prob(x, sigma))[:, here]
        torch.testing.assert_close(found, exact)

    @every_noise
    def test_probabilities_are_those_of_bayes(self, sigma):
        """Shares times normal densities, divided by their sum."""
        _, x = noisy(sigma)
        found = LEVELS.log_prob(x, sigma).exp()
        noise = sigma.expand(N, 5)
        for block, shares, own in zip([FLAG, TRIANGLE], SHARES, [[0, 1], [2, 3, 4]], strict=True):
            columns, codes = block
            distribution = torch.distributions.Normal(codes, noise[:, columns].unsqueeze(1))
            weights = shares * distribution.log_prob(x[:, columns].unsqueeze(1)).sum(2).exp()
            expected = weights / weights.sum(1, keepdim=True)
            clear = weights.sum(1) > 1e-250
            torch.testing.assert_close(found[clear][:, own], expected[clear])

    def test_correction_adds_to_the_logarithms(self):
        """A factor for each level, such as what the rest of the row says."""
        _, x = noisy(NOISE["some"])
        factors = torch.exp(normal(N, 5, seed=5))
        plain = LEVELS.log_prob(x, NOISE["some"]).exp() * factors
        found = LEVELS.normalise(LEVELS.log_prob(x, NOISE["some"]) + factors.log()).exp()
        for own in (slice(0, 2), slice(2, 5)):
            expected = plain[:, own] / plain[:, own].sum(1, keepdim=True)
            torch.testing.assert_close(found[:, own], expected)

    def test_a_constant_for_each_category_says_nothing(self):
        _, x = noisy(NOISE["some"])
        constants = 50 * normal(N, 2, seed=6)[:, [0, 0, 1, 1, 1]]
        found = LEVELS.normalise(LEVELS.log_prob(x, NOISE["some"]) + constants)
        torch.testing.assert_close(found, LEVELS.log_prob(x, NOISE["some"]))

    @pytest.mark.parametrize("sigma", [1e-2, 1e-4, 1e-8])
    def test_next_to_no_noise(self, sigma):
        x0, _ = noisy(double(1.0))
        x = (x0 + sigma * normal(N, 5, seed=4)).requires_grad_()
        log_prob = LEVELS.log_prob(x, double(sigma))
        mean = LEVELS.mean(log_prob)
        assert log_prob.isfinite().all()
        torch.testing.assert_close(mean[:, [1, 3, 4]], x0[:, [1, 3, 4]])
        mean.sum().backward()
        assert x.grad.isfinite().all()

    def test_far_out(self):
        far = LEVELS.log_prob(1e6 * normal(N, 5), double(0.005))
        assert far.isfinite().all()
        assert LEVELS.mean(far).isfinite().all()

    def test_other_entries_do_not_matter(self):
        _, x = noisy(NOISE["some"])
        other = x.clone()
        other[:, [0, 2]] = 100.0
        assert torch.equal(LEVELS.log_prob(x, double(0.3)), LEVELS.log_prob(other, double(0.3)))

    def test_single_precision(self):
        _, x = noisy(NOISE["some"])
        found = LEVELS.log_prob(x.float(), torch.tensor(0.7))
        assert found.dtype == torch.float64
        torch.testing.assert_close(found, LEVELS.log_prob(x, double(0.7)), rtol=1e-4, atol=1e-4)

    def test_slope_is_that_of_the_exact_mean(self):
        """Gradients through the normalisation, by differences."""
        _, x = noisy(NOISE["some"])

        def mean(x):
            return LEVELS.mean(LEVELS.log_prob(x, double(0.7)))

        assert torch.autograd.gradcheck(mean, x[:3].clone().requires_grad_())


class TestNormalise:
    @pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
    def test_sums_to_one_for_each_category(self, scale):
        log_prob = LEVELS.normalise(scale * normal(N, 5))
        for own in (slice(0, 2), slice(2, 5)):
            torch.testing.assert_close(log_prob[:, own].logsumexp(1), torch.zeros(N).double())

    def test_is_the_logarithmic_softmax(self):
        logits = normal(N, 5)
        parts = [part.log_softmax(1) for part in logits.split([2, 3], dim=1)]
        torch.testing.assert_close(LEVELS.normalise(logits), torch.cat(parts, 1))

    def test_gradient_is_that_of_the_softmax(self):
        ours, other = (normal(N, 5).requires_grad_() for _ in range(2))
        weights = normal(N, 5, seed=1)
        (LEVELS.normalise(ours) * weights).sum().backward()
        parts = [part.log_softmax(1) for part in other.split([2, 3], dim=1)]
        (torch.cat(parts, 1) * weights).sum().backward()
        torch.testing.assert_close(ours.grad, other.grad)


class TestCrossEntropy:
    def test_is_the_surprise_of_the_true_level(self):
        flags, corners = torch.tensor([0, 1, 1, 0]), torch.tensor([2, 0, 1, 1])
        x0 = torch.zeros(4, 5).double()
        x0[:, FLAG[0]], x0[:, TRIANGLE[0]] = FLAG[1][flags], TRIANGLE[1][corners]
        log_prob = LEVELS.normalise(normal(4, 5))
        expected = torch.stack(
            [-log_prob[range(4), flags], -log_prob[range(4), 2 + corners]], dim=1
        )
        torch.testing.assert_close(LEVELS.cross_entropy(log_prob, x0), expected)

    def test_single_precision_rows_have_the_same_level(self):
        x0, x = noisy(NOISE["some"])
        log_prob = LEVELS.log_prob(x, NOISE["some"])
        expected = LEVELS.cross_entropy(log_prob, x0)
        assert torch.equal(LEVELS.cross_entropy(log_prob, x0.float()), expected)

    def test_a_code_that_is_no_vertex_has_the_nearest_level(self):
        x0, x = noisy(NOISE["some"])
        log_prob = LEVELS.log_prob(x, NOISE["some"])
        near = x0 + 0.1 * normal(N, 5, seed=7).clamp(-1, 1)
        expected = LEVELS.cross_entropy(log_prob, x0)
        assert torch.equal(LEVELS.cross_entropy(log_prob, near), expected)

    def test_is_least_at_the_exact_posterior(self):
        """On average over draws, any other correction is worse."""
        generator = torch.Generator().manual_seed(0)
        n, sigma = 20_000, double(0.8)
        level = torch.multinomial(SHARES[1] / 10, n, replacement=True, generator=generator)
        x0 = torch.zeros(n, 5).double()
        x0[:, TRIANGLE[0]] = TRIANGLE[1][level]
        x = x0 + sigma * normal(n, 5, seed=8)
        correction = torch.zeros(n, 5).double()

        def surprise(change):
            shift = correction + double([0, 0, *change])
            log_prob = LEVELS.normalise(LEVELS.log_prob(x, sigma) + shift)
            return LEVELS.cross_entropy(log_prob, x0)[:, 1].mean()

        exact = surprise([0, 0, 0])
        for change in ([0.5, 0, 0], [-0.5, 0, 0], [0, 0.5, 0], [0, 0, -0.5]):
            assert surprise(change) > exact + 0.005


class TestLayout:
    def test_attributes(self):
        assert (LEVELS.n_levels, len(LEVELS.sizes)) == (5, 2)
        assert LEVELS.numbers.tolist() == [0, 2]
        assert LEVELS.first.tolist() == [4, 3]
        torch.testing.assert_close(LEVELS.log_shares.exp(), double([0.75, 0.25, 0.5, 0.2, 0.3]))

    def test_categories_alone(self):
        levels = Levels(
            3, [(torch.tensor([2]), FLAG[1]), (torch.tensor([0, 1]), TRIANGLE[1])], SHARES
        )
        assert levels.numbers.shape == (0,)
        mean = levels.mean(levels.log_prob(torch.zeros(1, 3), double(1e6)))
        shares = SHARES[1] / 10
        torch.testing.assert_close(mean[0, :2], shares @ TRIANGLE[1])

    def test_hundreds(self):
        """300 flags are as exact as one."""
        generator = torch.Generator().manual_seed(0)
        shares = torch.rand(300, 1, generator=generator).double()
        shares = torch.cat([1 - shares, shares], 1) * 0.98 + 0.01
        codes = normal(300, 2, 1, seed=9)
        blocks = [(torch.tensor([k]), codes[k]) for k in range(300)]
        levels = Levels(300, blocks, list(shares))
        x = normal(20, 300, seed=10)
        log_prob = levels.log_prob(x, double(0.5))
        assert log_prob.shape == (20, 600)
        torch.testing.assert_close(
            log_prob.reshape(20, 300, 2).logsumexp(2), torch.zeros(20, 300).double()
        )
        mean = levels.mean(log_prob)
        for k in (0, 157, 299):
            exact = MixtureDenoiser(shares[k], codes[k], torch.zeros(2, 1))
            torch.testing.assert_close(mean[:, [k]], exact(x[:, [k]], double(0.5)).mean)

    def test_copies(self):
        _, x = noisy(NOISE["some"])
        expected = LEVELS.log_prob(x, double(0.5))
        for twin in (copy.deepcopy(LEVELS), pickle.loads(pickle.dumps(LEVELS))):
            assert torch.equal(twin.log_prob(x, double(0.5)), expected)
        assert not list(LEVELS.parameters())
