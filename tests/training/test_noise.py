"""The distribution of the noise levels a denoiser is trained at."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest, norm

from skdiffusion.diffusion.schedule import SCHEDULES
from skdiffusion.training.noise import NoiseLevels

SIGMA_MIN, SIGMA_MAX = 0.005, 20.0
GROUPS = torch.tensor([0, 0, 1, 2, 2, 2, 3])
NO_TARGET = torch.zeros(len(GROUPS), dtype=torch.bool)
LABEL = torch.tensor([0, 0, 0, 1, 1, 1, 0]).bool()
FEATURES = GROUPS != 2
N = 20_000


@pytest.fixture(autouse=True)
def seeded(global_random_seed):
    """Draw from the seed of the suite."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(global_random_seed)
        yield


def levels(**options):
    return NoiseLevels(SIGMA_MIN, SIGMA_MAX, **options)


def within(share, probability, n=N):
    """Whether a share of n draws is within four standard errors of its probability."""
    return abs(float(share) - probability) < 4 * (probability * (1 - probability) / n) ** 0.5


class TestQuantile:
    def test_log_normal(self):
        u = torch.linspace(0.05, 0.95, 9, dtype=torch.float64)
        sigma = levels().quantile(u)
        expected = norm(-1.0, 1.6).ppf(u.numpy())
        np.testing.assert_allclose(sigma.log().numpy(), expected, rtol=1e-10)

    @pytest.mark.parametrize("name", sorted(SCHEDULES))
    def test_uniform_in_the_time_of_a_schedule(self, name):
        u = torch.linspace(0, 1, 11, dtype=torch.float64)
        sigma = levels(schedule=name).quantile(u)
        times = SCHEDULES[name].time(sigma)
        torch.testing.assert_close(times.diff(), (times[-1] - times[0]).expand(10) / 10)
        torch.testing.assert_close(sigma[0].item(), SIGMA_MIN)
        torch.testing.assert_close(sigma[-1].item(), SIGMA_MAX)

    def test_ends_of_the_normal_distribution_are_cut(self):
        u = torch.tensor([0.0, 1.0], dtype=torch.float64)
        assert levels().quantile(u).tolist() == [SIGMA_MIN, SIGMA_MAX]


class TestStratification:
    @pytest.mark.parametrize("schedule", [None, "vp", "flow"])
    @pytest.mark.parametrize("n", [1, 7, 32])
    def test_one_level_in_each_stratum(self, n, schedule):
        noise = NoiseLevels(1e-9, 1e9, per_entry=0.0)
        if schedule:
            noise = levels(schedule=schedule, per_entry=0.0)
        for _ in range(5):
            sigma = noise.draw(n, GROUPS, NO_TARGET)[:, 0]
            if schedule:
                ends = torch.tensor([SIGMA_MIN, SIGMA_MAX], dtype=torch.float64)
                low, high = SCHEDULES[schedule].time(ends)
                u = (SCHEDULES[schedule].time(sigma) - low) / (high - low)
            else:
                u = torch.special.ndtr((sigma.log() + 1.0) / 1.6)
            assert sorted((u * n).long().tolist()) == list(range(n))

    def test_levels_follow_their_distribution(self):
        """One pattern at a time: stratification must not narrow it, nor favour an order."""
        noise = NoiseLevels(1e-9, 1e9, per_entry=0.0)
        draws = torch.cat([noise.draw(4, GROUPS, NO_TARGET)[:, :1] for _ in range(500)])
        for position in range(4):
            logs = draws[position::4, 0].log().numpy()
            assert kstest(logs, norm(-1.0, 1.6).cdf).pvalue > 1e-3


class TestDraw:
    @pytest.mark.parametrize("per_entry", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("target", [NO_TARGET, LABEL], ids=["no target", "target"])
    def test_range_and_shape(self, per_entry, target):
        sigma = levels(per_entry=per_entry).draw(500, GROUPS, target)
        assert sigma.shape == (500, len(GROUPS))
        assert sigma.min() >= SIGMA_MIN
        assert sigma.max() <= SIGMA_MAX

    @pytest.mark.parametrize("target", [NO_TARGET, LABEL], ids=["no target", "target"])
    def test_entries_of_a_column_share_their_level(self, target):
        sigma = levels(per_entry=1.0).draw(500, GROUPS, target)
        for group in range(4):
            entries = sigma[:, group == GROUPS]
            assert (entries == entries[:, :1]).all()
        assert (sigma[:, 0] != sigma[:, 2]).any()

    def test_uniform_rows_without_per_entry_noise(self):
        sigma = levels(per_entry=0.0).draw(500, GROUPS, NO_TARGET)
        assert (sigma == sigma[:, :1]).all()

    @pytest.mark.parametrize("per_entry", [0.0, 0.3, 1.0])
    def test_share_of_per_entry_patterns(self, per_entry):
        """With many columns a per-entry pattern is uniform once in about a hundred times."""
        groups = torch.arange(200)
        sigma = levels(per_entry=per_entry).draw(2000, groups, groups < 0)
        share = (sigma != sigma[:, :1]).any(1).double().mean().item()
        assert abs(share - per_entry) < 0.02

    def test_half_that_share_with_a_target(self):
        groups = torch.arange(201)
        target = groups == 200
        sigma = levels(per_entry=0.8).draw(2000, groups, target)
        features = sigma[:, ~target]
        share = (features != features[:, :1]).any(1).double().mean().item()
        assert abs(share - 0.4) < 0.02

    def test_expected_share_when_it_is_no_whole_number(self):
        """A third of a pattern per batch is one pattern in a third of the batches."""
        groups, n = torch.arange(200), 2000
        noise = levels(per_entry=1 / 3)
        mixed = [
            bool((row != row[0]).any())
            for row in (noise.draw(1, groups, groups < 0)[0] for _ in range(n))
        ]
        assert within(np.mean(mixed), 1 / 3, n)

    def test_any_number_of_columns_is_known_equally_often(self):
        """A binomial number with a uniform probability is uniform on 0 ... d."""
        groups = torch.arange(5)
        sigma = levels(per_entry=1.0).draw(N, groups, groups < 0)
        known = (sigma == SIGMA_MIN).sum(1)
        assert chisquare(torch.bincount(known, minlength=6).numpy()).pvalue > 1e-3

    def test_a_quarter_of_per_entry_patterns_has_levels_of_their_own(self):
        """Of two columns that are both unknown to some extent."""
        groups = torch.arange(2)
        sigma = levels(per_entry=1.0).draw(N, groups, groups < 0)
        unknown = sigma[(sigma > SIGMA_MIN).all(1)]
        assert within((unknown[:, 0] != unknown[:, 1]).double().mean(), 0.25, len(unknown))

    def test_fate_of_the_target(self):
        """Known in half of the patterns, unknown in a fifth, noised as the rest otherwise."""
        noise = levels(per_entry=0.0)
        sigma = noise.draw(N, GROUPS, LABEL)
        label, features = sigma[:, LABEL], sigma[:, FEATURES]
        assert (features == features[:, :1]).all()
        assert (label == label[:, :1]).all()
        assert within((label[:, 0] == SIGMA_MIN).double().mean(), 0.5)
        assert within((label[:, 0] == SIGMA_MAX).double().mean(), 0.2)
        assert within((label[:, 0] == features[:, 0]).double().mean(), 0.3)

    def test_fate_does_not_depend_on_the_level(self):
        """The features' levels keep their distribution whether the target is known or not."""
        noise = NoiseLevels(1e-9, 1e9, per_entry=0.0)
        sigma = noise.draw(N, GROUPS, LABEL)
        for fate in (1e-9, 1e9):
            logs = sigma[sigma[:, 3] == fate, 0].log().numpy()
            assert kstest(logs, norm(-1.0, 1.6).cdf).pvalue > 1e-3

    def test_torch_decides(self):
        torch.manual_seed(5)
        first = levels().draw(8, GROUPS, LABEL)
        torch.manual_seed(5)
        assert torch.equal(levels().draw(8, GROUPS, LABEL), first)
