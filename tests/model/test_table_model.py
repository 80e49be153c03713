"""The model of a table, on closed forms: all that estimators do follows from it."""

import math
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

from skdiffusion import TableEncoder
from skdiffusion.diffusion import GaussianDenoiser
from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.model.drawing import Sampling
from skdiffusion.model.imputation import Known, complete, expected_cells
from skdiffusion.model.table_model import Model
from skdiffusion.model.variation import vary
from skdiffusion.tables.conditions import Conditions
from skdiffusion.tables.frames import read_table
from skdiffusion.tables.target import TargetEncoder

MEAN = np.array([0.5, -1.0, 0.0])
COV = np.array([[1.0, 0.8, 0.0], [0.8, 1.5, 0.4], [0.0, 0.4, 0.7]])
GAUSSIAN = multivariate_normal(MEAN, COV)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def of_gaussian(X, mean=MEAN, cov=COV, target_encoder=None, **options):
    """The exact model of a Gaussian in the table's own units, shifted by the encoder's mean."""
    encoder = TableEncoder(numeric_transform=1.0, clip=False).fit(X)
    shift = np.array([codec.mean for codec in encoder.codecs_])
    shift = np.pad(shift, (0, len(mean) - len(shift)))
    gaussian = GaussianDenoiser(torch.from_numpy(mean - shift), torch.from_numpy(cov))
    return Model(
        encoder, gaussian, gaussian, 0.002, 50.0, target_encoder, n_likelihood_steps=60, **options
    )


@pytest.fixture(scope="module")
def X():
    return GAUSSIAN.rvs(400, random_state=0)


@pytest.fixture(scope="module")
def model(X):
    return of_gaussian(X)


class TestDensity:
    def test_is_that_of_the_gaussian(self, model, X):
        found = model.log_prob(model.encoder.transform(X[:20]))
        assert_allclose(found, GAUSSIAN.logpdf(X[:20]), atol=1e-3)

    def test_unknown_features_are_integrated_out(self, model, X):
        Z = model.encoder.transform(X[:20])
        Z[:, 1] = np.nan
        kept = [0, 2]
        expected = multivariate_normal(MEAN[kept], COV[np.ix_(kept, kept)]).logpdf(X[:20][:, kept])
        assert_allclose(model.log_prob(Z), expected, atol=1e-3)

    def test_exact_closed_form(self, X):
        Z = X - X.mean(0)
        kernels = KernelDenoiser(
            torch.from_numpy(Z), torch.zeros(len(Z), 3, 0).double(), torch.full((len(Z),), 0.3)
        )
        model = of_gaussian(X, X.mean(0), np.cov(X.T), sampling=Sampling(None))
        model = Model(**vars(model) | {"denoiser": kernels})
        expected = np.log(
            [np.mean(multivariate_normal.pdf(Z - z, cov=0.3 * np.eye(3))) for z in Z[:5]]
        )
        assert_allclose(model.log_prob(model.encoder.transform(X[:5])), expected, rtol=1e-5)


class TestLatents:
    def test_are_standard_normal_scores(self, X):
        """In one column the flow preserves ranks, so that latents are standardised rows."""
        one = of_gaussian(X[:, :1], MEAN[:1], COV[:1, :1])
        U = one.encode(one.encoder.transform(X[:20, :1]))
        assert_allclose(U[:, 0], (X[:20, 0] - MEAN[0]) / math.sqrt(COV[0, 0]), atol=2e-3)

    def test_round_trip(self, model, X):
        Z = model.encoder.transform(X[:20])
        assert_allclose(model.decode(model.encode(Z)), Z, atol=1e-4)

    def test_rows_with_gaps_have_none(self, model, X):
        Z = model.encoder.transform(X[:3])
        Z[1, 0] = np.nan
        assert np.isnan(model.encode(Z)).all(axis=1).tolist() == [False, True, False]


class TestDenoising:
    @pytest.mark.parametrize("sigma", [0.3, 2.0])
    def test_is_the_posterior_mean(self, model, X, sigma):
        Z = model.encoder.transform(X[:20])
        gain = COV @ np.linalg.inv(COV + sigma**2 * np.eye(3))
        mean = model.prior.mean.numpy()
        assert_allclose(model.denoise(Z, sigma), mean + (Z - mean) @ gain.T, atol=1e-9)

    def test_noise_of_the_rows_is_taken_off_draws(self, X, global_random_seed):
        noise = np.array([0.5, 0.5, 0.5])
        noisy = of_gaussian(X, MEAN, COV + np.diag(noise**2), noise=noise)
        Z = noisy.draw(4000, seeded(global_random_seed))
        # draws end in the expectation at the lowest noise level, which narrows what is thin
        values = np.linalg.eigvalsh(COV)
        expected = values**2 / (values + noisy.lowest**2)
        assert_allclose(np.linalg.eigvalsh(np.cov(Z.T)), expected, rtol=0.08)


class TestTarget:
    def test_rows_are_those_without_the_target(self, X, global_random_seed):
        target_encoder = TargetEncoder(target="continuous").fit(X[:, 2])
        scale = target_encoder.encoder_.codecs_[0].scale
        unit = np.array([1.0, 1.0, 1 / scale])
        mean = MEAN * unit - [0, 0, target_encoder.encoder_.codecs_[0].mean / scale]
        both = of_gaussian(X[:, :2], mean, COV * np.outer(unit, unit), target_encoder)
        assert both.is_target.tolist() == [False, False, True]
        found = both.log_prob(both.encoder.transform(X[:10, :2]))
        expected = multivariate_normal(MEAN[:2], COV[:2, :2]).logpdf(X[:10, :2])
        assert_allclose(found, expected, atol=1e-3)
        known = np.array([[np.nan, np.nan, mean[2] + 1.0]])
        Z = both.draw(3000, seeded(global_random_seed), Conditions(known))
        slope = COV[:2, 2] / math.sqrt(COV[2, 2])
        step = slope * scale / math.sqrt(COV[2, 2])
        assert_allclose(Z[:, :2].mean(0) - both.prior.mean[:2].numpy(), step, atol=0.08)


class TestGaps:
    def test_means_and_draws_are_those_of_the_conditional(self, model, X, global_random_seed):
        rows = X[:30].copy()
        rows[:, 1] = np.nan
        known = Known(model, read_table(rows))
        gain = COV[1, [0, 2]] @ np.linalg.inv(COV[np.ix_([0, 2], [0, 2])])
        expected = MEAN[1] + (X[:30][:, [0, 2]] - MEAN[[0, 2]]) @ gain
        left = math.sqrt(COV[1, 1] - gain @ COV[[0, 2], 1])
        cells, target = expected_cells([known], 64, global_random_seed)
        assert target is None
        assert_allclose(cells[1], expected, atol=0.35 * left)
        drawn = complete(model, np.repeat(known.Z, 50, axis=0), None, global_random_seed)
        spread = drawn[:, 1].reshape(30, 50).std(1).mean()
        assert spread == pytest.approx(left, rel=0.06)


class TestVariation:
    def test_little_noise_keeps_rows_and_much_keeps_the_distribution(self, X, global_random_seed):
        y = X[:, 2]
        target_encoder = TargetEncoder(target="continuous").fit(y)
        scale = target_encoder.encoder_.codecs_[0].scale
        unit = np.array([1.0, 1.0, 1 / scale])
        mean = MEAN * unit - [0, 0, target_encoder.encoder_.codecs_[0].mean / scale]
        both = of_gaussian(X[:, :2], mean, COV * np.outer(unit, unit), target_encoder)
        rng = np.random.RandomState(global_random_seed)
        near = vary(both, X[:, :2], y, 0.01, rng)
        assert_allclose(near, X[:, :2], atol=0.1)
        far = vary(both, X[:, :2], y, 50.0, rng)
        assert abs(np.corrcoef(far[:, 0], X[:, 0])[0, 1]) < 0.25
        assert_allclose(far.std(0), np.sqrt(np.diag(COV)[:2]), rtol=0.15)

    def test_noise_outside_the_range(self, model, X):
        with pytest.raises(ValueError, match="sigma_max"):
            vary(model, X, X[:, 0], 100.0, np.random.RandomState(0))


class TestValue:
    def test_is_frozen(self, model):
        with pytest.raises(AttributeError):
            model.sigma_min = 1.0

    def test_pickle(self, model, X):
        again = pickle.loads(pickle.dumps(model))
        Z = model.encoder.transform(X[:5])
        assert_allclose(again.log_prob(Z), model.log_prob(Z))

    def test_trajectory_starts_at_noise_and_ends_at_rows(self, model):
        states, sigmas = model.trajectory(500, seeded())
        assert len(states) == len(sigmas)
        assert states[0].std() == pytest.approx(50.0, rel=0.1)
        assert_allclose(np.cov(states[-1].T), COV, atol=0.3)
