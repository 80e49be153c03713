"""Parameters of estimators that are None, of which there is a default."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from skdiffusion import (
    DenoiserNet,
    DiffusionAnomalyDetector,
    DiffusionImputer,
    DiffusionManifoldSampler,
    DiffusionOversampler,
    HierarchicalSampler,
    RiemannianKernelSmoother,
)
from skdiffusion.manifold import InvertibleEmbedding

X = load_iris().data
QUICK = {"denoiser__max_epochs": 1, "denoiser__steps_per_epoch": 2}
NESTED = [
    (DiffusionManifoldSampler(), "denoiser__lr", 0.1),
    (DiffusionManifoldSampler(), "denoiser__module__width", 8),
    (DiffusionManifoldSampler(), "encoder__clip", False),
    (RiemannianKernelSmoother(), "encoder__numeric_transform", "quantile"),
    (DiffusionImputer(), "sampler__denoiser__lr", 0.1),
    (DiffusionImputer(), "sampler__encoder__clip", False),
    (DiffusionOversampler(), "sampler__n_steps", 3),
    (HierarchicalSampler(), "sampler__denoiser__lr", 0.1),
    (InvertibleEmbedding(), "estimator__max_epochs", 2),
]


@pytest.mark.parametrize(("estimator", "name", "value"), NESTED)
def test_parameters_of_a_default_can_be_set(estimator, name, value):
    part, _, rest = name.partition("__")
    default = getattr(type(estimator), f"_default_{part}")
    before = repr(default)
    changed = clone(estimator).set_params(**{name: value})
    assert changed.get_params()[name] == value
    assert repr(getattr(changed, part)) == repr(clone(default).set_params(**{rest: value}))
    assert repr(default) == before
    assert getattr(clone(estimator), part) is None


def test_a_default_that_is_set_is_the_default():
    by_default = DiffusionManifoldSampler(denoiser=DenoiserNet(), n_steps=4, random_state=0)
    implied = DiffusionManifoldSampler(n_steps=4, random_state=0)
    rows = [
        model.set_params(**QUICK).fit(X).sample(5, random_state=0)
        for model in (by_default, implied)
    ]
    np.testing.assert_array_equal(*rows)


def test_a_part_given_in_the_same_call_is_taken():
    net = DenoiserNet(lr=0.5)
    model = DiffusionManifoldSampler().set_params(denoiser__max_epochs=3, denoiser=net)
    assert (model.denoiser.lr, model.denoiser.max_epochs) == (0.5, 3)
    emptied = model.set_params(denoiser=None, denoiser__max_epochs=3)
    assert emptied.denoiser.lr == DenoiserNet().lr


def test_what_has_no_parameters_says_so():
    with pytest.raises(ValueError, match=r"manifold is 'auto'.*set manifold to an estimator"):
        DiffusionManifoldSampler().set_params(manifold__n_components=2)
    with pytest.raises(ValueError, match="window is None"):
        DiffusionAnomalyDetector().set_params(window__size=2)
    with pytest.raises(ValueError, match="Invalid parameter 'wrong'"):
        DiffusionManifoldSampler().set_params(wrong__lr=2)
    with pytest.raises(ValueError, match="wrong"):
        DiffusionManifoldSampler().set_params(denoiser__wrong=2)


def test_a_search_over_a_default():
    quick = DiffusionManifoldSampler(baseline="gaussian", n_steps=4, random_state=0)
    grid = {name: [value] for name, value in QUICK.items()} | {"denoiser__lr": [1e-3, 1e-2]}
    search = GridSearchCV(quick, grid, cv=2).fit(X)
    assert search.best_estimator_.denoiser.lr in grid["denoiser__lr"]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert quick.denoiser is None
