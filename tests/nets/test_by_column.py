"""The networks that look at rows column by column: the transformer and the U-Net."""

import copy
import pickle

import pytest
import torch
from torch import nn

from skdiffusion.nets import TableTransformer, UNet
from skdiffusion.nets.columns import ByColumn

N = 6
# twelve pixels of which the last is constant, a class with two entries and three levels behind them
PIXELS = torch.arange(11)
ENTRIES = torch.cat([PIXELS, torch.tensor([30, 30])])
INPUTS = torch.cat([ENTRIES, ENTRIES, torch.tensor([30, 30, 30])])
OUTPUTS = torch.cat([PIXELS, torch.tensor([30, 30, 30])])
SIZES = {"n_inputs": len(INPUTS), "n_outputs": len(OUTPUTS), "n_entries": len(ENTRIES)}
COLUMNS = {"columns": (INPUTS, ENTRIES, OUTPUTS)}
MAKERS = {
    "transformer": lambda **options: TableTransformer(width=8, **options),
    "unet": lambda **options: UNet(image_shape=(3, 4), width=8, **options),
    "channels": lambda **options: UNet(image_shape=(3, 2, 2), width=8, **options),
}
every_net = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def net_of(make, awake=True, **options):
    """A seeded network; awake, its last layers are not zero."""
    torch.manual_seed(0)
    net = make(**{**SIZES, **COLUMNS, **options}).double()
    for weight in net.parameters() if awake else ():
        if not weight.any():
            nn.init.normal_(weight)
    return net


def rows(seed=0):
    """Inputs, and noise levels of which those of a column are equal."""
    levels = normal(N, 31, seed=seed + 1)[:, ENTRIES]
    return normal(N, len(INPUTS), seed=seed), levels


class TestByColumn:
    OWNERS = torch.tensor([3, 1, 1, 7, 3, 1])

    def test_gather(self):
        features = normal(N, 6)
        found = ByColumn(self.OWNERS, torch.tensor([1, 2, 3])).gather(features)
        nothing = torch.zeros(N)
        assert torch.equal(found[:, 0], features[:, [1, 2, 5]])
        assert not found[:, 1].any()
        assert torch.equal(found[:, 2], torch.stack([*features[:, [0, 4]].T, nothing], dim=1))

    def test_scatter_is_the_way_back(self):
        """Of the features that have a column; the others are left out."""
        by_column, features = ByColumn(self.OWNERS, torch.tensor([1, 2, 3])), normal(N, 6)
        back = by_column.scatter(by_column.gather(features))
        assert torch.equal(back, features[:, [0, 1, 2, 4, 5]])


@every_net
class TestBoth:
    def test_shape(self, make):
        assert net_of(make)(*rows()).shape == (N, len(OUTPUTS))

    def test_starts_at_zero(self, make):
        assert not net_of(make, awake=False)(*rows()).any()

    def test_gradient_leaves_zero(self, make):
        net = net_of(make, awake=False)
        (net(*rows()) - 1).square().sum().backward()
        assert any(weight.grad is not None and weight.grad.any() for weight in net.parameters())

    def test_every_weight_is_reached(self, make):
        """But for a bias of keys, which moves all products of a query alike."""
        net = net_of(make)
        net(*rows()).pow(3).sum().backward()
        unreached = [name for name, weight in net.named_parameters() if not weight.grad.any()]
        assert unreached == []

    def test_rows_are_independent(self, make):
        net, (inputs, levels) = net_of(make), rows()
        alone = torch.cat([net(inputs[i : i + 1], levels[i : i + 1]) for i in range(N)])
        torch.testing.assert_close(net(inputs, levels), alone)

    def test_every_input_and_level_reaches_every_output(self, make):
        net, (inputs, levels) = net_of(make), rows()
        inputs.requires_grad_()
        levels.requires_grad_()
        for output in net(inputs, levels).unbind(1):
            of_inputs, of_levels = torch.autograd.grad(
                output.sum(), (inputs, levels), retain_graph=True
            )
            assert of_inputs.any(0).all()
            # a token reads the level of its column off its first entry
            assert of_levels[:, [*range(12)]].any(0).all()

    def test_an_order_of_columns_is_put_back(self, make):
        """Inputs and outputs that come in another order, with their columns, give the same."""
        net, (inputs, levels) = net_of(make), rows()
        shuffled = torch.randperm(len(OUTPUTS), generator=torch.Generator().manual_seed(3))
        # within a column the order stays: it tells its features apart
        shuffled = torch.cat([shuffled[shuffled < 11], torch.tensor([11, 12, 13])])
        other = net_of(make, columns=(INPUTS, ENTRIES, OUTPUTS[shuffled]))
        torch.testing.assert_close(other(inputs, levels), net(inputs, levels)[:, shuffled])

    def test_without_columns_each_output_is_one(self, make):
        torch.manual_seed(0)
        net = make(n_inputs=24, n_outputs=12).double()
        assert net(normal(N, 24), normal(N, 12)).shape == (N, 12)

    def test_inputs_that_cannot_be_shared_out(self, make):
        with pytest.raises(ValueError, match="as many inputs for each of 12 outputs, got 25"):
            make(n_inputs=25, n_outputs=12)

    def test_dropout_is_of_training_alone(self, make):
        net = net_of(make, dropout=0.5)
        assert not torch.equal(net(*rows()), net(*rows()))
        assert torch.equal(net.eval()(*rows()), net(*rows()))

    def test_pickle_and_copy(self, make):
        net = net_of(make)
        for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
            assert torch.equal(other(*rows()), net(*rows()))

    def test_export(self, make):
        net = net_of(make).eval()
        program = torch.export.export(net, rows()).module()
        torch.testing.assert_close(program(*rows(3)), net(*rows(3)))


class TestTableTransformer:
    def test_columns_in_another_order(self):
        """Attention knows no order: a table whose columns are exchanged, with their weights."""
        inputs, levels = normal(N, 8), normal(N, 4)
        torch.manual_seed(0)
        net = TableTransformer(8, 4, width=8).double()
        nn.init.normal_(net.leave)
        order = torch.tensor([2, 0, 3, 1])
        other = copy.deepcopy(net)
        for name in ("embedding", "bias", "leave"):
            getattr(other, name).data = getattr(net, name).data[order]
        both = torch.cat([order, order + 4])
        torch.testing.assert_close(
            other(inputs[:, both], levels[:, order]), net(inputs, levels)[:, order]
        )

    def test_attention_is_a_share(self):
        net = net_of(MAKERS["transformer"])
        weights = net.attention(*rows())
        assert weights.shape == (N, 12, 12)
        assert (weights > 0).all()
        torch.testing.assert_close(weights.sum(2), torch.ones(N, 12).double())

    def test_queries_of_zero_look_at_all_alike(self):
        net, (inputs, levels) = net_of(MAKERS["transformer"], depth=1), rows()
        with torch.no_grad():
            net.blocks[0].attend.enter.weight[:8] = 0
            net.blocks[0].attend.enter.bias[:8] = 0
        alike = torch.full((N, 12, 12), 1 / 12, dtype=torch.float64)
        torch.testing.assert_close(net.attention(inputs, levels), alike)

    def test_heads_share_the_width(self):
        with pytest.raises(ValueError, match="width=9 must be a multiple of n_heads=2"):
            TableTransformer(4, 2, width=9)


class TestUNet:
    @pytest.mark.parametrize("shape", [(), (4,), (0, 4), (2, 2, 2, 2)])
    def test_shape_of_no_image(self, shape):
        with pytest.raises(ValueError, match="image_shape"):
            UNet(16, 16, image_shape=shape)

    @pytest.mark.parametrize("options", [{"width": 6}, {"width": 0}, {"depth": 0}])
    def test_sizes(self, options):
        with pytest.raises(ValueError, match="must be a multiple of 4, and depth"):
            UNet(16, 16, image_shape=(4, 4), **options)

    @pytest.mark.parametrize("shape", [(1, 5), (5, 1), (7, 5), (9, 4, 3)])
    def test_odd_sides(self, shape):
        d = int(torch.tensor(shape).prod())
        torch.manual_seed(0)
        net = UNet(d, d, image_shape=shape, width=4, depth=3).double()
        assert net(normal(N, d), normal(N, d)).shape == (N, d)

    def test_a_shifted_image_gives_shifted_corrections(self):
        """Convolutions: away from the borders, with one resolution and no attention."""
        torch.manual_seed(0)
        net = UNet(144, 144, image_shape=(12, 12), width=4, depth=1).double()
        net.middle = nn.Identity()
        # group norms see the whole image
        for module in [m for m in net.modules() if isinstance(m, nn.GroupNorm)]:
            module.forward = lambda image: image
        nn.init.normal_(net.leave[-1].weight)
        small = torch.zeros(N, 12, 12).double()
        small[:, 3:6, 3:6] = normal(N, 9).reshape(N, 3, 3)
        levels = torch.zeros(N, 144).double()
        answer = net(small.reshape(N, -1), levels).reshape(N, 12, 12)
        moved = net(small.roll((2, 2), (1, 2)).reshape(N, -1), levels).reshape(N, 12, 12)
        torch.testing.assert_close(moved[:, 6:9, 6:9], answer[:, 4:7, 4:7])
