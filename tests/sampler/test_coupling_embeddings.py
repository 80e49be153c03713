"""Couplings by any embedding, and within the estimators that own a sampler."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap

from benchmarks.known_manifolds import Embedded, SwissRoll
from skdiffusion import DenoiserNet, DiffusionImputer, DiffusionManifoldSampler
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding

ROLL = Embedded(SwissRoll(), 6)
X = ROLL.sample(200, noise=0.05, random_state=0)
FRESH = ROLL.sample(100, noise=0.05, random_state=1)


class TestEstimators:
    @pytest.mark.parametrize(
        ("manifold", "coupling"),
        [
            (Isomap(n_components=2), "auto"),
            (InvertibleEmbedding(PCA(3)), "latent"),
            (Isomap(n_components=2), "project"),
        ],
    )
    def test_any(self, quick, manifold, coupling):
        sampler = quick(manifold=manifold, coupling=coupling).fit(X)
        assert sampler.coupling_ == ("latent" if coupling == "auto" else coupling)
        assert isinstance(sampler.embedding_, InvertibleEmbedding)
        assert sampler.dimension_ == sampler.embedding_.embedding_.shape[1]
        assert np.isfinite(sampler.sample(5, random_state=0)).all()
        assert not hasattr(manifold, "embedding_")

    def test_seeds_it(self, quick):
        """An embedding without a seed of its own is seeded by the sampler."""
        learner = AutoencoderEmbedding(2, max_epochs=1)
        sampler = quick(manifold=InvertibleEmbedding(learner))
        first, second = (clone(sampler).fit(X).sample(3, random_state=0) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_more_components_than_columns(self, quick):
        learner = AutoencoderEmbedding(4, max_epochs=1)
        sampler = quick(manifold=learner, coupling="project").fit(X[:, :3])
        assert np.isfinite(sampler.sample(3, random_state=0)).all()

    def test_drawn_rows_pass_through_it(self, quick):
        """A plane as the manifold: drawn rows lie on it, but for the noise about it."""
        sampler = quick(
            manifold=InvertibleEmbedding(PCA(3), decoder="own"), coupling="project"
        ).fit(X)
        numbers = sampler.model_.encoder.encoder
        lost = []
        for rows in (sampler.sample(300, random_state=0), X):
            Z = numbers.transform(rows)
            W = sampler.embedding_.transform(Z)
            lost.append(np.sqrt(np.mean((Z - sampler.embedding_.inverse_transform(W)) ** 2)))
        assert lost[0] == pytest.approx(lost[1], rel=0.25)
        drawn = sampler.sample(300, random_state=0)
        np.testing.assert_allclose(np.cov(drawn.T), np.cov(X.T), atol=0.25)


class TestWithOthers:
    def test_imputer(self):
        """Gaps of fresh rows are filled on the manifold, far better than by the mean."""
        net = DenoiserNet(max_epochs=3, module__width=64, module__depth=2)
        model = DiffusionManifoldSampler(denoiser=net, coupling="project")
        imputer = DiffusionImputer(sampler=model, n_models=1, n_draws=8, random_state=0).fit(X)
        gaps = FRESH[:15].copy()
        hidden = np.random.default_rng(0).random(gaps.shape) < 0.2
        gaps[hidden] = np.nan
        filled = imputer.transform(gaps)
        np.testing.assert_array_equal(filled[~hidden], FRESH[:15][~hidden])
        error = np.sqrt(np.mean((filled - FRESH[:15])[hidden] ** 2))
        mean = np.sqrt(np.mean((X.mean(0) - FRESH[:15])[hidden.nonzero()[0]] ** 2))
        assert error < 0.4 * mean
