"""The trainer: what it learns, what it leaves alone, and what a search can reach."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from torch import nn

from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.diffusion.gaussians import (
    EmpiricalDenoiser,
    GaussianDenoiser,
    MixtureDenoiser,
)
from skdiffusion.diffusion.preconditioning import Preconditioned
from skdiffusion.diffusion.schedule import SCHEDULES
from skdiffusion.training.lengths import steps_per_epoch
from skdiffusion.training.net import N_BATCHES, N_PATTERNS, DenoiserNet

X = np.random.RandomState(0).normal(size=(80, 3))
SMALL = {
    "module__width": 8,
    "module__depth": 1,
    "batch_size": 16,
    "max_epochs": 2,
    "steps_per_epoch": 4,
}


def small(**options):
    return DenoiserNet(**SMALL | {"random_state": 0} | options)


def weights(net):
    return list(net.module_.net.state_dict().values())


def moons(n, seed):
    """Two standardised half-moons."""
    rows = make_moons(n, noise=0.05, random_state=seed)[0]
    return (rows - [0.5, 0.25]) / [0.87, 0.5]


def parabola(n, seed):
    """A column and its square, of unit variance: uncorrelated, so a Gaussian predicts nothing."""
    rng = np.random.RandomState(seed)
    x = rng.uniform(-1.7, 1.7, n)
    return np.column_stack([x, (x**2 - 1 + 0.1 * rng.normal(size=n)) / 0.86])


def gain(net, exact, x, sigma):
    """Squared distance of a net to the exact posterior mean, in units of its Gaussian's."""
    gaussian = net.setting_.gaussian
    with torch.no_grad():
        truth = exact(x, sigma).mean
        learned, untrained = (
            ((denoiser(x, sigma).mean - truth) ** 2).mean() for denoiser in (net.module_, gaussian)
        )
    return (learned / untrained).item()


class TestLearning:
    def test_approaches_the_exact_posterior_mean(self):
        """Of the moons' distribution, known from thousands of draws, at noisy rows never seen."""
        rows, losses = moons(1500, seed=0), []
        exact = EmpiricalDenoiser(torch.from_numpy(moons(4000, seed=1)))
        x0 = torch.from_numpy(moons(500, seed=2))
        noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0)).double()
        for seed in range(3):
            net = DenoiserNet(
                module__width=64, max_epochs=8, batch_size=128, per_entry=0.0, random_state=seed
            ).fit(rows, gaussian=fit_gaussian(rows))
            for sigma in (0.15, 0.3):
                assert gain(net, exact, x0 + sigma * noise, torch.tensor(sigma)) < 0.3
            losses.append(min(net.history[:, "valid_loss"]))
        # an untrained network leaves white targets, whose mean square is one
        assert np.median(losses) < 0.9

    def test_learns_to_predict_the_target(self):
        """One column known, the other drowned: the regression of one on the other."""
        rows = parabola(1500, seed=0)
        net = DenoiserNet(module__width=64, max_epochs=6, batch_size=128, random_state=0)
        net.fit(rows, gaussian=fit_gaussian(rows), target=[False, True])
        exact = EmpiricalDenoiser(torch.from_numpy(parabola(4000, seed=1)))
        x = torch.stack([torch.linspace(-1.5, 1.5, 61), torch.zeros(61)], dim=1).double()
        assert gain(net, exact, x, torch.tensor([0.02, 20.0])) < 0.1

    def test_gaussian_rows_leave_nothing_to_learn(self):
        rows = np.random.RandomState(1).normal(size=(2000, 3))
        net = DenoiserNet(module__width=16, max_epochs=3, random_state=0).fit(rows)
        assert min(net.history[:, "valid_loss"]) == pytest.approx(1, abs=0.1)

    @pytest.mark.parametrize("schedule", sorted(SCHEDULES))
    def test_every_schedule_trains(self, schedule):
        net = small(schedule=schedule).fit(X)
        assert np.isfinite(net.history[:, ("train_loss", "valid_loss")]).all()

    @pytest.mark.parametrize("n", [1, 2, 3, 19, 20])
    def test_tiny_tables(self, n):
        net = small().fit(X[:n])
        assert np.isfinite(net.history[:, "train_loss"]).all()
        # fewer than two rows to validate on are none
        assert ("valid_loss" in net.history[-1]) == (n >= 20)
        assert net.module_(torch.zeros(2, 3), torch.tensor(0.5)).mean.isfinite().all()

    def test_one_column(self):
        assert np.isfinite(small().fit(X[:, :1]).history[:, "valid_loss"]).all()


class TestRandomness:
    def test_same_seed_same_net(self):
        first, second = small().fit(X), small().fit(X)
        torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=0)
        assert first.history[:, "valid_loss"] == second.history[:, "valid_loss"]

    def test_second_fit_starts_afresh(self):
        net = small().fit(X[:40])
        torch.testing.assert_close(weights(net.fit(X)), weights(small().fit(X)), rtol=0, atol=0)

    def test_other_seed_other_net(self):
        first, second = small().fit(X), small(random_state=1).fit(X)
        assert not torch.equal(weights(first)[0], weights(second)[0])

    def test_global_seed_does_not_matter(self):
        torch.manual_seed(1)
        first = small().fit(X)
        torch.manual_seed(2)
        torch.testing.assert_close(weights(first), weights(small().fit(X)), rtol=0, atol=0)

    def test_generator_moves_on(self):
        """A RandomState gives another net each time, the same two for the same state."""
        runs = []
        for _ in range(2):
            state = np.random.RandomState(3)
            runs.append([weights(small(random_state=state).fit(X)) for _ in range(2)])
        torch.testing.assert_close(runs[0], runs[1], rtol=0, atol=0)
        assert not torch.equal(runs[0][0][0], runs[0][1][0])

    def test_global_generators_stay_untouched(self):
        torch_state = torch.get_rng_state()
        numpy_state = check_random_state(None).get_state()[1].copy()
        small().fit(X)
        assert torch.equal(torch.get_rng_state(), torch_state)
        np.testing.assert_array_equal(check_random_state(None).get_state()[1], numpy_state)


class TestValidation:
    def test_noise_is_fixed(self):
        """Weights that do not move have the same loss in every epoch, unlike in training."""
        net = small(lr=0.0, max_epochs=3, patience=None).fit(X)
        assert len({*net.history[:, "valid_loss"]}) == 1
        assert len({*net.history[:, "train_loss"]}) == 3

    def test_rows_are_held_out(self):
        """Every row is on one side, its repetitions too."""
        net = small(validation_fraction=0.25).fit(X)
        rows = torch.from_numpy(X.astype(np.float32))
        train, valid = net.get_split_datasets(rows)
        assert len(train.X) == 60
        assert len(valid.X.unique(dim=0)) == 20
        both = torch.cat([train.X, valid.X.unique(dim=0)])
        assert torch.equal(both.unique(dim=0), rows.unique(dim=0))
        assert 1024 <= len(valid.X) <= 2048

    @pytest.mark.parametrize(("n", "length"), [(1000, 1100), (40_000, 2048), (8000, 1600)])
    def test_number_of_validation_rows(self, n, length):
        """Repeated up to at least 1,024 draws of noise, and at most 2,048 rows."""
        net = small(steps_per_epoch=1, max_epochs=1).fit(X)
        _, valid = net.get_split_datasets(torch.arange(float(n))[:, None])
        assert len(valid.X) == length

    def test_none(self):
        net = small(validation_fraction=0.0).fit(X)
        assert net.get_split_datasets(torch.zeros(50, 3))[1] is None


class TestSteps:
    @pytest.mark.parametrize(
        ("n", "expected"), [(4, 10), (80, 20), (100, 25), (1000, 50), (12_800, 100), (25_601, 101)]
    )
    def test_auto(self, n, expected):
        """A pass over the rows; 100 for large tables, 50 for small, a quarter of tiny ones."""
        assert steps_per_epoch(DenoiserNet(batch_size=256), n) == expected

    def test_as_told(self):
        net = small(steps_per_epoch=3).fit(X)
        assert net.history[:, "train_batch_count"] == [3, 3]
        assert net.history[0, "batches", :, "train_batch_size"][:3] == [16, 16, 16]


class TestNoise:
    def test_columns_that_are_given_are_never_noised(self):
        net = small(given=[0, 2]).fit(X)
        levels = net.add_noise(torch.zeros(256, 3)).log_sigma.exp()
        assert levels[:, [0, 2]].sub(net.sigma_min).abs().max() < 1e-6
        assert len(levels[:, 1].unique()) > N_PATTERNS / 4

    def test_with_columns_given_the_others_are_drowned_more_often(self):
        half = torch.tensor([0.5], dtype=torch.float64)
        medians = [small(given=g).fit(X).noise_.quantile(half).item() for g in ([], [0])]
        assert medians[1] > 5 * medians[0]

    @pytest.mark.parametrize("n", [128, 100, 50, 7])
    def test_every_pattern_is_used_about_equally(self, n):
        """Patterns are drawn stratified, so none of those drawn may be left out."""

        class Numbered:
            def draw(self, n_patterns, groups, target):
                self.drawn = torch.arange(1.0, n_patterns + 1)
                return self.drawn[:, None].expand(n_patterns, len(groups))

        net = small().fit(X)
        net.noise_ = Numbered()
        prepared = net.add_noise(torch.zeros(n, 3))
        used, counts = prepared.log_sigma[:, 0].exp().round().unique(return_counts=True)
        assert used.tolist() == net.noise_.drawn.tolist()
        assert len(used) <= 32
        assert counts.max() <= -(-n // len(used))

    def test_some_batches_share_their_levels(self):
        """And have noise of their own."""
        net = small(max_epochs=1).fit(X)
        batches = [net.add_noise(torch.zeros(320, 3)) for _ in range(2 * N_BATCHES)]
        levels = torch.stack([batch.log_sigma for batch in batches])
        assert torch.equal(levels[0].expand(N_BATCHES, -1, -1), levels[:N_BATCHES])
        assert torch.equal(levels[-1].expand(N_BATCHES, -1, -1), levels[N_BATCHES:])
        assert len(levels[[0, -1]].flatten(0, 1).unique(dim=0)) > 1.5 * N_PATTERNS
        assert len(torch.stack([batch.inputs for batch in batches]).unique(dim=0)) == len(batches)

    def test_rows_are_noised_by_their_pattern(self):
        """White coordinates of standard normal rows are white, whatever the patterns."""
        net = small().fit(X)
        torch.manual_seed(0)
        prepared = net.add_noise(torch.randn(20_000, 3))
        identity = prepared.inputs.T @ prepared.inputs / 20_000
        torch.testing.assert_close(identity, torch.eye(3).double(), rtol=0, atol=0.05)

    def test_groups_reach_the_noise(self):
        net = small(per_entry=1.0).fit(X, groups=[0, 0, 1])
        log_sigma = net.add_noise(torch.zeros(400, 3)).log_sigma
        assert torch.equal(log_sigma[:, 0], log_sigma[:, 1])
        assert not torch.equal(log_sigma[:, 1], log_sigma[:, 2])

    def test_target_reaches_the_noise(self):
        """Known in half of the rows."""
        net = small(per_entry=0.0).fit(X, target=[False, False, True])
        known = (net.add_noise(torch.zeros(4000, 3)).log_sigma.exp() - net.sigma_min).abs() < 1e-9
        assert 0.3 < known[:, 2].double().mean() < 0.7
        assert known[:, 0].double().mean() < 0.1

    def test_own_groups_by_default(self):
        sigma = small(per_entry=1.0).fit(X).add_noise(torch.zeros(400, 3)).log_sigma
        assert (sigma[:, 0] != sigma[:, 1]).any()
        assert (sigma[:, 1] != sigma[:, 2]).any()

    def test_range(self):
        net = small(sigma_min=0.1, sigma_max=0.2).fit(X)
        sigma = net.add_noise(torch.zeros(400, 3)).log_sigma.exp()
        assert sigma.min() >= 0.1 - 1e-6
        assert sigma.max() <= 0.2 + 1e-6


class TestModule:
    def test_is_a_denoiser_around_the_gaussian(self):
        gaussian = GaussianDenoiser(torch.ones(3), torch.tensor([1.0, 2.0, 3.0]))
        net = small(lr=0.0).fit(X, gaussian=gaussian)
        x, sigma = torch.zeros(2, 3), torch.tensor(0.7)
        assert isinstance(net.module_, Preconditioned)
        torch.testing.assert_close(net.module_(x, sigma).mean, gaussian(x, sigma).mean)

    def test_standard_normal_by_default(self):
        net = small(lr=0.0).fit(X)
        torch.testing.assert_close(
            net.module_(torch.ones(1, 3), torch.tensor(1.0)).mean, torch.full((1, 3), 0.5)
        )

    def test_baseline_doubles_the_inputs(self):
        baseline = MixtureDenoiser(torch.ones(2), torch.eye(3)[:2], torch.ones(2, 3))
        assert small().fit(X).module_.net.enter.in_features == 3 + 64 + 3
        net = small().fit(X, baseline=baseline)
        assert net.module_.net.enter.in_features == 6 + 64 + 3
        assert net.module_.baseline is baseline

    def test_network_of_ones_own(self):
        class Linear(nn.Module):
            def __init__(self, n_inputs, n_outputs, bias=True):
                super().__init__()
                self.linear = nn.Linear(n_inputs, n_outputs, bias=bias)

            def forward(self, inputs, log_sigma):
                return self.linear(inputs)

        net = DenoiserNet(Linear, module__bias=False, max_epochs=1, random_state=0).fit(X)
        assert net.module_.net.linear.weight.shape == (3, 3)
        assert net.module_.net.linear.bias is None

    def test_evaluation_mode_after_training(self):
        """Dropout must not make a trained denoiser random."""
        net = small(module__dropout=0.5).fit(X)
        x, sigma = torch.ones(50, 3), torch.tensor(1.0)
        assert torch.equal(net.module_(x, sigma).mean, net.module_(x, sigma).mean)

    def test_adamw_is_fused_unless_told_otherwise(self):
        assert small().fit(X).optimizer_.defaults["fused"]
        assert not small(optimizer__fused=False).fit(X).optimizer_.defaults["fused"]
        assert small(optimizer=torch.optim.SGD).fit(X).optimizer_.defaults["fused"] is None

    def test_rows_are_not_written_to(self):
        rows = X.astype(np.float32)
        small().fit(rows)
        np.testing.assert_array_equal(rows, X.astype(np.float32))


class TestCompile:
    def test_the_network_alone(self, monkeypatch):
        """Not the closed forms, nor the loss."""
        compiled = []

        class Compiled(nn.Module):
            def __init__(self, module):
                super().__init__()
                self.module = module

            def forward(self, *args):
                return self.module(*args)

        def compile_module(module, **options):
            compiled.append((type(module).__name__, options))
            return Compiled(module)

        monkeypatch.setattr(torch, "compile", compile_module)
        net = small(compile=True, compile__mode="reduce-overhead").fit(X)
        assert compiled == [("ResidualMLP", {"mode": "reduce-overhead"})]
        assert isinstance(net.module_, Preconditioned)
        assert isinstance(net.module_.net, Compiled)
        torch.testing.assert_close(
            net.module_(torch.ones(2, 3), torch.tensor(0.5)).mean,
            small().fit(X).module_(torch.ones(2, 3), torch.tensor(0.5)).mean,
        )

    def test_off_by_default(self, monkeypatch):
        monkeypatch.setattr(torch, "compile", None)
        small().fit(X)


class TestParameters:
    def test_clone(self):
        net = small(sigma_max=7.0, optimizer__weight_decay=0.1)
        copy = clone(net)
        assert copy.get_params()["sigma_max"] == 7.0
        assert copy.get_params()["module__width"] == 8
        assert copy.get_params()["optimizer__weight_decay"] == 0.1

    def test_clone_of_a_fitted_net_is_not_fitted(self):
        copy = clone(small().fit(X))
        assert not copy.initialized_
        torch.testing.assert_close(weights(copy.fit(X)), weights(small().fit(X)), rtol=0, atol=0)

    @pytest.mark.parametrize("name", ["device", "lr", "random_state", "schedule", "module"])
    def test_fit_leaves_parameters(self, name):
        net = small()
        before = net.get_params()[name]
        assert net.fit(X).get_params()[name] == before

    def test_set_params(self):
        net = small().set_params(module__width=5, lr=0.1, patience=2)
        net.fit(X)
        assert net.module_.net.enter.out_features == 5
        assert dict(net.callbacks_)["average"].patience == 2
        net.set_params(module__width=6).fit(X)
        assert net.module_.net.enter.out_features == 6

    def test_search(self):
        """The width that a grid search finds is the one that scores best."""

        def score(net, X, y=None):
            rows = torch.from_numpy(X)
            error = net.module_(rows, torch.tensor(0.3)).mean - rows
            return -(error**2).mean().item() - net.module_.net.enter.out_features

        search = GridSearchCV(small(), {"module__width": [8, 4, 6]}, scoring=score, cv=2).fit(X)
        assert search.best_params_ == {"module__width": 4}
        assert search.best_estimator_.module_.net.enter.out_features == 4

    def test_in_a_pipeline_of_scikit_learn(self):
        from sklearn.pipeline import make_pipeline

        pipeline = make_pipeline(StandardScaler(), small())
        pipeline.set_params(denoisernet__module__width=4).fit(X)
        assert pipeline[-1].module_.net.enter.out_features == 4


class TestPickle:
    def test_fitted(self):
        net = small().fit(X)
        copy = pickle.loads(pickle.dumps(net))
        torch.testing.assert_close(weights(copy), weights(net), rtol=0, atol=0)
        x, sigma = torch.ones(2, 3), torch.tensor(0.5)
        assert torch.equal(copy.module_(x, sigma).mean, net.module_(x, sigma).mean)
        assert copy.history[:, "valid_loss"] == net.history[:, "valid_loss"]

    def test_not_fitted(self):
        """As joblib does with the candidates of a parallel search."""
        copy = pickle.loads(pickle.dumps(small()))
        torch.testing.assert_close(weights(copy.fit(X)), weights(small().fit(X)), rtol=0, atol=0)


class TestDenoiser:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_is_a_copy_without_gradients(self, dtype):
        net = small(module__dropout=0.5).fit(X)
        denoiser = net.denoiser(dtype)
        x, sigma = torch.ones(4, 3).double(), torch.tensor(0.5)
        torch.testing.assert_close(
            denoiser(x, sigma).mean, net.module_(x.float(), sigma).mean.double(), atol=1e-4, rtol=0
        )
        assert all(weight.dtype == dtype for weight in denoiser.parameters())
        assert denoiser.frame.values.dtype == torch.float64
        assert not any(weight.requires_grad for weight in denoiser.parameters())
        assert not denoiser.training
        assert all(weight.dtype == torch.float32 for weight in net.module_.parameters())
        with torch.no_grad():
            denoiser.net.leave.weight.zero_()
        assert net.module_.net.leave.weight.any()
