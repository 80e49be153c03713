"""What estimators say while they work, and that they are silent if they are not asked."""

import numpy as np
import pytest
from sklearn.base import clone

from skdiffusion import (
    DenoiserNet,
    DiffusionImputer,
    DiffusionManifoldSampler,
    DiffusionOversampler,
    HierarchicalSampler,
    RiemannianKernelSmoother,
)

X = np.random.RandomState(0).normal(size=(40, 3))
Y = np.arange(40) >= 30
GAPS = np.where(np.arange(120).reshape(40, 3) % 7, X, np.nan)
QUICK = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=1, steps_per_epoch=2), n_steps=4)

USES = {
    "imputer": (DiffusionImputer(sampler=QUICK, n_models=2, n_draws=2), "fit_transform", (GAPS,)),
    "oversampler": (DiffusionOversampler(sampler=QUICK), "fit_resample", (X, Y)),
    "levels": (HierarchicalSampler(levels=(1,), sampler=QUICK), "fit", (X,)),
    "smoother": (RiemannianKernelSmoother(metric="euclidean", standardize=True), "fit", (X,)),
}
SAID = {
    "imputer": ["model 1 of 2", "model 2 of 2", "filling 18 rows"],
    "oversampler": ["fitting a model of 40 rows", "drawing 20 rows"],
    "levels": ["model 1 of 2", "model 2 of 2"],
    "smoother": ["bandwidths of 40 rows", "noise of what is known", "starts of draws"],
}


@pytest.mark.parametrize("name", USES)
def test_what_is_said(name, capsys):
    estimator, method, data = USES[name]
    quiet = clone(estimator).set_params(random_state=0)
    getattr(quiet, method)(*data)
    said = capsys.readouterr()
    assert said.out == said.err == ""
    getattr(clone(quiet).set_params(verbose=1), method)(*data)
    said = capsys.readouterr()
    lines = [line for line in said.out.splitlines() if line.startswith("[")]
    assert all(line.startswith(f"[{type(estimator).__name__}] ") for line in lines)
    assert len(lines) == len(SAID[name])
    assert all(words in line for words, line in zip(SAID[name], lines, strict=True))
    # a part that trains shows its bar
    assert ("it/s" in said.err) == (name != "smoother")
