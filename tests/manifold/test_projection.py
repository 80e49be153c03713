"""Planes for a trained denoiser: refused where rows fill space, taken where drawn rows are off."""

import warnings

import numpy as np
import pytest
import torch

from skdiffusion.diffusion import SOLVERS, GaussianDenoiser, karras, run
from skdiffusion.diffusion.tangent_denoiser import TangentDenoiser
from skdiffusion.manifold.projection import (
    GeometricRows,
    couple_tangent,
)

NOISE, SIGMA_MIN = 0.03, 0.005


def circle(n=600, d=3, seed=0):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    X = NOISE * rng.normal(size=(n, d))
    X[:, 0] += 1.4 * np.cos(angle)
    X[:, 1] += 1.4 * np.sin(angle)
    return X


def off_circle(X):
    return np.hypot(np.hypot(X[:, 0], X[:, 1]) - 1.4, np.linalg.norm(X[:, 2:3], axis=1))


def gaussian_of(X):
    """A denoiser that knows no more than the covariance."""
    return GaussianDenoiser(torch.from_numpy(X.mean(0)), torch.from_numpy(np.cov(X.T)))


def draw_from(gaussian, seed=0):
    """Draw rows by any denoiser, from the noised Gaussian."""

    def draw(denoiser, n):
        generator = torch.Generator().manual_seed(seed)
        start = gaussian.sample(n, generator, sigma=20.0)
        sigmas = karras(SIGMA_MIN, 20.0, 24)
        with torch.no_grad():
            return run(SOLVERS["dpmpp_2m"](denoiser, start, sigmas, generator=generator)).numpy()

    return draw


def couple(X, dimensions=(1, 2), frame=None, numbers=None, seed=0, **options):
    gaussian = gaussian_of(X)
    numbers = np.arange(X.shape[1]) if numbers is None else numbers
    rows = GeometricRows(X, numbers, frame)
    rng = np.random.RandomState(seed)
    sigma_min = options.pop("sigma_min", SIGMA_MIN)
    return gaussian, *couple_tangent(
        gaussian, draw_from(gaussian), rows, dimensions, sigma_min, rng, **options
    )


class TestCouple:
    def test_rows_that_fill_space_have_no_planes(self, global_random_seed):
        """The Gaussian's own denoiser is exact: no plane brings its draws nearer to fresh rows."""
        X = np.random.default_rng(global_random_seed).normal(size=(500, 3))
        gaussian, denoiser, choice = couple(X, seed=global_random_seed)
        assert denoiser is gaussian
        assert choice is None

    def test_a_circle_and_a_denoiser_that_misses_it(self):
        gaussian, denoiser, choice = couple(circle())
        assert isinstance(denoiser, TangentDenoiser)
        assert choice == 1
        near, far = (
            np.median(off_circle(draw_from(gaussian)(d, 300))) for d in (denoiser, gaussian)
        )
        real = np.median(off_circle(circle(seed=1)))
        assert far > 10 * real
        assert near < far / 2

    def test_the_planes_have_the_noise_of_the_rows(self):
        _, denoiser, _ = couple(circle(), dimensions=(1,), always=True)
        assert denoiser.floors.mean().sqrt().item() == pytest.approx(NOISE, rel=0.2)

    def test_always(self):
        X = np.random.default_rng(0).normal(size=(500, 3))
        _, denoiser, choice = couple(X, dimensions=(2,), always=True)
        assert isinstance(denoiser, TangentDenoiser)
        assert choice == 2

    def test_the_same_for_the_same_seed(self):
        x = torch.from_numpy(circle(20, seed=3))
        (_, first, one), (_, second, two) = couple(circle()), couple(circle())
        assert one == two
        level = torch.tensor(0.05)
        torch.testing.assert_close(first(x, level).mean, second(x, level).mean, rtol=0, atol=0)

    @pytest.mark.parametrize("n", [2, 11, 14])
    def test_few_rows(self, n):
        """Fewer than a neighbourhood have no planes; some more may have."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gaussian, denoiser, choice = couple(circle(n))
        if n <= 11:
            assert denoiser is gaussian
            assert choice is None

    def test_no_dimension_to_choose_from(self):
        gaussian, denoiser, choice = couple(circle(), dimensions=(), always=True)
        assert denoiser is gaussian
        assert choice is None

    def test_other_entries_are_left_alone(self):
        X = np.insert(circle(), 1, 5 * np.random.default_rng(1).normal(size=600), axis=1)
        gaussian, denoiser, choice = couple(X, numbers=np.array([0, 2, 3]))
        assert choice == 1
        x, level = torch.from_numpy(X[:50]), torch.tensor(0.05)
        torch.testing.assert_close(denoiser(x, level).mean[:, 1], gaussian(x, level).mean[:, 1])

    def test_directions_of_the_noise_floor_are_left_alone(self):
        X = circle(d=6)
        frame = np.eye(6)[:, :2]
        gaussian, denoiser, choice = couple(X, dimensions=(1,), frame=frame)
        assert choice is not None
        x, level = torch.from_numpy(X[:50]), torch.tensor(0.05)
        torch.testing.assert_close(denoiser(x, level).mean[:, 2:], gaussian(x, level).mean[:, 2:])
        assert denoiser.floors.mean().sqrt().item() == pytest.approx(NOISE, rel=0.2)

    def test_levels_that_never_see_planes(self):
        """Rows nearer to one another than the smallest level cannot be kept to planes."""
        gaussian, denoiser, choice = couple(circle(), sigma_min=0.5)
        assert denoiser is gaussian
        assert choice is None


class TestSeen:
    def test_the_floor_is_taken_off_about_the_mean(self):
        X = circle(d=5) + 7.0
        turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
        rows = GeometricRows(X, np.array([0, 1, 4]), turn[:, :2])
        Z = X[:, [0, 1, 4]]
        assert rows.seen.shape == (len(X), 2)
        np.testing.assert_allclose(rows.seen, (Z - Z.mean(0)) @ turn[:, :2])

    def test_all_directions(self):
        X = circle()
        rows = GeometricRows(X, np.arange(3), None)
        np.testing.assert_array_equal(rows.seen, X)
        assert rows.frame is None
        assert rows.entries is None
