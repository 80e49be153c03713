"""The denoising loss, against the losses of the papers in their own parametrisation."""

import pytest
import torch

from skdiffusion.diffusion.categories import Levels
from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.preconditioning import Preconditioned
from skdiffusion.nets import ResidualMLP
from skdiffusion.training.objective import DenoisingLoss

N, D = 8, 3


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X0, EPS, CORRECTION = normal(3, N, D, seed=0)
LEVELS = {
    "uniform": torch.exp(normal(N, 1, seed=1)),
    "per entry": torch.exp(normal(N, D, seed=2)),
}
every_level = pytest.mark.parametrize("sigma", LEVELS.values(), ids=LEVELS)
_root = normal(D, D, seed=3)
COV = _root @ _root.T + 0.1 * torch.eye(D, dtype=torch.float64)


def evaluate(sigma, cov=COV):
    """Loss of a correction; the noisy row and the posterior mean that belong to it."""
    denoiser = Preconditioned(ResidualMLP(D, D, width=4), GaussianDenoiser(torch.zeros(D), cov))
    x = X0 + sigma * EPS
    prepared = denoiser.prepare(x, sigma)
    loss = DenoisingLoss()(X0, denoiser, prepared, CORRECTION)
    return loss, x, denoiser.mean(prepared, CORRECTION)


class TestWeights:
    @pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
    @every_level
    def test_isotropic_weight_is_that_of_karras(self, sigma, deviation):
        """``lambda = (sigma ** 2 + s ** 2) / (sigma s) ** 2``, table 1."""
        loss, _, mean = evaluate(sigma, torch.full((D,), deviation**2).double())
        weight = (sigma**2 + deviation**2) / (sigma * deviation) ** 2
        torch.testing.assert_close(loss, (weight * (X0 - mean) ** 2).mean())

    @every_level
    def test_is_the_mahalanobis_distance_under_the_posterior(self, sigma):
        """Error in units of the Gaussian's posterior covariance, whatever the correlations."""
        loss, _, mean = evaluate(sigma)
        precision = torch.linalg.inv(COV) + torch.diag_embed(1 / sigma.expand(N, D) ** 2)
        error = X0 - mean
        torch.testing.assert_close(
            loss, torch.einsum("ni,nij,nj->", error, precision, error) / X0.numel()
        )

    def test_untrained_loss_of_gaussian_rows_is_one(self):
        """White targets, and a network that predicts zero."""
        n = 40_000
        gaussian = GaussianDenoiser(torch.zeros(D), COV)
        denoiser = Preconditioned(ResidualMLP(D, D, width=4), gaussian)
        x0 = gaussian.sample(n, torch.Generator().manual_seed(0))
        sigma = torch.tensor([[0.005, 0.5, 20.0]], dtype=torch.float64)
        prepared = denoiser.prepare(x0 + sigma * normal(n, D, seed=4), sigma)
        loss = DenoisingLoss()(x0, denoiser, prepared, denoiser.correction(prepared))
        assert abs(loss.item() - 1) < 5 * (2 / (n * D)) ** 0.5


class TestDenoisingLoss:
    @every_level
    def test_zero_at_the_truth(self, sigma):
        denoiser = Preconditioned(ResidualMLP(D, D, width=4), GaussianDenoiser(torch.zeros(D), COV))
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        correction = prepared.coordinates.uncolour(X0 - prepared.coordinates.mean)
        loss = DenoisingLoss()(X0, denoiser, prepared, correction)
        torch.testing.assert_close(loss.item(), 0.0, rtol=0, atol=1e-12)

    def test_single_precision_rows_and_network(self):
        """As in training: the loss itself is still taken in double precision."""
        sigma = LEVELS["per entry"]
        denoiser = Preconditioned(ResidualMLP(D, D, width=4), GaussianDenoiser(torch.zeros(D), COV))
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        correction = CORRECTION.float().requires_grad_()
        loss = DenoisingLoss()(X0.float(), denoiser, prepared, correction)
        expected = DenoisingLoss()(X0, denoiser, prepared, CORRECTION)
        assert loss.shape == ()
        torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
        loss.backward()
        assert correction.grad.all()


def whitened(error, covariance):
    """Squared Mahalanobis length."""
    return error @ torch.linalg.solve(covariance, error)


def posterior_covariance(sigma):
    return torch.linalg.inv(torch.linalg.inv(COV) + torch.diag(1 / sigma.expand(D) ** 2))


class TestMissing:
    GAPS = torch.tensor(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]]
    ).bool()
    ROWS = torch.where(GAPS, torch.nan, X0)

    @staticmethod
    def denoiser(cov=COV):
        return Preconditioned(ResidualMLP(D, D, width=4), GaussianDenoiser(torch.zeros(D), cov))

    @every_level
    def test_error_of_the_rest_is_measured_by_its_own_covariance(self, sigma):
        denoiser = self.denoiser()
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        loss = DenoisingLoss()(self.ROWS, denoiser, prepared, CORRECTION)
        error = X0 - denoiser.mean(prepared, CORRECTION)
        total = 0.0
        for i in range(N):
            here = ~self.GAPS[i]
            covariance = posterior_covariance(sigma[i])[here][:, here]
            total += whitened(error[i, here], covariance)
        torch.testing.assert_close(loss, total / (~self.GAPS).sum())

    @every_level
    def test_with_a_diagonal_gaussian(self, sigma):
        denoiser = self.denoiser(COV.diagonal().clone())
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        loss = DenoisingLoss()(self.ROWS, denoiser, prepared, CORRECTION)
        error = X0 - denoiser.mean(prepared, CORRECTION)
        precision = 1 / COV.diagonal() + 1 / sigma**2
        expected = (precision * error**2)[~self.GAPS].sum() / (~self.GAPS).sum()
        torch.testing.assert_close(loss, expected)

    def test_teaches_nothing(self):
        """A correction that moves missing entries alone has no slope."""
        sigma, denoiser = LEVELS["per entry"], self.denoiser()
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        correction = CORRECTION.clone().requires_grad_()
        DenoisingLoss()(self.ROWS, denoiser, prepared, correction).backward()
        assert correction.grad.isfinite().all()
        # the slope along each entry of the mean
        slope = prepared.coordinates.root[prepared.coordinates.pattern].mT
        slope = torch.linalg.solve(slope, correction.grad.unsqueeze(2)).squeeze(2)
        assert slope[self.GAPS].abs().max() < 1e-10
        assert slope[~self.GAPS].any()

    def test_nothing_there_at_all(self):
        denoiser, sigma = self.denoiser(), LEVELS["uniform"]
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        correction = CORRECTION.clone().requires_grad_()
        loss = DenoisingLoss()(X0 * torch.nan, denoiser, prepared, correction)
        loss.backward()
        assert loss == 0
        assert not correction.grad.any()

    def test_no_gaps_no_difference(self):
        """The covariance of all entries is the same whichever way its root is taken."""
        sigma, denoiser = LEVELS["per entry"], self.denoiser()
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        rows = torch.cat([X0, X0[:1] * torch.nan])
        twice = [torch.cat([part, part[:1]]) for part in (X0 + sigma * EPS, sigma, CORRECTION)]
        loss = DenoisingLoss()(X0, denoiser, prepared, CORRECTION)
        other = DenoisingLoss()(rows, denoiser, denoiser.prepare(*twice[:2]), twice[2])
        torch.testing.assert_close(other, loss)


# a number, a triangle, a number and a flag
TRIANGLE = torch.tensor([[1.0, 0.2], [-0.5, 0.8], [-0.7, -1.1]]).double()
FLAG = torch.tensor([[-0.5], [2.0]]).double()
CATEGORIES = Levels(
    5,
    [(torch.tensor([1, 2]), TRIANGLE), (torch.tensor([4]), FLAG)],
    [torch.tensor([5.0, 2.0, 3.0]), torch.tensor([3.0, 1.0])],
)


class TestLevels:
    CORNER, SIDE = torch.arange(N) % 3, torch.arange(N) % 2
    MIXED = torch.cat([X0[:, :1], TRIANGLE[CORNER], X0[:, 1:2], FLAG[SIDE]], dim=1)
    SIGMA = torch.exp(normal(N, 5, seed=2))[:, [0, 1, 1, 3, 4]]
    NOISY = MIXED + SIGMA * normal(N, 5, seed=7)
    OUTPUT = normal(N, 7, seed=8)

    def parts(self):
        """The denoiser, its prepared rows, and by hand the parts of the loss, row by row."""
        root = normal(5, 5, seed=6)
        cov = root @ root.T + 0.1 * torch.eye(5).double()
        net = ResidualMLP(10, 7, n_entries=5, width=4)
        denoiser = Preconditioned(net, GaussianDenoiser(torch.zeros(5), cov), levels=CATEGORIES)
        prepared = denoiser.prepare(self.NOISY, self.SIGMA)
        error = (self.MIXED - denoiser.mean(prepared, self.OUTPUT))[:, [0, 3]]
        covs = [
            torch.linalg.inv(torch.linalg.inv(cov) + torch.diag(1 / row**2))[[0, 3]][:, [0, 3]]
            for row in self.SIGMA
        ]
        evidence = CATEGORIES.log_prob(self.NOISY, self.SIGMA)
        log_prob = CATEGORIES.normalise(evidence + self.OUTPUT[:, 2:])
        rows = torch.arange(N)
        surprise = -torch.stack([log_prob[rows, self.CORNER], log_prob[rows, 3 + self.SIDE]], 1)
        return denoiser, prepared, error, covs, surprise

    def test_is_white_error_and_cross_entropy(self):
        denoiser, prepared, error, covs, surprise = self.parts()
        loss = DenoisingLoss()(self.MIXED, denoiser, prepared, self.OUTPUT)
        squares = torch.stack([whitened(e, c) for e, c in zip(error, covs, strict=True)])
        torch.testing.assert_close(loss, (squares.sum() + surprise.sum()) / (4 * N))

    def test_missing_cells(self):
        denoiser, prepared, error, covs, surprise = self.parts()
        rows = self.MIXED.clone()
        rows[0, 0] = rows[1, 1:3] = rows[2, 4] = rows[3, [0, 3]] = torch.nan
        output = self.OUTPUT.clone().requires_grad_()
        loss = DenoisingLoss()(rows, denoiser, prepared, output)
        squares = [whitened(e, c) for e, c in zip(error, covs, strict=True)]
        squares[0] = error[0, 1] ** 2 / covs[0][1, 1]
        squares[3] = torch.zeros(()).double()
        surprise[1, 0] = surprise[2, 1] = 0.0
        n_cells = 3 + 3 + 3 + 2 + 4 * 4
        torch.testing.assert_close(loss, (sum(squares) + surprise.sum()) / n_cells)
        loss.backward()
        assert output.grad.isfinite().all()
        # the logits of levels that are missing, and corrections where no number is there
        assert not output.grad[1, 2:5].any()
        assert not output.grad[2, 5:].any()
        assert not output.grad[3, :2].any()
        assert output.grad[4:].any()


class TestSampleWeight:
    ROWS = torch.where(TestMissing.GAPS, torch.nan, X0)
    SIGMA = LEVELS["per entry"]

    def loss(self, index, weights=None, correction=CORRECTION):
        denoiser = TestMissing.denoiser()
        prepared = denoiser.prepare((X0 + self.SIGMA * EPS)[index], self.SIGMA[index])
        weights = None if weights is None else torch.as_tensor(weights)
        return DenoisingLoss()(self.ROWS[index], denoiser, prepared, correction[index], weights)

    def test_weight_two_is_the_row_twice(self):
        once, twice = list(range(N)), [*range(N), 1, 7, 7]
        weighted = self.loss(once, [1.0, 2, 1, 1, 1, 1, 1, 3])
        torch.testing.assert_close(weighted, self.loss(twice))

    def test_equal_weights_are_none(self):
        rows = list(range(N))
        torch.testing.assert_close(self.loss(rows, torch.full((N,), 5.0)), self.loss(rows))

    def test_weight_zero_is_no_row(self):
        weights, rows = torch.ones(N), list(range(N))
        weights[[0, 4]] = 0
        correction = CORRECTION.clone().requires_grad_()
        loss = self.loss(rows, weights, correction)
        torch.testing.assert_close(loss, self.loss([1, 2, 3, 5, 6, 7]))
        loss.backward()
        assert not correction.grad[[0, 4]].any()
        assert correction.grad[1:].any()

    def test_no_weight_at_all(self):
        correction = CORRECTION.clone().requires_grad_()
        loss = self.loss(list(range(N)), torch.zeros(N), correction)
        loss.backward()
        assert loss == 0
        assert not correction.grad.any()
