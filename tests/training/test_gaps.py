"""Training on rows with gaps, with categories, and on wide tables."""

import copy

import numpy as np
import pytest
import torch

from skdiffusion import DiffusionManifoldSampler
from skdiffusion.closed_forms.gap_filling import draw_completions
from skdiffusion.diffusion import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.categories import Levels
from skdiffusion.training.batches import pair_with_completions
from skdiffusion.training.net import DenoiserNet

COV = np.array(
    [[1.0, 0.8, 0.5, 0.0], [0.8, 1.0, 0.3, -0.4], [0.5, 0.3, 1.0, 0.2], [0.0, -0.4, 0.2, 1.0]]
)
EXACT = GaussianDenoiser(torch.zeros(4).double(), torch.from_numpy(COV))
PATTERNS = {
    "some": torch.tensor(0.3).double(),
    "more": torch.tensor(1.0).double(),
    "two known": torch.tensor([[0.1, 20.0, 0.1, 20.0]]).double(),
}


def gaussian_rows(n, seed):
    return np.random.RandomState(seed).multivariate_normal(np.zeros(4), COV, n)


def distances(net, exact=EXACT, x0=None):
    """Squared distance to the exact mean in units of that of an untrained network."""
    x0 = torch.from_numpy(gaussian_rows(1000, 1)) if x0 is None else x0
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0)).double()
    untrained = copy.deepcopy(net.module_)
    torch.nn.init.zeros_(untrained.net.leave.weight)
    torch.nn.init.zeros_(untrained.net.leave.bias)
    found = {}
    with torch.no_grad():
        for name, sigma in PATTERNS.items():
            sigma = sigma.expand(1, 4)[:, : x0.shape[1]]
            x = x0 + sigma * noise
            truth = exact(x, sigma).mean
            error, before = (
                ((denoiser(x, sigma).mean - truth) ** 2).mean().item()
                for denoiser in (net.module_, untrained)
            )
            found[name] = error / before
    return found


def train(rows, completions=None, **options):
    settings = {"module__width": 64, "max_epochs": 12, "steps_per_epoch": 50, "random_state": 0}
    return DenoiserNet(**settings | options).fit(rows, completions=completions)


@pytest.fixture(scope="module")
def holed():
    """Rows of which three in ten cells are missing, and their completions."""
    rows = gaussian_rows(1500, 0)
    rows[np.random.RandomState(2).rand(*rows.shape) < 0.3] = np.nan
    return rows, draw_completions(rows, random_state=0)


class TestGaps:
    def test_learns_the_law_of_rows_without(self, holed):
        """From a preconditioner that knows of no correlation."""
        net = train(*holed)
        found = distances(net)
        assert found["some"] < 0.35 and found["more"] < 0.35 and found["two known"] < 0.6
        assert np.isfinite(net.history[:, ("train_loss", "valid_loss")]).all()
        assert min(net.history[:, "valid_loss"]) < 0.97

    def test_what_was_filled_in_is_not_learned(self, holed):
        """Absurd completions disturb a little, where rows that hold them are a disaster."""
        rows, completions = holed
        absurd = np.where(np.isnan(rows), completions + 10, completions)
        assert distances(train(rows, absurd))["two known"] < 0.8
        assert distances(train(absurd[0]))["two known"] > 5

    def test_rows_without_gaps_need_no_completions(self):
        rows = gaussian_rows(50, 0).astype(np.float32)
        assert pair_with_completions(rows, None) is rows
        assert pair_with_completions(rows, rows[None]) is rows

    def test_pairs(self, holed):
        rows, completions = holed
        pairs = pair_with_completions(rows, completions)
        assert pairs.shape == (5, 1500, 2, 4)
        for k in range(5):
            np.testing.assert_array_equal(pairs[k, :, 0], rows)
            np.testing.assert_array_equal(pairs[k, :, 1], completions[k])

    def test_gaps_need_completions(self, holed):
        with pytest.raises(ValueError, match=r"Entries are missing: give `completions`, the rows"):
            train(holed[0])

    def test_all_copies_of_a_row_are_on_one_side(self, holed):
        rows, completions = (part[..., :60, :] for part in holed)
        net = train(rows, completions, max_epochs=1, steps_per_epoch=1, validation_fraction=0.25)
        pairs = torch.from_numpy(pair_with_completions(rows.astype(np.float32), completions))
        taught, held_out = (part.X[:, 0] for part in net.get_split_datasets(pairs))
        assert len(taught) == 5 * 45
        as_set = [
            {tuple(row.nan_to_num(99).tolist()) for row in part} for part in (taught, held_out)
        ]
        assert len(as_set[1]) == 15
        assert not as_set[0] & as_set[1]

    def test_what_was_filled_in_is_noised_like_any_other_entry(self, holed):
        rows, completions = holed
        net = train(rows, completions, max_epochs=1, steps_per_epoch=1)
        pairs = torch.from_numpy(pair_with_completions(rows.astype(np.float32), completions))[0]
        prepared = net.add_noise(pairs)
        sigma = prepared.log_sigma.exp()
        noise = (prepared.inputs * (1 + sigma**2).sqrt() - pairs[:, 1]) / sigma
        for gaps in (pairs[:, 0].isnan(), ~pairs[:, 0].isnan()):
            assert abs(noise[gaps].mean()) < 0.1
            assert abs(noise[gaps].std() - 1) < 0.1

    def test_rows_and_columns_of_gaps_alone(self):
        """A batch may hold nothing to learn from."""
        rows = gaussian_rows(33, 0)
        rows[5:] = np.nan
        completions = draw_completions(rows, random_state=0)
        net = train(rows, completions, batch_size=2, max_epochs=2)
        assert all(weight.isfinite().all() for weight in net.module_.state_dict().values())


class TestLevels:
    def test_learns_what_a_number_says_of_a_category(self):
        """And the other way round: a number whose distribution depends on a flag."""
        flag = (torch.tensor([1]), torch.tensor([[-0.5], [2.0]]).double())
        levels = Levels(2, [flag], [torch.tensor([0.8, 0.2])])
        exact = MixtureDenoiser(
            torch.tensor([0.8, 0.2]).double(),
            torch.tensor([[-0.5, -0.5], [2.0, 2.0]]).double(),
            torch.tensor([[0.25, 0.0], [0.25, 0.0]]).double(),
        )
        rows = exact.sample(1500, torch.Generator().manual_seed(0))
        net = DenoiserNet(module__width=64, max_epochs=10, steps_per_epoch=50, random_state=0)
        net.fit(rows.numpy(), levels=levels)
        found = distances(net, exact, exact.sample(1000, torch.Generator().manual_seed(1)))
        assert max(found.values()) < 0.3

    def test_gaps_in_categories(self):
        rng = np.random.RandomState(0)
        rows = np.c_[rng.normal(size=100), rng.choice([-0.5, 2.0], 100)]
        rows[rng.rand(100, 2) < 0.3] = np.nan
        flag = (torch.tensor([1]), torch.tensor([[-0.5], [2.0]]).double())
        levels = Levels(2, [flag], [torch.tensor([0.8, 0.2])])
        net = DenoiserNet(module__width=8, max_epochs=2, random_state=0)
        net.fit(rows, levels=levels, completions=draw_completions(rows, random_state=0))
        assert np.isfinite(net.history[:, ("train_loss", "valid_loss")]).all()


class TestWide:
    """Tables of many columns train without a NaN, and in seconds."""

    RNG = np.random.RandomState(0)
    NUMBERS = RNG.normal(size=(100, 1000))
    FLAGS = RNG.rand(300, 300) < RNG.uniform(0.004, 0.02, 300)

    # numbers without gaps are among the bad input of a sampler
    @pytest.mark.parametrize(
        ("name", "gaps"), [("numbers", True), ("flags", False), ("flags", True)]
    )
    def test_is_finite(self, name, gaps):
        X = self.NUMBERS if name == "numbers" else self.FLAGS
        if gaps:
            X = X.astype(float if name == "numbers" else object)
            X[np.random.RandomState(1).rand(*X.shape) < 0.1] = np.nan if name == "numbers" else None
        net = DenoiserNet(module__width=16, module__depth=1, max_epochs=2, steps_per_epoch=4)
        sampler = DiffusionManifoldSampler(denoiser=net, n_steps=5, random_state=0).fit(X)
        assert np.isfinite(sampler.history_[:, ("train_loss", "valid_loss")]).all()
        assert all(
            weight.isfinite().all() for weight in sampler.model_.denoiser.state_dict().values()
        )
        drawn = sampler.sample(10, random_state=0)
        assert drawn.shape == (10, X.shape[1])
        if name == "numbers":
            assert np.isfinite(drawn).all()
        else:
            # sparse flags stay sparse
            assert np.mean(drawn.astype(float)) < 0.05
