"""Toy data against their densities: by integrals, histograms, other libraries and derivatives."""

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chisquare, norm

from benchmarks._toys import (
    checkerboard_log_density,
    eight_gaussians_log_density,
    make_checkerboard,
    make_eight_gaussians,
    make_pinwheel,
    make_two_spirals,
    pinwheel_log_density,
    two_spirals_log_density,
)

TOYS = {
    "eight gaussians": (make_eight_gaussians, eight_gaussians_log_density),
    "two spirals": (make_two_spirals, two_spirals_log_density),
    "pinwheel": (make_pinwheel, pinwheel_log_density),
    "checkerboard": (make_checkerboard, checkerboard_log_density),
}
every_toy = pytest.mark.parametrize(("make", "log_density"), TOYS.values(), ids=TOYS)

# A noise of each set's own, away from its default.
NOISES = {
    make: noise for (make, _), noise in zip(TOYS.values(), (0.5, 0.15, 0.3, 0.2), strict=True)
}


def cell_centres(half_width=6.0, n=120):
    """Centres of the square cells of a grid, and the area of a cell."""
    width = 2 * half_width / n
    ticks = -half_width + width * (np.arange(n) + 0.5)
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2), width**2


@cache
def density_in_cells(log_density, noise):
    """Density in the centres of the cells, noise None for the default, and the area of a cell."""
    centres, area = cell_centres()
    return np.exp(log_density(centres, **({} if noise is None else {"noise": noise}))), area


def coarse_counts(values, n=120, by=10):
    """Sums of a grid of n x n values over blocks of `by` x `by`."""
    return values.reshape(n // by, by, n // by, by).sum(axis=(1, 3)).ravel()


class TestEveryToy:
    @every_toy
    def test_density_integrates_to_one(self, make, log_density):
        for noise in (None, NOISES[make]):
            density, area = density_in_cells(log_density, noise)
            assert density.sum() * area == pytest.approx(1, abs=2e-5)

    @every_toy
    def test_rows_follow_the_density(self, make, log_density, global_random_seed):
        """Counts in the cells of a coarse grid, against the integral of the density over each."""
        for noise in (None, NOISES[make]):
            density, area = density_in_cells(log_density, noise)
            expected = coarse_counts(density * area)
            options = {} if noise is None else {"noise": noise}
            X = make(20_000, random_state=global_random_seed, **options)
            edges = np.linspace(-6, 6, 13)
            counts = np.histogram2d(*X.T, bins=(edges, edges))[0].ravel()
            expected *= counts.sum()
            busy = expected >= 5
            observed = np.append(counts[busy], counts[~busy].sum())
            wanted = np.append(expected[busy], expected[~busy].sum())
            keep = wanted > 0
            assert observed[~keep].sum() == 0
            wanted = wanted[keep] * observed[keep].sum() / wanted[keep].sum()
            assert chisquare(observed[keep], wanted).pvalue > 1e-4

    @every_toy
    def test_seed_settles_the_rows(self, make, log_density):
        first = make(20, random_state=3)
        np.testing.assert_array_equal(first, make(20, random_state=np.random.RandomState(3)))
        assert not np.array_equal(first, make(20, random_state=4))
        assert first.shape == (20, 2)
        assert make().shape == (100, 2)

    @every_toy
    def test_half_turn_or_fifth_of_a_turn_keeps_the_density(self, make, log_density):
        X = make(50, random_state=0)
        angle = 2 * math.pi / 5 if make is make_pinwheel else math.pi
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        np.testing.assert_allclose(log_density(X @ turn), log_density(X), rtol=1e-9)

    @every_toy
    def test_rows_far_away_are_unlikely_and_not_nan(self, make, log_density):
        far = log_density(np.array([[30.0, 40.0], [3e4, 4e4]]), noise=NOISES[make])
        assert (far < -50).all()
        assert far[1] < far[0]


class TestEightGaussians:
    def test_level_is_the_entropy_of_separate_gaussians(self):
        entropy = math.log(8) + math.log(2 * math.pi * math.e / 8)
        X = make_eight_gaussians(20_000, random_state=0)
        assert eight_gaussians_log_density(X).mean() == pytest.approx(-entropy, abs=0.03)

    def test_without_noise_there_are_eight_points(self):
        X = make_eight_gaussians(500, noise=0.0, random_state=0)
        assert len(np.unique(X.round(9), axis=0)) == 8
        np.testing.assert_allclose((X**2).sum(axis=1), 8)


class TestTwoSpirals:
    @pytest.mark.parametrize("noise", [0.03, 0.5])
    def test_density_is_the_integral_along_the_arms(self, noise):
        def along(angle, x, y):
            density = 2 * angle / (3 * math.pi) ** 2
            for value, centre in ((x, -math.cos(angle)), (y, math.sin(angle))):
                z = (value - centre * angle / 3) / noise
                density *= (norm.cdf(z) - norm.cdf(z - 1 / 6 / noise)) * 6
            return density

        X = make_two_spirals(2, noise=noise, random_state=1)
        for row, value in zip(X, np.exp(two_spirals_log_density(X, noise=noise)), strict=True):
            breaks = np.linspace(0, 3 * math.pi, 13)
            total = sum(
                quad(along, a, b, args=tuple(sign * row), epsabs=1e-12, limit=200)[0]
                for sign in (-1, 1)
                for a, b in pairwise(breaks)
            )
            assert value == pytest.approx(total / 2, rel=1e-6)


class TestPinwheel:
    def test_without_noise_rows_lie_on_arms_that_bend(self):
        X = make_pinwheel(4000, noise=0.0, random_state=0)
        radius = np.linalg.norm(X, axis=1)
        assert radius.mean() == pytest.approx(2, abs=0.03)
        assert radius.std() == pytest.approx(0.6, abs=0.03)
        angle = np.arctan2(X[:, 1], X[:, 0]) + np.exp(radius / 2) / 4
        steps = angle / (2 * math.pi / 5)
        on_an_arm = np.abs(steps - steps.round()) < 1e-9
        assert on_an_arm.mean() > 0.99  # the others are beyond the origin, on the far side


class TestCheckerboard:
    def test_level_is_that_of_an_area_of_32(self):
        X = make_checkerboard(2000, random_state=0)
        np.testing.assert_allclose(checkerboard_log_density(X), -math.log(32))

    def test_neighbouring_squares_differ(self):
        centres = np.arange(-3, 4, 2.0)
        board = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        dark = np.isfinite(checkerboard_log_density(board)).reshape(4, 4)
        assert dark.sum() == 8
        assert (dark[1:] != dark[:-1]).all()
        assert (dark[:, 1:] != dark[:, :-1]).all()
