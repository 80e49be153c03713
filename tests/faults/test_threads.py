"""Threads and forks: the same numbers as alone, and no mixture of two fits."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionManifoldSampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)

X = np.random.RandomState(0).normal(size=(80, 2))
OTHER = np.random.RandomState(1).normal(size=(80, 3)) + 5
NET = DenoiserNet(max_epochs=2, steps_per_epoch=5, module__width=8, module__depth=1)
ESTIMATORS = [
    DiffusionManifoldSampler(denoiser=NET, n_steps=4, n_likelihood_steps=3, random_state=0),
    RiemannianKernelSmoother(random_state=0),
    OperatorScoreMatching(random_state=0),
    DiffusionAnomalyDetector(),
]
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def use(estimator):
    """Numbers that an estimator gives."""
    found = [estimator.score_samples(X[:20])]
    if hasattr(estimator, "sample"):
        found += [estimator.sample(10, random_state=0).ravel()]
    return np.concatenate(found)


@pytest.fixture(params=ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def fitted(request):
    return clone(request.param).fit(X)


def test_eight_threads_at_once(fitted):
    alone = use(fitted)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: use(fitted), range(16)):
            np.testing.assert_array_equal(found, alone)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_child_after_a_fork(fitted):
    """With other threads in the parent, one of which holds what a fit needs."""
    alone, done = use(fitted), threading.Event()
    training = threading.Thread(target=hold_the_generator, args=(done,))
    training.start()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            torch.set_num_threads(1)
            found = use(fitted)
            clone(fitted).fit(X)
            os.write(write, found.tobytes())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    killer = threading.Timer(60, os.kill, (child, 9))
    killer.start()
    with os.fdopen(read, "rb") as pipe:
        found = np.frombuffer(pipe.read())
    _, status = os.waitpid(child, 0)
    killer.cancel()
    done.set()
    training.join()
    assert status == 0
    np.testing.assert_array_equal(found, alone)


def hold_the_generator(done):
    from skdiffusion._utils.torch_seed import seeded_torch

    with seeded_torch(0):
        done.wait(60)


@pytest.mark.parametrize(
    "estimator", [*ESTIMATORS, NET, TableEncoder()], ids=lambda e: type(e).__name__
)
def test_two_threads_fit_one(estimator):
    """One of the fits, whole, or an error; never a mixture."""
    if "random_state" in estimator.get_params():
        estimator = clone(estimator).set_params(random_state=0)
    whole = {data.shape[1]: numbers(clone(estimator).fit(data)) for data in (X, OTHER)}
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(3):
            shared, start = clone(estimator), threading.Barrier(2)

            def fit(data, shared=shared, start=start):
                start.wait()
                shared.fit(data)

            with ThreadPoolExecutor(2) as pool:
                errors = [f.exception() for f in [pool.submit(fit, d) for d in (X, OTHER)]]
            for error in filter(None, errors):
                assert isinstance(error, RuntimeError)
                assert "another thread" in str(error)
            assert None in errors
            found = numbers(shared)
            assert any(np.array_equal(found, other) for other in whole.values())
    finally:
        sys.setswitchinterval(interval)


def numbers(estimator):
    """What identifies a fit."""
    if isinstance(estimator, DenoiserNet):
        flat = [weight.detach().numpy().ravel() for weight in estimator.module_.net.parameters()]
        return np.concatenate([*flat, estimator.history[:, "valid_loss"]])
    data = X if estimator.n_features_in_ == 2 else OTHER
    if isinstance(estimator, TableEncoder):
        return estimator.transform(data).ravel()
    return estimator.score_samples(data)


def test_a_fit_beside_draws_from_the_global_generator():
    """The fit is as alone, and the stream of others, which may wait, is no other either."""
    net = clone(NET).set_params(random_state=0)
    alone = numbers(clone(net).fit(X))
    state = torch.get_rng_state()
    with ThreadPoolExecutor(1) as pool:
        fit = pool.submit(clone(net).fit, X)
        own = torch.Generator().manual_seed(3)
        drawn = torch.cat([torch.rand(3, generator=own) for _ in range(2000)])
        found = numbers(fit.result())
    np.testing.assert_array_equal(found, alone)
    assert torch.equal(torch.get_rng_state(), state)
    expected = torch.Generator().manual_seed(3)
    assert torch.equal(drawn, torch.cat([torch.rand(3, generator=expected) for _ in range(2000)]))
