"""The denoising loss, against the losses of the papers in their own parametrisation."""

import pytest
import torch

from skdiffusion.diffusion.closed_form import GaussianDenoiser
from skdiffusion.diffusion.denoiser import eps_from_mean, v_from_mean
from skdiffusion.diffusion.preconditioning import Preconditioned
from skdiffusion.nets import ResidualMLP
from skdiffusion.training.objective import WEIGHTINGS, DenoisingLoss

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


def evaluate(weighting, sigma, cov=COV):
    """Loss of a correction; the noisy row and the posterior mean that belong to it."""
    denoiser = Preconditioned(ResidualMLP(D, D, width=4), GaussianDenoiser(torch.zeros(D), cov))
    x = X0 + sigma * EPS
    prepared = denoiser.prepare(x, sigma)
    loss = DenoisingLoss(weighting)(X0, prepared, CORRECTION)
    return loss, x, denoiser.mean(prepared, CORRECTION)


@every_level
class TestWeightings:
    def test_eps_is_the_error_of_the_noise(self, sigma):
        """Ho et al., equation 14."""
        loss, x, mean = evaluate("eps", sigma)
        torch.testing.assert_close(loss, ((EPS - eps_from_mean(mean, x, sigma)) ** 2).mean())

    def test_v_is_the_error_of_the_velocity(self, sigma):
        """Salimans and Ho: ``v = alpha eps - sigma_vp x0``."""
        loss, x, mean = evaluate("v", sigma)
        alpha = (1 + sigma**2).rsqrt()
        v = alpha * EPS - alpha * sigma * X0
        torch.testing.assert_close(loss, ((v - v_from_mean(mean, x, sigma)) ** 2).mean())

    def test_x0_is_the_error_of_the_row(self, sigma):
        loss, _, mean = evaluate("x0", sigma)
        torch.testing.assert_close(loss, ((X0 - mean) ** 2).mean())

    def test_min_snr_caps_the_signal_to_noise_ratio_at_five(self, sigma):
        """Hang et al., for a network that predicts the row."""
        loss, _, mean = evaluate("min_snr", sigma)
        weight = torch.minimum(1 / sigma**2, torch.tensor(5.0))
        assert (1 / sigma**2 > 5).any()
        torch.testing.assert_close(loss, (weight * (X0 - mean) ** 2).mean())

    def test_vlb_is_the_slope_of_the_signal_to_noise_ratio(self, sigma):
        """Kingma et al., equation 18: ``-dSNR / 2`` per unit of ``log sigma``."""
        loss, _, mean = evaluate("vlb", sigma)
        log_sigma = sigma.log().requires_grad_()
        (slope,) = torch.autograd.grad(torch.exp(-2 * log_sigma).sum(), log_sigma)
        torch.testing.assert_close(loss, (-slope / 2 * (X0 - mean) ** 2).mean())


class TestEdm:
    @pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
    @every_level
    def test_isotropic_weight_is_that_of_karras(self, sigma, deviation):
        """``lambda = (sigma ** 2 + s ** 2) / (sigma s) ** 2``, table 1."""
        loss, _, mean = evaluate("edm", sigma, torch.full((D,), deviation**2).double())
        weight = (sigma**2 + deviation**2) / (sigma * deviation) ** 2
        torch.testing.assert_close(loss, (weight * (X0 - mean) ** 2).mean())

    @every_level
    def test_is_the_mahalanobis_distance_under_the_posterior(self, sigma):
        """Error in units of the Gaussian's posterior covariance, whatever the correlations."""
        loss, _, mean = evaluate("edm", sigma)
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
        loss = DenoisingLoss()(x0, prepared, denoiser.correction(prepared))
        assert abs(loss.item() - 1) < 5 * (2 / (n * D)) ** 0.5


class TestDenoisingLoss:
    @pytest.mark.parametrize("weighting", ["edm", *sorted(WEIGHTINGS)])
    @every_level
    def test_zero_at_the_truth(self, weighting, sigma):
        denoiser = Preconditioned(ResidualMLP(D, D, width=4), GaussianDenoiser(torch.zeros(D), COV))
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        correction = prepared.coordinates.uncolour(X0 - prepared.coordinates.mean)
        loss = DenoisingLoss(weighting)(X0, prepared, correction)
        torch.testing.assert_close(loss.item(), 0.0, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("weighting", ["edm", *sorted(WEIGHTINGS)])
    def test_single_precision_rows_and_network(self, weighting):
        """As in training: the loss itself is still taken in double precision."""
        sigma = LEVELS["per entry"]
        denoiser = Preconditioned(ResidualMLP(D, D, width=4), GaussianDenoiser(torch.zeros(D), COV))
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        correction = CORRECTION.float().requires_grad_()
        loss = DenoisingLoss(weighting)(X0.float(), prepared, correction)
        expected = DenoisingLoss(weighting)(X0, prepared, CORRECTION)
        assert loss.shape == ()
        torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
        loss.backward()
        assert correction.grad.all()

    def test_unknown_weighting(self):
        with pytest.raises(ValueError, match=r"Unknown weighting 'snr'; choose 'edm' or one of"):
            DenoisingLoss("snr")


class TestTrim:
    @staticmethod
    def errors(trim, sigma):
        denoiser = Preconditioned(ResidualMLP(D, D, width=4), GaussianDenoiser(torch.zeros(D), COV))
        prepared = denoiser.prepare(X0 + sigma * EPS, sigma)
        return prepared, DenoisingLoss("x0", trim=trim)(X0, prepared, CORRECTION)

    @every_level
    @pytest.mark.parametrize("share", [0.25, 0.5])
    def test_leaves_out_the_rows_of_the_largest_error(self, sigma, share):
        prepared, loss = self.errors(share, sigma)
        coordinates = prepared.coordinates
        mean = coordinates.mean + coordinates.colour(CORRECTION)
        by_row = ((X0 - mean) ** 2).mean(1).sort().values
        torch.testing.assert_close(loss, by_row[: round((1 - share) * N)].mean())

    @every_level
    def test_zero_leaves_out_nothing(self, sigma):
        _, loss = self.errors(0.0, sigma)
        assert loss > self.errors(0.1, sigma)[1]
        torch.testing.assert_close(loss, evaluate("x0", sigma)[0])

    def test_rows_left_out_teach_nothing(self):
        sigma = LEVELS["per entry"]
        denoiser = Preconditioned(ResidualMLP(D, D, width=4), GaussianDenoiser(torch.zeros(D), COV))
        rows = X0.clone()
        rows[0] += 1000
        correction = CORRECTION.clone().requires_grad_()
        prepared = denoiser.prepare(rows + sigma * EPS, sigma)
        DenoisingLoss("x0", trim=0.5)(rows, prepared, correction).backward()
        assert not correction.grad[0].any()
        assert correction.grad.any()

    def test_one_row_is_kept_at_least(self):
        _, loss = self.errors(0.999, LEVELS["per entry"])
        assert loss.isfinite()

    @pytest.mark.parametrize("trim", [-0.1, 1.0, 2.0])
    def test_bad_share(self, trim):
        with pytest.raises(ValueError, match="trim must be a share from 0 to below 1, got"):
            DenoisingLoss(trim=trim)
