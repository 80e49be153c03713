"""Dimensions and tangent spaces from denoisers whose answer is known exactly."""

import pytest
import torch
from torch.testing import assert_close

from skdiffusion.diffusion import (
    EmpiricalDenoiser,
    GaussianDenoiser,
    MixtureDenoiser,
    Posterior,
    flipd,
    jacobian,
    tangent_space,
)

D = 6
SMALL = torch.tensor(1e-3, dtype=torch.float64)
ESTIMATORS = {
    "flipd": flipd,
    "kept": lambda model, x, sigma: tangent_space(model, x, sigma).dimension,
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def flat(rank, seed=0):
    """A Gaussian on a random subspace, and an orthonormal basis of that."""
    basis = torch.linalg.qr(normal(D, D, seed=seed))[0][:, :rank]
    spread = torch.linspace(0.5, 2.0, rank, dtype=torch.float64)
    return GaussianDenoiser(normal(D, seed=seed + 1), basis * spread @ basis.T), basis


def mixture():
    """Three Gaussians that overlap."""
    root = normal(3, D, D, seed=5) / 2
    return MixtureDenoiser(torch.tensor([1.0, 2.0, 1.0]), normal(3, D, seed=6), root @ root.mT)


class TestAll:
    @pytest.mark.parametrize("rank", [1, 3, 6])
    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_rank_of_a_gaussian(self, name, rank):
        model, _ = flat(rank)
        x = model.sample(5, seeded(2))
        found = ESTIMATORS[name](model, x, SMALL).to(torch.float64)
        assert_close(found, torch.full((5,), float(rank), dtype=torch.float64), atol=1e-3, rtol=0)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_of_a_point(self, name):
        """A row far from all others is a piece of no dimension."""
        model = EmpiricalDenoiser(5 * torch.eye(D, dtype=torch.float64))
        found = ESTIMATORS[name](model, model.means, SMALL).to(torch.float64)
        assert_close(found, torch.zeros(D, dtype=torch.float64), atol=1e-9, rtol=0)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_pieces_of_several_dimensions(self, name):
        covs = torch.zeros(2, D, dtype=torch.float64)
        covs[0, :1], covs[1, :4] = 1, 1
        means = torch.zeros(2, D, dtype=torch.float64)
        means[1, -1] = 20
        model = MixtureDenoiser(torch.ones(2), means, covs)
        found = ESTIMATORS[name](model, means, SMALL).to(torch.float64)
        wanted = torch.tensor([1.0, 4.0], dtype=torch.float64)
        assert_close(found, wanted, atol=1e-3, rtol=0)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_wrong_rows_and_levels(self, name):
        model, _ = flat(2)
        with pytest.raises(ValueError, match="Every noise level must be positive"):
            ESTIMATORS[name](model, normal(2, D), torch.tensor(0.0))
        with pytest.raises(ValueError, match="floating-point tensor of shape"):
            ESTIMATORS[name](model, normal(D), SMALL)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_leaves_no_gradient_and_no_trace_in_the_global_generator(self, name):
        model, _ = flat(2)
        before = torch.random.get_rng_state()
        found = ESTIMATORS[name](model, normal(2, D).requires_grad_(), SMALL)
        assert not found.requires_grad
        assert torch.equal(before, torch.random.get_rng_state())


class TestFlipd:
    @pytest.mark.parametrize("sigma", [0.1, 1.0, 3.0])
    def test_at_the_mean_of_a_gaussian(self, sigma):
        """There the trace of the Jacobian is left alone."""
        model, _ = flat(4)
        values = torch.linalg.eigvalsh(model.cov).clamp_min(0)
        wanted = (values / (values + sigma**2)).sum().expand(1)
        found = flipd(model, model.mean[None], torch.tensor(sigma, dtype=torch.float64))
        assert_close(found, wanted)

    def test_estimate_is_unbiased(self, global_random_seed, monkeypatch):
        model, x = mixture(), normal(2, D, seed=9)
        probes = torch.randint(0, 2, (2000, D), generator=seeded(global_random_seed)) * 2.0 - 1
        level = torch.tensor(0.7, dtype=torch.float64)
        exact = flipd(model, x, level)
        monkeypatch.setattr(jacobian, "_MAX_EXACT_COLUMNS", 0)
        # a single estimate has a standard deviation of less than one
        assert_close(flipd(model, x, level, probes=probes), exact, atol=4 / 2000**0.5, rtol=0)

    @pytest.mark.parametrize("sigma", [0.05, 0.4, 2.0])
    def test_is_the_growth_of_the_density(self, sigma):
        """``d + d log p_sigma(x) / d log sigma``, by differences of the exact density."""
        model, x, step = mixture(), normal(5, D, seed=3), 1e-4
        low, high = (torch.tensor(sigma, dtype=torch.float64) * f for f in (1 - step, 1 + step))
        slope = (model.log_prob(x, high) - model.log_prob(x, low)) / (high / low).log()
        found = flipd(model, x, torch.tensor(sigma, dtype=torch.float64))
        assert_close(found, D + slope, atol=1e-5, rtol=1e-5)

    def test_levels_of_each_entry(self):
        """All levels grow together."""
        model, x, step = mixture(), normal(5, D, seed=3), 1e-4
        sigma = torch.linspace(0.2, 1.0, D, dtype=torch.float64)
        above, below = (model.log_prob(x, sigma * (1 + s)) for s in (step, -step))
        slope = (above - below) / (2 * step)
        assert_close(flipd(model, x, sigma), D + slope, atol=1e-5, rtol=1e-5)


class TestTangentSpace:
    @pytest.mark.parametrize("rank", [1, 3, 5])
    def test_of_a_gaussian(self, rank):
        model, basis = flat(rank)
        found = tangent_space(model, model.sample(4, seeded()), SMALL, rank)
        assert found.vectors.shape == (4, D, rank)
        projector = found.vectors @ found.vectors.mT
        assert_close(projector, (basis @ basis.T).expand(4, D, D), atol=1e-6, rtol=0)

    def test_against_the_jacobian_of_torch(self):
        model, x = mixture(), normal(3, D, seed=8)
        level = torch.tensor(0.6, dtype=torch.float64)
        found = tangent_space(model, x, level)
        for i in range(3):
            wanted = torch.autograd.functional.jacobian(
                lambda row: model(row[None], level).mean[0], x[i]
            )
            vectors, values = found.vectors[i], found.values[i]
            assert_close(vectors * values @ vectors.T, wanted, atol=1e-8, rtol=0)
        assert bool((found.values.diff(dim=1) <= 0).all())

    def test_symmetric_part(self):
        """A network's Jacobian need not be symmetric: a shear keeps half of each diagonal."""
        shear = torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
        found = tangent_space(lambda x, sigma: Posterior(x @ shear.T), normal(1, 2), SMALL)
        assert_close(found.values, torch.tensor([[1.5, 0.5]], dtype=torch.float64))

    def test_circle(self):
        """A mixture along a circle: its tangent, and one dimension."""
        angles = torch.linspace(0, 2 * torch.pi, 201, dtype=torch.float64)[:-1]
        circle = torch.stack([angles.cos(), angles.sin()], dim=1)
        model = EmpiricalDenoiser(circle)
        found = tangent_space(model, circle[:7], torch.tensor(0.1, dtype=torch.float64))
        across = (found.vectors[..., 0] * circle[:7]).sum(1)
        assert_close(across, torch.zeros_like(across), atol=1e-6, rtol=0)
        assert found.dimension.tolist() == [1] * 7
