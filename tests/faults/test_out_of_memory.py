"""A batch that memory does not hold is trained on in parts, to the same result."""

import numpy as np
import pytest
import torch

from skdiffusion import DenoiserNet
from skdiffusion.diffusion.categories import Levels
from skdiffusion.nets import ResidualMLP

X = np.random.RandomState(0).normal(size=(90, 3)) ** 3
GAPS = np.where(np.random.RandomState(1).uniform(size=X.shape) < 0.2, np.nan, X)
ERRORS = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    MemoryError(),
]


class Narrow(ResidualMLP):
    """A network for which memory holds so many rows; those of the validation are no matter."""

    limit, error = 10**9, ERRORS[0]

    def forward(self, inputs, log_sigma):
        if self.training and len(inputs) > self.limit:
            raise self.error
        return super().forward(inputs, log_sigma)


class BackwardFails(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        if len(gradient) > 16:
            raise ERRORS[1]
        return gradient


class NarrowBackwards(ResidualMLP):
    """Memory runs out once some gradients are there."""

    def forward(self, inputs, log_sigma):
        return super().forward(BackwardFails.apply(inputs.requires_grad_()), log_sigma)


def fit(module=Narrow, data=X, limit=10**9, error=ERRORS[0], batch_size=32, **extra):
    Narrow.limit, Narrow.error = limit, error
    net = DenoiserNet(
        module,
        module__width=8,
        module__depth=1,
        batch_size=batch_size,
        steps_per_epoch=5,
        max_epochs=2,
        optimizer=torch.optim.SGD,
        lr=0.05,
        random_state=0,
    )
    return net.fit(data, **extra)


def assert_same(first, second):
    for a, b in zip(first.module_.net.parameters(), second.module_.net.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    losses = (net.history[:, ("train_loss", "valid_loss")] for net in (first, second))
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("error", ERRORS, ids=["cpu", "cuda", "numpy"])
@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"sample_weight": np.linspace(0, 2, 90)},
        {"data": GAPS, "completions": [np.nan_to_num(GAPS)]},
    ],
    ids=["plain", "weights", "gaps"],
)
def test_same_result(error, extra):
    with pytest.warns(UserWarning, match=r"a batch of 32 rows.*batch_size=16"):
        parts = fit(limit=20, error=error, **extra)
    assert_same(parts, fit(**extra))


def test_categories():
    """Numbers and categories count one each, gaps not at all."""
    is_one = np.arange(90) % 3 == 0
    data = np.c_[X[:, :1], is_one, ~is_one].astype(float)
    flag = (torch.tensor([1, 2]), torch.eye(2))
    extra = {"levels": Levels(3, [flag], [torch.ones(2)]), "groups": [0, 1, 1]}
    data[:12, 1:] = np.nan
    data[20:50, 0] = np.nan
    extra["completions"] = [np.nan_to_num(data)]
    with pytest.warns(UserWarning, match="Memory ran out"):
        parts = fit(data=data, limit=20, **extra)
    assert_same(parts, fit(data=data, **extra))


def test_when_gradients_ran_out_of_it():
    """Those that were there already do not count twice."""
    with pytest.warns(UserWarning, match="Memory ran out"):
        parts = fit(NarrowBackwards)
    assert_same(parts, fit(ResidualMLP))


def test_halves_again_and_says_so_once_each():
    with pytest.warns(UserWarning, match="Memory ran out") as caught:
        parts = fit(limit=20, batch_size=64)
    said = [str(w.message) for w in caught if "Memory" in str(w.message)]
    assert [s.split("batch_size=")[1].split()[0] for s in said] == ["32", "16"]
    assert_same(parts, fit(batch_size=64))


@pytest.mark.filterwarnings("ignore:Memory ran out")
def test_not_for_ever():
    with pytest.raises(RuntimeError, match="allocate"):
        fit(limit=0)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("out of memory")])
def test_other_errors_are_raised(error):
    with pytest.raises(type(error), match=str(error)):
        fit(limit=20, error=error)
