"""The couplings of the sampler on a known manifold: how near drawn rows come, and how likely."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from benchmarks.known_manifolds import Embedded, SwissRoll
from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder
from skdiffusion.diffusion.tangent_denoiser import TangentDenoiser
from skdiffusion.manifold import AutoencoderEmbedding, InvertibleEmbedding
from skdiffusion.manifold.coupling import fit_encoder, read_plan
from skdiffusion.tables.frames import read_table

ROLL = Embedded(SwissRoll(), 12)
X = ROLL.sample(500, noise=0.05, random_state=0)
FRESH = ROLL.sample(500, noise=0.05, random_state=1)
REAL = ROLL.distance(FRESH).mean()


def far(sampler, n=400):
    return ROLL.distance(np.asarray(sampler.sample(n, random_state=0))).mean() / REAL


def without_planes(sampler):
    """A copy that draws by its network alone."""
    alone, model = copy.copy(sampler), sampler.model_
    alone._model = replace(model, denoiser=model.denoiser.denoiser)
    return alone


@pytest.fixture(scope="module")
def trained():
    """Samplers of the roll, for each coupling one."""
    net = DenoiserNet(max_epochs=2, module__width=64, module__depth=2)
    samplers = {}

    def get(**options):
        key = repr(options)
        if key not in samplers:
            made = DiffusionManifoldSampler(
                denoiser=net, n_likelihood_steps=6, dcr_ratio=None, random_state=0, **options
            )
            samplers[key] = made.fit(X)
        return samplers[key]

    return get


class TestRoll:
    def test_found_and_kept_to(self, trained):
        sampler = trained()
        assert (sampler.coupling_, sampler.dimension_) == ("project", 2)
        assert isinstance(sampler.model_.denoiser, TangentDenoiser)
        assert far(sampler) < 1.3
        # nearer to the planes than what the network draws without them
        assert far(sampler) < 0.95 * far(without_planes(sampler))

    def test_without(self, trained):
        sampler = trained(manifold=None)
        assert (sampler.coupling_, sampler.dimension_) == ("none", None)
        assert far(sampler) > 1.3 * far(trained())

    def test_novel_rows(self, trained):
        """Drawn rows are as far from those of `fit` as fresh ones: none is copied."""
        gaps = [
            np.median(np.sqrt(((rows[:, None] - X) ** 2).sum(2)).min(1))
            for rows in (trained().sample(200, random_state=0), FRESH[:200])
        ]
        assert 0.8 < gaps[0] / gaps[1] < 1.4

    def test_coordinates_come_near(self, trained):
        sampler = trained(coupling="latent")
        assert sampler.coupling_ == "latent"
        assert far(sampler) < 0.7 * far(trained(manifold=None))

    def test_embedding(self, trained):
        sampler = trained(coupling="latent")
        assert isinstance(sampler.embedding_, InvertibleEmbedding)
        assert isinstance(sampler.embedding_.estimator_, AutoencoderEmbedding)
        assert sampler.model_.rows.shape == (500, sampler.dimension_)
        assert trained().embedding_ is None

    def test_the_density_knows_the_manifold(self, trained):
        """Rows on it are likelier than rows moved off it, by all that the model without it sees."""
        normal = FRESH[:20] + 0.4 * np.random.default_rng(0).normal(size=(20, 12))
        for options in ({}, {"coupling": "latent"}):
            scores = [trained(**options).score_samples(rows) for rows in (FRESH[:20], normal)]
            assert (scores[0] > scores[1]).all()


class TestDecisions:
    """What is decided about a table does not depend on how it is laid out."""

    @pytest.fixture
    def roll(self):
        return SwissRoll().sample(800, return_coordinates=True, random_state=0)

    def coding(self, X):
        rng = np.random.RandomState(0)
        plan = read_plan("auto", "auto")
        return fit_encoder(TableEncoder(), X, read_table(X), None, plan, rng)[0].numeric_transform

    def test_sorted_rows(self, roll):
        rows, coordinates = roll
        shuffled = self.coding(rows)
        assert isinstance(shuffled, float)
        for order in (np.argsort(coordinates[:, 0]), np.argsort(rows[:, 1])):
            assert self.coding(rows[order]) == pytest.approx(shuffled)

    def test_two_parts_one_after_the_other(self):
        """The first rows are a curve, and all of them no longer one."""
        rng = np.random.RandomState(0)
        t = rng.uniform(0, 2 * np.pi, 2100)
        curve, cube = np.c_[np.cos(t), np.sin(t), t], rng.uniform(2, 5, (4000, 3))
        rows = np.concatenate([curve, cube])
        assert self.coding(rows) == pytest.approx(self.coding(rng.permutation(rows)))

    def test_a_constant_column(self, roll):
        rows = roll[0]
        assert self.coding(np.c_[rows[:, :1], np.full(800, 7.0), rows[:, 1:]]) == pytest.approx(
            self.coding(rows)
        )

    def test_a_constant_column_in_a_model(self, quick):
        rows = np.insert(X, 3, 2.5, axis=1)
        sampler = quick(manifold="auto", coupling="project").fit(rows)
        assert sampler.coupling_ == "project"
        assert (sampler.sample(5, random_state=0)[:, 3] == 2.5).all()


class TestLatentDensity:
    def test_agrees_with_the_distribution_of_low_rank_rows(self):
        """A Gaussian plane with noise: the likelihood through PCA is that of the rows."""
        rng = np.random.default_rng(0)
        loadings = np.linalg.qr(rng.normal(size=(8, 2)))[0] * [2.0, 1.0]
        truth = multivariate_normal(np.zeros(8), loadings @ loadings.T + 0.01 * np.eye(8))
        rows, fresh = truth.rvs(1500, random_state=0), truth.rvs(100, random_state=1)
        sampler = DiffusionManifoldSampler(
            manifold=InvertibleEmbedding(PCA(2), decoder="own"),
            denoiser=DenoiserNet(max_epochs=3, module__width=16, module__depth=1),
            random_state=0,
        ).fit(rows)
        found, expected = sampler.score_samples(fresh), truth.logpdf(fresh)
        assert found.mean() == pytest.approx(expected.mean(), abs=0.15)
        assert np.corrcoef(found, expected)[0, 1] > 0.95
