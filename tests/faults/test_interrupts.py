"""Ctrl-C in the fit of every estimator: it is raised, and nothing is half-fitted."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

import skdiffusion
from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionImputer,
    DiffusionManifoldSampler,
    DiffusionOversampler,
    HierarchicalSampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding
from skdiffusion.metrics import GowerScaler
from skdiffusion.training import DistributedDenoiserNet

rng = np.random.RandomState(0)
X = rng.normal(size=(60, 3))
Y = (X[:, 0] > 0.8).astype(int)
GAPS = np.where(rng.uniform(size=X.shape) < 0.1, np.nan, X)
NET = DenoiserNet(max_epochs=2, steps_per_epoch=3, module__width=8, module__depth=1)
SAMPLER = DiffusionManifoldSampler(denoiser=NET, n_steps=4, n_likelihood_steps=2, random_state=0)
PACKAGE = str(Path(skdiffusion.__file__).parent)
# what can be fitted, and what with
ESTIMATORS = {
    "sampler": (SAMPLER, (X, Y)),
    "hierarchical": (HierarchicalSampler(levels=(1,), sampler=SAMPLER), (X, Y)),
    "smoother": (RiemannianKernelSmoother(random_state=0), (X,)),
    "operator": (OperatorScoreMatching(random_state=0), (X,)),
    "detector": (DiffusionAnomalyDetector(), (X,)),
    "imputer": (DiffusionImputer(sampler=SAMPLER, n_models=1, n_draws=4), (GAPS,)),
    "encoder": (TableEncoder(), (X,)),
    "net": (clone(NET).set_params(random_state=0), (X,)),
    "oversampler": (DiffusionOversampler(sampler=SAMPLER, random_state=0), (X, Y)),
    "autoencoder": (AutoencoderEmbedding(max_epochs=2, random_state=0), (X,)),
    "embedding": (InvertibleEmbedding(PCA(2)), (X,)),
    "scaler": (GowerScaler(), (X,)),
    "distributed": (DistributedDenoiserNet(max_epochs=2, steps_per_epoch=3, random_state=0), (X,)),
}


class Interrupted:
    """Counts calls of the package's functions, and raises at one of them as Ctrl-C would."""

    def __init__(self, at=None):
        self.at, self.n_calls = at, 0

    def __call__(self, frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            self.n_calls += 1
            if self.n_calls == self.at:
                raise KeyboardInterrupt

    def __enter__(self):
        sys.setprofile(self)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)


def assert_unfitted(estimator):
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)
    if not isinstance(estimator, DenoiserNet):
        learned = [name for name in vars(estimator) if name.endswith("_") or name == "_model"]
        assert learned == []


@pytest.mark.parametrize("name", ESTIMATORS)
def test_wherever_it_comes(name):
    estimator, data = ESTIMATORS[name]
    with Interrupted() as calls:
        clone(estimator).fit(*data)
    for share in (0.2, 0.5, 0.8):
        estimator = clone(estimator)
        with pytest.raises(KeyboardInterrupt), Interrupted(int(share * calls.n_calls)):
            estimator.fit(*data)
        assert_unfitted(estimator)
    check_is_fitted(estimator.fit(*data))
    # of a second fit, nothing of the first is left
    with pytest.raises(KeyboardInterrupt), Interrupted(calls.n_calls // 2):
        estimator.fit(*data)
    assert_unfitted(estimator)


SCRIPT = """
import numpy as np
from skorch.callbacks import Callback
from skdiffusion import DenoiserNet, DiffusionManifoldSampler

class Tell(Callback):
    def on_batch_begin(self, net, **kwargs):
        if len(net.history) == 2 and len(net.history[-1]["batches"]) == 1:
            print("training", flush=True)

net = DenoiserNet(max_epochs=10**6, patience=None, callbacks=[Tell()])
model = DiffusionManifoldSampler(denoiser=net, random_state=0)
try:
    model.fit(np.random.RandomState(0).normal(size=(60, 2)))
except KeyboardInterrupt:
    print("interrupted", [name for name in vars(model) if name.endswith("_")])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_a_real_one():
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "training\n"
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert said == "interrupted []\n"
