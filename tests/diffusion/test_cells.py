"""Bounds of cells, and sums that leave cells out, against the sums over all kernels."""

import math

import pytest
import torch

from skdiffusion.diffusion import kernel_density as kernel_module
from skdiffusion.diffusion.cells import Cells
from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.diffusion.woodbury import noised_form

F64 = torch.float64
N, D, SIZE = 900, 3, 32
TOLERANCE = 1e-6


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=F64)


def parts(rank=D, point=False):
    """Narrow kernels in three clusters and a few wide ones; one column may hold two classes."""
    centre = 6 * normal(3, D, seed=1)[torch.arange(N) % 3]
    width = torch.where(torch.arange(N) < 12, 2.0, 0.03)[:, None, None]
    weights = 0.1 + torch.rand(N, generator=seeded(4), dtype=F64)
    factors = width * normal(N, D, rank, seed=3)
    means, floors = centre + normal(N, D, seed=2), torch.full((N,), 0.02**2, dtype=F64)
    if point:
        means[:, 1], factors[:, 1] = (torch.arange(N) % 5 == 0).double(), 0.0
        floors = floors[:, None] * torch.tensor([1.0, 0.5, 2.0], dtype=F64)
    return means, factors, floors, weights


@pytest.fixture(
    params=[(1, False), (D, False), (D, True)],
    ids=["low rank", "full rank", "points"],
)
def pair(request, monkeypatch):
    """The same kernels, truncated and summed in full."""
    monkeypatch.setattr(kernel_module, "_MIN_TRUNCATED", 100)
    monkeypatch.setattr(kernel_module, "_CELL_SIZE", SIZE)
    kernels = parts(*request.param)
    truncated = KernelDenoiser(*kernels, tolerance=TOLERANCE)
    full = KernelDenoiser(*kernels, tolerance=0.0)
    assert truncated._cells is not None
    assert full._cells is None
    return truncated, full


LEVELS = {
    "clean": torch.zeros((), dtype=F64),
    "small": torch.tensor(0.05, dtype=F64),
    "middle": torch.tensor(1.0, dtype=F64),
    "large": torch.tensor(50.0, dtype=F64),
    "per column": torch.tensor([0.01, 3.0, 0.3], dtype=F64),
    "conditioned": torch.tensor([0.0, math.inf, 0.2], dtype=F64),
    "unknown": torch.tensor(math.inf, dtype=F64),
}
every_level = pytest.mark.parametrize("sigma", LEVELS.values(), ids=LEVELS)


def rows(denoiser, sigma):
    """Rows of the noised distribution, others between its clusters, and one far away."""
    noise = torch.where(torch.isfinite(sigma), sigma, 1.0)
    drawn = denoiser.sample(40, seeded(5))
    drawn = drawn + noise * normal(40, D, seed=6)
    return torch.cat([drawn, 5 * normal(20, D, seed=7), torch.full((1, D), 80.0, dtype=F64)])


class TestCells:
    def test_are_a_partition(self, pair):
        cells = pair[0]._cells
        members = torch.cat(cells.members)
        assert torch.equal(members.sort().values, torch.arange(N))
        assert max(len(part) for part in cells.members) <= SIZE

    def test_say_what_is_in_them(self, pair):
        kernels, cells = pair[0]._kernels(), pair[0]._cells
        F, floors = kernels.factors, kernels.floors
        S = F @ F.mT + torch.diag_embed(floors.expand(-1, D))
        for c, index in enumerate(cells.members):
            distance = (kernels.means[index] - cells.centres[c]).abs()
            assert (distance <= cells.reaches[c] + 1e-12).all()
            room = torch.linalg.eigvalsh(torch.diag(cells.widths[c]) - S[index])
            assert (room >= -1e-9 * cells.widths[c].max()).all()
            assert (floors[index] >= cells.floors[c]).all()
            total = kernels.log_weights[index].exp().sum()
            torch.testing.assert_close(cells.log_weights[c].exp(), total)

    @pytest.mark.parametrize("rank", [1, D])
    def test_wide_kernels_are_by_themselves(self, rank):
        """One among narrow ones would spoil the bound of their cell."""
        cells = Cells.of(KernelDenoiser(*parts(rank))._kernels(), SIZE)
        wide = torch.arange(N) < 12
        holding = [index for index in cells.members if wide[index].any()]
        assert len(holding) <= 2

    @every_level
    def test_bounds_hold(self, pair, sigma):
        truncated, _ = pair
        x, kernels = rows(truncated, sigma), truncated._kernels()
        levels = sigma.expand(D)
        y = truncated._centre(x, levels)
        bounds = truncated._cells.log_bounds(y, levels)
        each = noised_form(kernels, levels).log_weights(y)
        for c, index in enumerate(truncated._cells.members):
            exact = each[:, index].logsumexp(1)
            assert (exact <= bounds[:, c] + 1e-7 * (1 + exact.abs())).all()

    def test_bounds_are_of_use(self, pair):
        """At little noise many cells are known to be far below the sum."""
        truncated, _ = pair
        levels = LEVELS["small"].expand(D)
        y = truncated._centre(truncated.sample(50, seeded()), levels)
        bounds = truncated._cells.log_bounds(y, levels)
        exact = truncated.log_prob(y + truncated.origin, levels)
        assert (bounds < exact[:, None] - 20).double().mean() > 0.4

    def test_equal_kernels(self):
        """No direction in which to halve them."""
        means = torch.ones(100, 2, dtype=F64)
        kernels = KernelDenoiser(means, torch.zeros(100, 2, 0), torch.ones(100))
        cells = Cells.of(kernels._kernels(), 16)
        assert sorted(torch.cat(cells.members).tolist()) == list(range(100))
        assert (cells.reaches == 0).all()


class TestTruncatedSums:
    @every_level
    def test_log_prob_is_within_the_tolerance(self, pair, sigma):
        truncated, full = pair
        x = rows(truncated, sigma)
        error = truncated.log_prob(x, sigma) - full.log_prob(x, sigma)
        scale = full.log_prob(x, sigma).abs() * 1e-12
        assert (error.abs() <= 1.01 * TOLERANCE + scale).all()

    @every_level
    def test_other_sums_are_close(self, pair, sigma):
        truncated, full = pair
        x = rows(truncated, sigma)
        reach = (full.means.max() - full.means.min()).item()
        mine, theirs = truncated(x, sigma), full(x, sigma)
        torch.testing.assert_close(mine.mean, theirs.mean, rtol=1e-9, atol=3 * TOLERANCE * reach)
        scores = full.score(x, sigma)
        atol = 100 * TOLERANCE / 0.02
        torch.testing.assert_close(truncated.score(x, sigma), scores, rtol=1e-5, atol=atol)

    def test_noise_of_each_entry(self, pair):
        truncated, full = pair
        x = rows(truncated, LEVELS["middle"])[::4]
        sigma = 0.01 + 2 * torch.rand(x.shape, generator=seeded(8), dtype=F64) ** 2
        sigma[::3, 1], sigma[::4, 2] = math.inf, 0.0
        error = truncated.log_prob(x, sigma) - full.log_prob(x, sigma)
        assert (error.abs() <= 1.01 * TOLERANCE + full.log_prob(x, sigma).abs() * 1e-12).all()

    def test_most_cells_are_left_out(self, pair, monkeypatch):
        """And never all: the sums above would otherwise be no test."""
        truncated, _ = pair
        wanted = []
        evaluate = KernelDenoiser._evaluate_cells

        def watch(self, *args):
            wanted.append(args[-1])
            return evaluate(self, *args)

        monkeypatch.setattr(KernelDenoiser, "_evaluate_cells", watch)
        truncated.log_prob(truncated.sample(50, seeded()), LEVELS["small"])
        used = torch.stack(wanted).any(0).double().mean()
        assert 0 < used < 0.6

    def test_score_is_the_gradient(self, pair):
        truncated, _ = pair
        x = rows(truncated, LEVELS["small"])[:30].requires_grad_()
        log_prob = truncated.log_prob(x, LEVELS["small"])
        (gradient,) = torch.autograd.grad(log_prob.sum(), x)
        expected = truncated.score(x.detach(), LEVELS["small"])
        torch.testing.assert_close(expected, gradient, rtol=1e-6, atol=1e-4)

    def test_one_by_one(self, pair):
        truncated, _ = pair
        x = rows(truncated, LEVELS["small"])
        whole = truncated.log_prob(x, LEVELS["small"])
        single = torch.cat([truncated.log_prob(x[i : i + 1], LEVELS["small"]) for i in range(10)])
        torch.testing.assert_close(single, whole[:10], rtol=1e-10, atol=1e-9)

    def test_marginal_is_truncated_too(self, pair):
        truncated, full = pair
        kept = torch.tensor([True, False, True])
        x = truncated.sample(30, seeded())[:, kept]
        sigma = torch.tensor(0.1, dtype=F64)
        assert truncated.marginal(kept)._cells is not None
        error = truncated.marginal(kept).log_prob(x, sigma) - full.marginal(kept).log_prob(x, sigma)
        assert error.abs().max() < 2 * TOLERANCE

    def test_few_kernels_are_summed_in_full(self):
        assert KernelDenoiser(*parts())._cells is None
