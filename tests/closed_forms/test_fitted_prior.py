"""Which closed forms a table gets."""

import numpy as np
import pytest
import torch

from skdiffusion.closed_forms import fitted_prior
from skdiffusion.closed_forms.fitted_prior import fit_prior
from skdiffusion.diffusion.factor_gaussian import FactorGaussian, FactorMixture
from skdiffusion.diffusion.gaussians import MixtureDenoiser

RNG = np.random.RandomState(0)
Z = RNG.normal(size=(80, 6))
LOW_RANK = RNG.normal(size=(200, 2)) @ RNG.normal(size=(2, 6)) + 0.05 * RNG.normal(size=(200, 6))
ALL = np.arange(6)


def kinds(*args, **options):
    is_class = np.zeros(args[0].shape[1], dtype=bool)
    return [type(p) for p in fit_prior(*args, is_class=is_class, random_state=0, **options)]


class TestFitPrior:
    @pytest.mark.parametrize(
        ("baseline", "kind"),
        [
            ("auto", MixtureDenoiser),
            ("mixture", MixtureDenoiser),
            ("gaussian", type(None)),
        ],
    )
    def test_baseline(self, baseline, kind):
        assert kinds(Z, ALL, 6, baseline)[1] is kind

    def test_none_is_the_standard_normal(self):
        gaussian, baseline = fit_prior(Z + 5, ALL, 6, None, is_class=np.zeros(6, dtype=bool))
        assert baseline is None
        assert torch.equal(gaussian.mean, torch.zeros(6).double())
        assert (gaussian.covs == 1).all()

    def test_a_noise_floor(self):
        assert kinds(LOW_RANK, ALL, 2) == [FactorGaussian, FactorMixture]
        assert kinds(LOW_RANK, ALL, 2, "gaussian") == [FactorGaussian, type(None)]

    def test_classes(self):
        label = np.repeat([[1.0], [-1.0]], 40, axis=0)
        is_class = np.arange(7) == 6
        _, baseline = fit_prior(np.c_[Z, label], ALL, 6, is_class=is_class, random_state=0)
        assert set(baseline.means[:, 6].tolist()) == {-1.0, 1.0}

    def test_auto_leaves_large_tables_to_the_gaussian(self, monkeypatch):
        numbers = np.arange(3)
        monkeypatch.setattr(fitted_prior, "MAX_MIXTURE_COLUMNS", 2)
        assert kinds(Z, numbers, 3)[1] is type(None)
        assert kinds(Z, numbers, 3, "mixture")[1] is MixtureDenoiser

    def test_factors_count_in_place_of_columns(self, monkeypatch):
        monkeypatch.setattr(fitted_prior, "MAX_MIXTURE_COLUMNS", 2)
        assert kinds(LOW_RANK, ALL, 2)[1] is FactorMixture
