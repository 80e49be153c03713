"""The contracts of imbalanced-learn and of scikit-learn, without exceptions."""

import sys

import pytest
from imblearn.base import is_sampler
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import estimator_checks as imblearn_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion._oversampler import DiffusionOversampler

# imbalanced-learn's checks ask more of its own oversamplers than of others
BaseOverSampler.register(DiffusionOversampler)

NET = DenoiserNet(max_epochs=1, steps_per_epoch=3, module__width=8, module__depth=1)
QUICK = DiffusionManifoldSampler(denoiser=NET, baseline="gaussian", manifold=None, n_steps=5)


@imblearn_checks.parametrize_with_checks(
    [
        DiffusionOversampler(sampler=QUICK, random_state=0),
        DiffusionOversampler(sampler=QUICK, sigma=None, random_state=0),
    ],
    expected_failed_checks=lambda estimator: {},
)
def test_imbalanced_learn_contract(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [DiffusionOversampler(sampler=QUICK, random_state=0)],
    expected_failed_checks=lambda estimator: {},
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_it_is_a_sampler_and_no_transformer():
    assert is_sampler(DiffusionOversampler())
    assert not hasattr(DiffusionOversampler(), "transform")


def test_a_missing_imbalanced_learn_is_named(quick, imbalanced, monkeypatch):
    monkeypatch.setitem(sys.modules, "imblearn.utils", None)
    with pytest.raises(ImportError, match=r"skdiffusion\[imblearn\]"):
        quick().fit_resample(imbalanced.X, imbalanced.y)
    assert not hasattr(quick(), "sampler_")


def test_numbers_need_no_imbalanced_learn(quick, skewed, monkeypatch):
    monkeypatch.setitem(sys.modules, "imblearn.utils", None)
    assert len(quick().fit_resample(skewed.X, skewed.y)[0]) > len(skewed.X)
