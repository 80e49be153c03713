"""Tensors of PyTorch as tables: NumPy arrays come out, as from scikit-learn's mixtures."""

import os
import subprocess
import sys

import numpy as np
import pytest
import sklearn
import torch
from numpy.testing import assert_array_equal
from packaging.version import Version
from sklearn.datasets import load_iris

from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionManifoldSampler,
    RiemannianKernelSmoother,
    TableEncoder,
)

X = load_iris().data
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
NET = DenoiserNet(max_epochs=1, steps_per_epoch=2)
MODELS = {
    "smoother": lambda: RiemannianKernelSmoother(metric="euclidean", bandwidth=0.2, random_state=0),
    "detector": lambda: DiffusionAnomalyDetector(method=("neighbors", "kernel")),
    "sampler": lambda: DiffusionManifoldSampler(denoiser=NET, n_steps=4, random_state=0),
}


class Elsewhere(torch.Tensor):
    """A tensor that NumPy cannot read where it is."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert device type tensor to numpy")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


@pytest.fixture(params=MODELS)
def make(request):
    return MODELS[request.param]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("device", DEVICES)
def test_results_are_those_of_arrays(make, device, dtype):
    tensor = torch.as_tensor(X, device=device, dtype=dtype)
    table = tensor.cpu().numpy()
    by_array, by_tensor = make().fit(table), make().fit(tensor)
    for method in ("score_samples", "transform"):
        found = getattr(by_tensor, method)(tensor)
        assert type(found) is np.ndarray
        assert_array_equal(found, getattr(by_array, method)(table))
    drawn = by_tensor.sample(4, random_state=0)
    assert drawn.dtype == table.dtype
    assert_array_equal(drawn, by_array.sample(4, random_state=0))


def test_of_another_device(make):
    tensor = torch.as_tensor(X).as_subclass(Elsewhere)
    with pytest.raises(TypeError, match="device type tensor"):
        np.asarray(tensor)
    assert np.isfinite(make().fit(tensor).score_samples(tensor)).all()


def test_one_with_a_gradient_is_refused_with_advice(make):
    with pytest.raises(RuntimeError, match=r"requires grad.*detach"):
        make().fit(torch.as_tensor(X).requires_grad_())


def test_of_whole_numbers_and_booleans():
    tensor = torch.as_tensor(X > 3)
    encoder = TableEncoder().fit(tensor)
    assert_array_equal(encoder.inverse_transform(encoder.transform(tensor)), tensor.numpy())


@pytest.mark.skipif(
    Version(sklearn.__version__) < Version("1.8"),
    reason="scikit-learn before 1.8 takes no slices of arrays where it dispatches",
)
def test_arrays_come_out_where_scikit_learn_dispatches():
    """As its mixtures, which models use inside, do not start from k-means then."""
    pytest.importorskip("scipy", "1.14", reason="scikit-learn dispatches with SciPy 1.14 or newer")
    code = (
        "import sklearn, torch\n"
        "from skdiffusion._utils.mixture import fit_bic_mixture\n"
        "from skdiffusion import RiemannianKernelSmoother\n"
        "X = torch.linspace(-1, 1, 90, dtype=torch.float64).reshape(30, 3) ** 3\n"
        "with sklearn.config_context(array_api_dispatch=True):\n"
        "    fit_bic_mixture(X.numpy(), reg_covar=1e-3)\n"
        "    model = RiemannianKernelSmoother(metric='euclidean', bandwidth=0.2).fit(X)\n"
        "    print(type(model.score_samples(X)).__name__)\n"
    )
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout == "ndarray\n", done.stderr
