"""Coarse rows first, then what is finer given them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.manifold import Isomap
from sklearn.pipeline import make_pipeline

from skdiffusion import (
    DenoiserNet,
    DiffusionManifoldSampler,
    HierarchicalSampler,
    TableEncoder,
    sample_from,
)

D, N = 6, 1500
QUICK = DiffusionManifoldSampler(
    denoiser=DenoiserNet(max_epochs=2, steps_per_epoch=10, module__width=16),
    encoder=TableEncoder(numeric_transform="standard", constraints=None, clip=False),
    dcr_ratio=None,
    manifold=None,
)
PAIRS = np.kron(np.eye(3), [[0.5, 0.5]])
QUARTERS = np.array([[0.25, 0.25, 0.25, 0.25, 0, 0]])


def gaussian_rows(seed, n=N):
    """Correlated rows of unlike units, and their covariance."""
    rng = np.random.RandomState(seed)
    root = rng.normal(size=(D, D)) + 2 * np.eye(D)
    root = np.diag([1, 10, 0.1, 1, 3, 1]) @ root
    return 5.0 + rng.normal(size=(n, D)) @ root.T, root @ root.T


@pytest.fixture(scope="module")
def fitted():
    X, _ = gaussian_rows(0)
    y = np.where(X[:, 0] > 5, "high", "low")
    return HierarchicalSampler(levels=[PAIRS], sampler=QUICK, random_state=0).fit(X, y), X, y


class TestDraws:
    @pytest.mark.parametrize("levels", [[PAIRS], [2], [1, 3], [QUARTERS, PAIRS]])
    def test_gaussian_rows_have_their_moments(self, levels, global_random_seed):
        """What each level needs is Gaussian, and so exact before any training."""
        X, _ = gaussian_rows(global_random_seed)
        sampler = HierarchicalSampler(levels=levels, sampler=QUICK, random_state=0).fit(X)
        rows, std = sampler.sample(4000, random_state=0), X.std(axis=0)
        assert_allclose((rows.mean(axis=0) - X.mean(axis=0)) / std, 0, atol=0.15)
        scale = np.outer(std, std)
        assert_allclose(np.cov(rows.T) / scale, np.cov(X.T) / scale, atol=0.15)

    def test_refined_rows_are_what_is_coarse(self, fitted):
        """Sums over refined rows are those given, but where rows are kept to the range of `fit`."""
        sampler, X, y = fitted
        coarse = sampler.levels_[0].transform(X[:200])
        rows = sampler.refine(coarse, y=y[:200], random_state=0)
        inside = ((rows > X.min(axis=0)) & (rows < X.max(axis=0))).all(axis=1)
        assert inside.mean() > 0.8
        assert_allclose((rows @ PAIRS.T)[inside], coarse[inside], atol=1e-9)
        assert np.abs(rows - X[:200]).max() > 0.1

    def test_refined_rows_vary_as_rows_given_their_sums(self):
        """The conditional covariance of a Gaussian."""
        X, cov = gaussian_rows(1)
        sampler = HierarchicalSampler(levels=[PAIRS], sampler=QUICK, random_state=0).fit(X)
        rows = sampler.refine(np.full((4000, 3), 5.0), random_state=0)
        gain = cov @ PAIRS.T @ np.linalg.inv(PAIRS @ cov @ PAIRS.T)
        left, std = cov - gain @ PAIRS @ cov, np.sqrt(np.diag(cov))
        assert_allclose(np.cov(rows.T) / np.outer(std, std), left / np.outer(std, std), atol=0.1)

    def test_of_a_middle_level(self):
        X, _ = gaussian_rows(0, 300)
        levels = [QUARTERS, PAIRS]
        sampler = HierarchicalSampler(levels=levels, sampler=QUICK, random_state=0).fit(X)
        coarse = X[:50] @ PAIRS.T
        rows = sampler.refine(coarse, level=1, random_state=0)
        inside = ((rows > X.min(axis=0)) & (rows < X.max(axis=0))).all(axis=1)
        assert inside.mean() > 0.7
        assert_allclose((rows @ PAIRS.T)[inside], coarse[inside], atol=1e-9)

    def test_of_a_target(self, fitted):
        sampler, _, _ = fitted
        rows, y = sampler.sample(100, y="high", return_y=True, random_state=0)
        assert set(y) == {"high"}
        assert np.mean(rows[:, 0] > 5) > 0.75

    def test_coordinates_on_a_manifold(self):
        """A level that is no sum of columns."""
        angle = np.random.RandomState(0).uniform(0, 3, size=400)
        X = np.column_stack([np.cos(angle), np.sin(angle), angle])
        levels = [Isomap(n_neighbors=10, n_components=1)]
        sampler = HierarchicalSampler(levels=levels, sampler=QUICK, random_state=0).fit(X)
        assert sampler.sample(10, random_state=0).shape == (10, 3)


class TestContract:
    def test_same_seed_same_rows(self, fitted):
        sampler, X, y = fitted
        again = HierarchicalSampler(levels=[PAIRS], sampler=QUICK, random_state=0).fit(X, y)
        assert_allclose(again.sample(5, random_state=1), sampler.sample(5, random_state=1))

    def test_containers_types_and_constants(self):
        X, _ = gaussian_rows(0, 200)
        frame = pd.DataFrame(X, columns=list("abcdef")).round({"b": 0}).astype({"b": int})
        frame["same"] = 3.5
        sampler = HierarchicalSampler(levels=[2], sampler=QUICK, random_state=0).fit(frame)
        rows = sampler.sample(20, random_state=0)
        assert (rows.dtypes == frame.dtypes).all()
        assert (rows["same"] == 3.5).all()
        assert rows["a"].between(frame["a"].min(), frame["a"].max()).all()

    def test_mixed_tables_in_a_pipeline(self):
        X, _ = gaussian_rows(0, 200)
        frame = pd.DataFrame(X, columns=list("abcdef")).assign(sign=np.where(X[:, 0] > 5, "+", "-"))
        chain = make_pipeline(TableEncoder(), HierarchicalSampler(levels=[3], sampler=QUICK))
        rows = sample_from(chain.fit(frame), 30, random_state=0)
        assert set(rows["sign"]) == {"+", "-"}
        assert list(rows) == list(frame)

    def test_rows_without_weight_are_none(self):
        X, _ = gaussian_rows(0, 300)
        weights = np.repeat([1.0, 0.0], [250, 50])
        X[250:] += 1000.0
        fits = HierarchicalSampler(levels=[2], sampler=QUICK, random_state=0)
        rows = [
            clone(fits).fit(*parts).sample(20, random_state=0)
            for parts in ((X, None, weights), (X[:250],))
        ]
        assert_allclose(*rows)

    def test_the_template_stays_as_it_was(self):
        sampler = DiffusionManifoldSampler(denoiser=DenoiserNet(max_epochs=1, steps_per_epoch=2))
        X, _ = gaussian_rows(0, 100)
        HierarchicalSampler(levels=[2], sampler=sampler, random_state=0).fit(X)
        assert sampler.denoiser.given == ()
        assert sampler.random_state is None


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"levels": []}, "levels must not be empty"),
            ({"levels": [2], "sampler": [QUICK]}, "one or 2: .* 1 levels and 1 samplers"),
            ({"levels": [np.eye(5)]}, "5"),
            ({"levels": [7]}, "n_components=7"),
            ({"levels": 3}, "levels must be a list, the coarsest first, got 3"),
            ({"sampler": TableEncoder()}, "must be a DiffusionManifoldSampler"),
            ({"sampler": clone(QUICK).set_params(manifold=Isomap())}, "can be a level"),
        ],
    )
    def test_parameters(self, options, words):
        X, _ = gaussian_rows(0, 50)
        sampler = HierarchicalSampler(**{"sampler": QUICK, **options})
        with pytest.raises(ValueError, match=words):
            sampler.fit(X)
        assert not hasattr(sampler, "samplers_")

    def test_categories(self):
        frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "x"]})
        with pytest.raises(ValueError, match=r"\['categorical'\]: put a TableEncoder before"):
            HierarchicalSampler(levels=[1], sampler=QUICK).fit(frame)

    def test_levels_of_refine(self, fitted):
        sampler, _, _ = fitted
        with pytest.raises(ValueError, match="level must be one of 0 to 0, got 1"):
            sampler.refine(np.zeros((2, 3)), level=1)
        with pytest.raises(ValueError, match="2 columns, but level 0 has 3"):
            sampler.refine(np.zeros((2, 2)))
