"""Known entries put in while sampling, against exact conditional laws."""

import pytest
import torch
from scipy.stats import kstest

from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.grid import log_linear
from skdiffusion.diffusion.repaint import repaint
from skdiffusion.diffusion.solvers import run

MEAN = torch.tensor([0.5, -1.0, 0.0]).double()
COV = torch.tensor([[1.0, 0.9, 0.3], [0.9, 1.0, 0.0], [0.3, 0.0, 0.5]]).double()
LAW = GaussianDenoiser(MEAN, COV)
LEVELS = log_linear(0.01, 20.0, 40)
VALUE = 2.0
KNOWN = torch.tensor([False, True, False])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def values_of(n):
    return torch.tensor([torch.nan, VALUE, torch.nan]).double().expand(n, 3)


def draw(n, n_resamples=5, seed=0, levels=LEVELS, **options):
    values = values_of(n)
    return run(
        repaint(
            LAW, values, ~values.isnan(), levels, n_resamples=n_resamples,
            generator=seeded(seed), **options,
        )
    )  # fmt: skip


def conditional():
    """Mean and covariance of the first and the last entry given the middle one."""
    gain = COV[[0, 2], 1] / COV[1, 1]
    mean = MEAN[[0, 2]] + gain * (VALUE - MEAN[1])
    return mean, COV[[0, 2]][:, [0, 2]] - torch.outer(gain, COV[1, [0, 2]])


def distance(drawn):
    mean, cov = conditional()
    return max(
        kstest(drawn[:, k].numpy(), "norm", (mean[i].item(), cov[i, i].sqrt().item())).statistic
        for i, k in enumerate([0, 2])
    )


class TestLaw:
    def test_resampling_brings_it_closer(self):
        once, more, most = (distance(draw(4000, r)) for r in (1, 4, 20))
        assert once > 1.5 * more > 1.5 * most
        assert once > 0.2
        assert most < 0.06

    def test_moments(self):
        drawn = draw(6000, 20)[:, [0, 2]]
        mean, cov = conditional()
        torch.testing.assert_close(drawn.mean(0), mean, rtol=0, atol=0.08)
        # of this the steps, which take a posterior mean for the truth, account for a half
        torch.testing.assert_close(drawn.T.cov(), cov, rtol=0, atol=0.1)

    def test_nothing_known(self):
        """Then it is a sampler like others, and each try again leaves the law as it is."""
        values, levels = torch.zeros(3000, 3).double(), log_linear(0.01, 20.0, 160)
        for n_resamples in (1, 3):
            steps = repaint(
                LAW, values, values > 1, levels, n_resamples=n_resamples, generator=seeded()
            )
            drawn = run(steps)
            torch.testing.assert_close(drawn.mean(0), MEAN, rtol=0, atol=0.08)
            torch.testing.assert_close(drawn.T.cov(), COV, rtol=0, atol=0.12)

    def test_known_entries_may_differ_between_rows(self):
        n = 3000
        values = torch.cat([values_of(n), torch.tensor([[torch.nan, torch.nan, 1.0]]).expand(n, 3)])
        drawn = run(
            repaint(LAW, values, ~values.isnan(), LEVELS, n_resamples=20, generator=seeded())
        )
        assert (drawn[:n, 1] == VALUE).all() and (drawn[n:, 2] == 1.0).all()
        assert distance(drawn[:n]) < 0.06
        expected = 0.5 + 0.3 / 0.5 * 1.0
        assert abs(drawn[n:, 0].mean() - expected) < 0.1


class TestRepaint:
    def test_known_entries_are_exact_at_the_end(self):
        assert (draw(50, 2)[:, 1] == VALUE).all()

    def test_known_entries_have_the_noise_of_their_level(self):
        """That is what the model was trained on."""
        *steps, last = repaint(
            LAW, values_of(4000), KNOWN.expand(4000, 3), LEVELS, generator=seeded()
        )
        assert len(steps) == len(LEVELS) - 1
        for x, sigma in zip(steps[1:], LEVELS[1:-1], strict=True):
            noise = (x[:, 1] - VALUE) / sigma
            assert abs(noise.mean()) < 0.1
            assert abs(noise.std() - 1) < 0.1
        assert (last[:, 1] == VALUE).all()

    def test_levels_are_the_same_for_a_whole_row(self):
        seen = []

        def recorder(x, sigma):
            seen.append(sigma)
            return LAW(x, sigma)

        list(repaint(recorder, values_of(2), KNOWN.expand(2, 3), LEVELS, n_resamples=3))
        assert len(seen) == 3 * (len(LEVELS) - 1)
        assert all(sigma.dim() == 0 for sigma in seen)

    def test_is_reproducible(self):
        assert torch.equal(draw(20, 2), draw(20, 2))
        assert not torch.equal(draw(20, 2), draw(20, 2, seed=1))

    def test_rows_get_noise_of_their_own(self):
        assert len(draw(20, 2)[:, 0].unique()) == 20

    def test_shared_noise_makes_equal_rows_equal(self):
        drawn = draw(20, 3, shared=True)
        torch.testing.assert_close(drawn, drawn[:1].expand(20, 3))
        alone = draw(1, 3, shared=True)
        torch.testing.assert_close(alone, drawn[:1])

    def test_noise_of_ones_own(self):
        source = seeded()
        same = draw(6, 2, noise=lambda: torch.randn(6, 3, generator=source, dtype=torch.float64))
        assert torch.equal(same, draw(6, 2))

    def test_single_precision(self):
        values = values_of(5).float()
        drawn = run(repaint(LAW, values, ~values.isnan(), LEVELS, generator=seeded()))
        assert drawn.dtype == torch.float32

    @pytest.mark.parametrize("n_resamples", [0, -1])
    def test_at_least_one_try(self, n_resamples):
        with pytest.raises(ValueError, match="n_resamples must be at least 1, got"):
            draw(2, n_resamples)
