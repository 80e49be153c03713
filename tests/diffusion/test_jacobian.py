"""Jacobians against those of PyTorch."""

import pytest
import torch

from skdiffusion.diffusion import EmpiricalDenoiser, GaussianDenoiser, Marginal, MixtureDenoiser
from skdiffusion.diffusion import jacobian as jacobians
from skdiffusion.diffusion.jacobian import (
    check_probes,
    mean_and_diagonal,
    mean_and_products,
    principal_directions,
)

D = 3


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def mixture(d=D):
    root = normal(2, d, d, seed=5)
    return MixtureDenoiser(torch.tensor([1.0, 2.0]), normal(2, d, seed=6), root @ root.mT)


DENOISERS = {
    "gaussian": GaussianDenoiser(normal(D), torch.eye(D, dtype=torch.float64)),
    "mixture": mixture(),
    "marginal": Marginal(mixture(D + 1), torch.tensor([True, False, True, True]), 20.0),
    "network": lambda x, sigma: mixture()(x.tanh().flip(1), sigma),
}
LEVELS = {
    "scalar": torch.tensor(0.6, dtype=torch.float64),
    "per entry": torch.linspace(0.1, 3.0, 4 * D, dtype=torch.float64).reshape(4, D),
}


@pytest.fixture(params=DENOISERS)
def denoiser(request):
    return DENOISERS[request.param]


@pytest.fixture(params=LEVELS)
def sigma(request):
    return LEVELS[request.param]


def jacobian(denoiser, x, sigma):
    whole = torch.autograd.functional.jacobian(lambda rows: denoiser(rows, sigma).mean, x)
    return torch.stack([whole[i, :, i] for i in range(len(x))])


def test_products(denoiser, sigma):
    x, probes = normal(4, D, seed=1), normal(4, D, 2, seed=2)
    mean, products = mean_and_products(denoiser, x, sigma, probes)
    torch.testing.assert_close(mean, denoiser(x, sigma).mean)
    torch.testing.assert_close(products, jacobian(denoiser, x, sigma).mT @ probes)


def test_diagonal(denoiser, sigma):
    x = normal(4, D, seed=1).requires_grad_()
    _, diagonal = mean_and_diagonal(denoiser, x, sigma, check_probes(x, None))
    torch.testing.assert_close(diagonal, jacobian(denoiser, x, sigma).diagonal(dim1=1, dim2=2))
    assert not diagonal.requires_grad


def test_estimate_averages_over_the_probes(denoiser, sigma, monkeypatch):
    """All signs together are exact."""
    monkeypatch.setattr(jacobians, "_MAX_EXACT_COLUMNS", 0)
    x, signs = normal(4, D, seed=1), torch.tensor([-1.0, 1.0])
    _, exact = mean_and_diagonal(denoiser, x, sigma, check_probes(x, None))
    every = check_probes(x, torch.cartesian_prod(*[signs] * D))
    torch.testing.assert_close(mean_and_diagonal(denoiser, x, sigma, every)[1], exact)


def test_principal_directions(denoiser):
    x, sigma = normal(4, D, seed=1), LEVELS["scalar"]
    values, vectors = principal_directions(denoiser, x, sigma)
    whole = jacobian(denoiser, x, sigma)
    torch.testing.assert_close((vectors * values[:, None]) @ vectors.mT, (whole + whole.mT) / 2)
    assert (values.diff(dim=1) <= 0).all()


def test_tangents_of_a_circle():
    angles = torch.linspace(0, 2 * torch.pi, 201, dtype=torch.float64)[:-1]
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    level = torch.tensor(0.1, dtype=torch.float64)
    values, vectors = principal_directions(EmpiricalDenoiser(circle), circle[:7], level)
    across = (vectors[..., 0] * circle[:7]).sum(1)
    torch.testing.assert_close(across, torch.zeros_like(across), atol=1e-6, rtol=0)
    assert (values > 0.5).sum(1).tolist() == [1] * 7


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_directions_of_a_flat_gaussian(rank):
    """At little noise it keeps the subspace on which it lies, and nothing else."""
    basis = torch.linalg.qr(normal(6, rank, seed=3)).Q
    flat = GaussianDenoiser(normal(6, seed=4), basis @ basis.mT)
    level = torch.tensor(1e-3, dtype=torch.float64)
    values, vectors = principal_directions(flat, flat.sample(4), level)
    kept = vectors[..., :rank] @ vectors[..., :rank].mT
    torch.testing.assert_close(kept, (basis @ basis.mT).expand(4, 6, 6), atol=1e-6, rtol=0)
    expected = (torch.arange(6) < rank).to(values).expand(4, 6)
    torch.testing.assert_close(values, expected, atol=1e-5, rtol=0)


def test_inside_no_grad(denoiser, sigma):
    x = normal(4, D, seed=1)
    probes = check_probes(x, None)
    with torch.no_grad():
        found = mean_and_diagonal(denoiser, x, sigma, probes)[1]
    torch.testing.assert_close(found, mean_and_diagonal(denoiser, x, sigma, probes)[1])
