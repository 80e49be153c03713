"""The U-Net, whose features are gathered by the columns that are pixels."""

import copy
import pickle

import pytest
import torch
from torch import nn

from skdiffusion.nets import UNet
from skdiffusion.nets.unet import _ByPixel

N = 6
# twelve pixels of which the last is constant, a class with two entries and three levels behind them
PIXELS = torch.arange(11)
ENTRIES = torch.cat([PIXELS, torch.tensor([30, 30])])
INPUTS = torch.cat([ENTRIES, ENTRIES, torch.tensor([30, 30, 30])])
OUTPUTS = torch.cat([PIXELS, torch.tensor([30, 30, 30])])
SIZES = {"n_inputs": len(INPUTS), "n_outputs": len(OUTPUTS), "n_entries": len(ENTRIES)}
COLUMNS = {"columns": (INPUTS, ENTRIES, OUTPUTS)}
MAKERS = {
    "grey": lambda **options: UNet(image_shape=(3, 4), width=8, **options),
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


class TestByPixel:
    OWNERS = torch.tensor([3, 1, 1, 7, 3, 1])

    def test_gather(self):
        features = normal(N, 6)
        found = _ByPixel(self.OWNERS, 4).gather(features)
        nothing = torch.zeros(N)
        assert torch.equal(found[:, 1], features[:, [1, 2, 5]])
        assert not found[:, [0, 2]].any()
        assert torch.equal(found[:, 3], torch.stack([*features[:, [0, 4]].T, nothing], dim=1))

    def test_scatter_is_the_way_back(self):
        """Of the features that have a column; the others are left out."""
        by_pixel, features = _ByPixel(self.OWNERS, 4), normal(N, 6)
        back = by_pixel.scatter(by_pixel.gather(features))
        assert torch.equal(back, features[:, [0, 1, 2, 4, 5]])


@every_net
class TestBothKinds:
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
            assert of_levels.any(0).all()

    def test_an_order_of_columns_is_put_back(self, make):
        """Inputs and outputs that come in another order, with their columns, give the same."""
        net, (inputs, levels) = net_of(make), rows()
        shuffled = torch.randperm(len(OUTPUTS), generator=torch.Generator().manual_seed(3))
        # within a column the order stays: it tells its features apart
        shuffled = torch.cat([shuffled[shuffled < 11], torch.tensor([11, 12, 13])])
        other = net_of(make, columns=(INPUTS, ENTRIES, OUTPUTS[shuffled]))
        torch.testing.assert_close(other(inputs, levels), net(inputs, levels)[:, shuffled])

    def test_without_columns_each_output_is_one(self, make):
        own = torch.arange(12)
        sizes = {"n_inputs": 24, "n_outputs": 12, "n_entries": 12}
        nets = [net_of(make, **sizes, columns=c) for c in (None, (own.repeat(2), own, own))]
        alone, told = [net(normal(N, 24), normal(N, 12)) for net in nets]
        assert alone.shape == (N, 12)
        assert torch.equal(alone, told)

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
