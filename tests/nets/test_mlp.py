"""The perceptron, and its random Fourier features."""

import math

import pytest
import torch
from torch import nn

from skdiffusion.nets import ResidualMLP
from skdiffusion.nets.mlp import FourierFeatures

N, D = 9, 3


def net_of(n_inputs=D, awake=True, **options):
    """A seeded network; awake, its last layer is not zero."""
    torch.manual_seed(0)
    net = ResidualMLP(n_inputs, D, **{"width": 16, **options}).double()
    if awake:
        nn.init.normal_(net.leave.weight)
    return net


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, LOG_SIGMA = normal(N, D), normal(N, D, seed=1)


class TestFourierFeatures:
    @pytest.mark.parametrize("scale", [0.3, 1.0])
    def test_products_approximate_the_gaussian_kernel(self, scale):
        """Bochner's theorem: the mean product is ``exp(-scale ** 2 |x - y| ** 2 / 2)``."""
        torch.manual_seed(0)
        n = 100_000
        features = FourierFeatures(D, n, scale)(X.float())
        kernel = torch.exp(-(scale**2) * torch.cdist(X, X) ** 2 / 2).float()
        # a product of two features has a variance of at most 2
        assert (features @ features.T / n - kernel).abs().max() < 5 * math.sqrt(2 / n)

    def test_random_numbers_are_kept(self):
        torch.manual_seed(0)
        features = FourierFeatures(D, 5, 1.0)
        assert set(features.state_dict()) == {"frequencies", "phases"}
        assert not list(features.parameters())
        assert torch.equal(features(X.float()), features(X.float()))


class TestResidualMLP:
    @pytest.mark.parametrize("n_inputs", [D, 2 * D])
    def test_shape(self, n_inputs):
        net = net_of(n_inputs, depth=1)
        assert net(normal(N, n_inputs), LOG_SIGMA).shape == (N, D)

    @pytest.mark.parametrize(("n_columns", "n_fourier"), [(1, 64), (4, 64), (5, 16)])
    def test_number_of_fourier_features(self, n_columns, n_fourier):
        net = ResidualMLP(2 * n_columns, n_columns)
        assert net.fourier.phases.numel() == n_fourier
        assert net.enter.in_features == 3 * n_columns + n_fourier

    def test_starts_at_zero(self):
        assert not net_of(awake=False)(X, LOG_SIGMA).any()

    def test_every_weight_is_reached(self):
        net = net_of()
        net(X, LOG_SIGMA).square().sum().backward()
        unreached = [name for name, weight in net.named_parameters() if not weight.grad.any()]
        assert unreached == []

    def test_gradient_leaves_zero(self):
        """A last layer at zero still learns, or the network would never start."""
        net = net_of(awake=False)
        (net(X, LOG_SIGMA) - 1).square().sum().backward()
        assert net.leave.weight.grad.any()

    def test_rows_are_independent(self):
        net = net_of()
        together = net(X, LOG_SIGMA)
        alone = torch.cat([net(X[i : i + 1], LOG_SIGMA[i : i + 1]) for i in range(N)])
        torch.testing.assert_close(together, alone)

    def test_every_input_counts(self):
        """Each input column and each entry's noise level changes the output."""
        net = net_of(2 * D)
        inputs = normal(N, 2 * D).requires_grad_()
        levels = LOG_SIGMA.clone().requires_grad_()
        net(inputs, levels).square().sum().backward()
        assert inputs.grad.all()
        assert levels.grad.all()

    def test_differences_between_the_levels_of_a_row_count(self):
        """Which entry carries more noise, not only how much there is in all."""
        net = net_of()
        assert not torch.allclose(net(X, LOG_SIGMA), net(X, LOG_SIGMA.roll(1, dims=1)))

    def test_fourier_features_are_those_of_the_white_row_alone(self):
        """Inputs beyond the first columns enter linearly when there is no hidden block."""
        net = net_of(2 * D, depth=0)
        net.leave = nn.Linear(16, D).double()
        nn.init.normal_(net.leave.weight)
        seen = []
        net.fourier.register_forward_hook(lambda module, args, output: seen.append(args[0]))
        inputs = normal(N, 2 * D)
        net(inputs, LOG_SIGMA)
        assert torch.equal(seen[0], inputs[:, :D])

    @pytest.mark.parametrize("n_outputs", [2, 9])
    def test_more_or_fewer_outputs_than_entries(self, n_outputs):
        """Levels of categories are outputs, and the row is as wide as its entries."""
        torch.manual_seed(0)
        net = ResidualMLP(2 * D, n_outputs, n_entries=D, width=16).double()
        nn.init.normal_(net.leave.weight)
        assert net.enter.in_features == 2 * D + 64 + D
        seen = []
        net.fourier.register_forward_hook(lambda module, args, output: seen.append(args[0]))
        inputs = normal(N, 2 * D)
        assert net(inputs, LOG_SIGMA).shape == (N, n_outputs)
        assert torch.equal(seen[0], inputs[:, :D])

    @pytest.mark.parametrize(("n_entries", "n_fourier"), [(4, 64), (5, 16)])
    def test_fourier_features_go_by_the_entries(self, n_entries, n_fourier):
        net = ResidualMLP(8, 12, n_entries=n_entries)
        assert net.fourier.phases.numel() == n_fourier
        assert net.fourier.frequencies.shape[0] == n_entries

    @pytest.mark.parametrize("depth", [0, 1, 4])
    def test_width_and_depth(self, depth):
        net = net_of(depth=depth, width=24)
        blocks = [m for m in net.blocks.modules() if isinstance(m, nn.Linear)]
        assert len(net.blocks) == depth
        assert len(blocks) == 2 * depth
        assert all(m.weight.shape == (24, 24) for m in blocks)
        assert net.enter.in_features == D + 64 + D

    def test_dropout(self):
        net = net_of(dropout=0.5)
        assert not torch.equal(net(X, LOG_SIGMA), net(X, LOG_SIGMA))
        net.eval()
        assert torch.equal(net(X, LOG_SIGMA), net(X, LOG_SIGMA))

    def test_no_dropout_by_default(self):
        net = net_of()
        assert torch.equal(net(X, LOG_SIGMA), net.eval()(X, LOG_SIGMA))
