"""Paths relaxed with denoisers in closed form, against known geodesics."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.testing import assert_close

from benchmarks.known_manifolds import Embedded, Sphere, SwissRoll
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.gaussians import EmpiricalDenoiser, GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.diffusion.paths import local_metric, relax_path
from skdiffusion.geometry.geodesics import geodesic_path

F64 = torch.float64


def path_length(path):
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def onto_sphere(x, sigma):
    """The exact projection, whose Jacobian is that onto the tangent plane."""
    return Posterior(x / x.norm(dim=1, keepdim=True))


def bent_path(a, b, n=30, seed=0, noise=0.05):
    """A noisy, unevenly spaced path around an arc between two points of the sphere."""
    t = torch.linspace(0, 1, n, dtype=F64).unsqueeze(1) ** 2
    middle = torch.tensor([0.3, 0.5, 1.0], dtype=F64)
    path = (1 - t) * a + t * b + 2 * t * (1 - t) * middle
    draws = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=F64)
    path[1:-1] += noise * draws[1:-1]
    return path


# most manifolds here are surfaces
tighten = partial(relax_path, dimension=2)


def great_circle(a, b, n):
    angle = torch.arccos(a @ b)
    t = torch.linspace(0, 1, n, dtype=F64).unsqueeze(1)
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


A = torch.tensor([1.0, 0.0, 0.0], dtype=F64)
B = torch.tensor([-0.6, 0.0, 0.8], dtype=F64)


def kernels_along(manifold, n, noise, seed=0):
    """Rows, and a kernel density whose kernels lie in the true tangent planes."""
    X = manifold.sample(n, noise=noise, random_state=seed)
    factors = 0.15 * manifold.tangent_basis(X)
    floors = np.full(n, max(noise, 1e-3) ** 2)
    parts = (torch.from_numpy(np.ascontiguousarray(part)) for part in (X, factors, floors))
    return X, KernelDenoiser(*parts)


def far_pairs(manifold, X, n_pairs):
    pairs = np.random.default_rng(0).choice(len(X), size=(100, 2))
    true = manifold.geodesic_distance(X[pairs[:, 0]], X[pairs[:, 1]])
    far = np.flatnonzero(true > np.median(true))[:n_pairs]
    return pairs[far], true[far]


class TestExactProjection:
    def test_great_circle(self):
        path = tighten(onto_sphere, bent_path(A, B), 0.1, tol=1e-4, n_iter=50)
        assert_close(path, great_circle(A, B, 30), atol=2e-3, rtol=0)

    def test_the_defaults_are_near_it(self):
        path = tighten(onto_sphere, bent_path(A, B), 0.1)
        assert_close(path, great_circle(A, B, 30), atol=0.03, rtol=0)
        assert_allclose(path_length(path), math.acos(-0.6), rtol=2e-3)

    def test_spacing(self):
        steps = tighten(onto_sphere, bent_path(A, B), 0.1, tol=1e-3).diff(dim=0).norm(dim=1)
        assert steps.max() < 1.02 * steps.min()

    def test_backwards(self):
        start = bent_path(A, B)
        there, back = (tighten(onto_sphere, path, 0.1) for path in (start, start.flip(0)))
        assert_close(there, back.flip(0), atol=1e-6, rtol=0)

    def test_ends(self):
        start = torch.cat([1.3 * A[None], bent_path(A, B)[1:-1], 0.9 * B[None]])
        path = tighten(onto_sphere, start, 0.1)
        assert_close(path[[0, -1]], torch.stack([A, B]))
        assert_close(path.norm(dim=1), torch.ones(30, dtype=F64), atol=1e-3, rtol=0)

    def test_leaves_its_arguments_and_the_global_generator_alone(self):
        start = bent_path(A, B).requires_grad_()
        before, state = start.detach().clone(), torch.get_rng_state()
        path = tighten(onto_sphere, start, 0.1)
        assert_close(start.detach(), before)
        assert not path.requires_grad
        assert torch.equal(torch.get_rng_state(), state)

    def test_single_precision(self):
        path = tighten(onto_sphere, bent_path(A, B).float(), 0.1)
        assert path.dtype == torch.float32
        assert_close(path.double(), great_circle(A, B, 30), atol=0.03, rtol=0)

    def test_three_points(self):
        path = tighten(onto_sphere, great_circle(A, B, 3), 0.1)
        assert_close(path, great_circle(A, B, 3), atol=1e-6, rtol=0)


class TestClosedForms:
    def test_does_not_drift_to_where_rows_are_many(self):
        """Off the middle of a flat Gaussian the geodesic is straight all the same."""
        flat = GaussianDenoiser(torch.zeros(3), torch.tensor([1.0, 1.0, 0.0]))
        x = torch.linspace(-1, 1, 21, dtype=F64)
        start = torch.stack([x, 2 - x**2, 0.1 * x.cos()], dim=1)
        start[[0, -1], 2] = 0
        path = tighten(flat, start, 0.3, tol=1e-4, n_iter=50)
        expected = torch.stack([x, torch.ones_like(x), torch.zeros_like(x)], dim=1)
        # the ends are denoised, once
        assert_close(path, expected / (1 + 0.3**2), atol=2e-3, rtol=0)

    @pytest.mark.parametrize("seed", [0, 1])
    def test_a_plane_in_many_columns(self, seed):
        generator = torch.Generator().manual_seed(seed)
        plane = torch.linalg.qr(torch.randn(40, 3, generator=generator, dtype=F64)).Q
        denoiser = GaussianDenoiser(torch.zeros(40), 4 * plane @ plane.mT)
        ends = torch.randn(2, 3, generator=generator, dtype=F64) @ plane.mT
        t = torch.linspace(0, 1, 15, dtype=F64).unsqueeze(1)
        straight = (1 - t) * ends[0] + t * ends[1]
        start = straight + 0.3 * torch.randn(15, 40, generator=generator, dtype=F64)
        start[[0, -1]] = ends
        path = relax_path(denoiser, start, 0.1, dimension=3, n_iter=40, tol=1e-4)
        assert_close(path, straight * 4 / (4 + 0.1**2), atol=1e-3, rtol=0)

    @pytest.mark.parametrize(
        ("manifold", "noise"),
        [(SwissRoll(), 0.0), (Embedded(SwissRoll(), 50), 0.02), (Embedded(Sphere(), 20), 0.02)],
        ids=["roll in 3", "noisy roll in 50", "noisy sphere in 20"],
    )
    def test_kernels_on_a_manifold(self, manifold, noise):
        X, denoiser = kernels_along(manifold, 1000, noise)
        pairs, true = far_pairs(manifold, X, 3)
        starts = [geodesic_path(X, X[i], X[j], 40) for i, j in pairs]
        paths = [tighten(denoiser, torch.from_numpy(path), 0.1).numpy() for path in starts]
        ratio = np.array([path_length(path) for path in paths]) / true
        assert abs(ratio - 1).max() < 0.07
        distance = np.mean([manifold.distance(path[1:-1]).mean() for path in paths])
        assert distance < (0.02 if noise == 0 else 0.6 * noise * math.sqrt(X.shape[1] - 2))

    def test_rows_alone(self):
        sphere = Sphere()
        denoiser = EmpiricalDenoiser(torch.from_numpy(sphere.sample(1500, random_state=0)))
        path = tighten(denoiser, bent_path(A, B), 0.2)
        assert_allclose(path_length(path), math.acos(-0.6), rtol=0.05)
        assert sphere.distance(path.numpy()).max() < 0.06

    def test_two_sheets(self):
        """Between two sheets a denoiser is in doubt; the path stays on its sheet."""
        x = torch.linspace(-1, 1, 15, dtype=F64)
        grid = torch.cartesian_prod(x, x)
        sheets = torch.cat(
            [torch.cat([grid, torch.full_like(grid[:, :1], z)], dim=1) for z in (-0.3, 0.3)]
        )
        weights = torch.ones(len(sheets), dtype=F64)
        denoiser = MixtureDenoiser(weights, sheets, torch.tensor([0.01, 0.01, 0.0]).expand(450, 3))
        start = torch.stack([x, 0.4 * (1 - x**2), 0.3 - 0.2 * (1 - x**2)], dim=1)
        path = tighten(denoiser, start, 0.15)
        assert_close(path[:, 2], torch.full_like(x, 0.3), atol=0.02, rtol=0)
        assert_close(path[:, 1], torch.zeros_like(x), atol=0.05, rtol=0)


class TestMetric:
    def test_of_a_gaussian(self):
        root = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
        cov, sigma, eps = root @ root.mT, 0.3, 0.05
        metric = local_metric(
            GaussianDenoiser(torch.zeros(4), cov),
            torch.ones(3, 4, dtype=F64),
            torch.tensor(sigma, dtype=F64),
            eps=eps,
        )
        jacobian = cov @ torch.linalg.inv(cov + sigma**2 * torch.eye(4, dtype=F64))
        expected = torch.linalg.inv(jacobian + eps * torch.eye(4, dtype=F64)).numpy()
        assert_allclose(metric.numpy(), np.tile((1 + eps) * expected, (3, 1, 1)), rtol=1e-8)

    def test_lengths_on_a_sphere(self):
        metric = local_metric(onto_sphere, torch.stack([A, B]), torch.tensor(0.1), eps=0.01)
        for point, tensor in zip((A, B), metric, strict=True):
            assert_close(point @ tensor @ point, torch.tensor(101.0, dtype=F64))
            along = torch.linalg.cross(point, torch.tensor([0.0, 1.0, 0.0], dtype=F64))
            assert_close(along @ tensor @ along, along @ along)

    def test_between_clusters_it_is_not_shorter_than_along(self):
        points = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
        pair = MixtureDenoiser(torch.ones(2), points, torch.zeros(2, 2))
        metric = local_metric(pair, torch.zeros(1, 2), torch.tensor(0.5))
        assert_close(metric[0, 0, 0], torch.tensor(1.0))
