"""Batches of draws: the same whoever draws them, and in which order."""

import pickle
import tracemalloc
from itertools import islice

import numpy as np
import pytest
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal
from scipy.stats import kstest
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdiffusion import (
    DenoiserNet,
    DiffusionImputer,
    DiffusionManifoldSampler,
    DrawnBatches,
    RiemannianKernelSmoother,
)

X = np.random.RandomState(0).normal(size=(40, 2)).cumsum(1)


@pytest.fixture(scope="module")
def smoother():
    return RiemannianKernelSmoother(random_state=0).fit(X)


def kernel_density():
    return KernelDensity(bandwidth=0.5).fit(X)


class TestDraws:
    def test_sizes(self):
        batches = DrawnBatches(kernel_density(), 25, batch_size=10, random_state=0)
        assert len(batches) == 3
        assert [batch.shape for batch in batches] == [(10, 2), (10, 2), (5, 2)]

    def test_one_batch_of_all(self):
        batches = DrawnBatches(kernel_density(), 7)
        assert [len(batch) for batch in batches] == [7]

    def test_random_numbers_are_those_of_spawned_seeds(self):
        model = kernel_density()
        batches = DrawnBatches(model, 30, batch_size=10, random_state=3)
        for batch, seed in zip(batches, np.random.SeedSequence(3).spawn(3), strict=True):
            rng = np.random.RandomState(seed.generate_state(4))
            assert_array_equal(batch, model.sample(10, random_state=rng))

    def test_order_and_repetition_make_no_difference(self, smoother):
        batches = DrawnBatches(smoother, 60, batch_size=20, random_state=0)
        backwards = [batches[-1], batches[1], batches[0]][::-1]
        assert_array_equal(list(batches), backwards)
        assert_array_equal(list(batches), backwards)

    def test_batches_differ(self):
        batches = DrawnBatches(kernel_density(), 1000, batch_size=1, random_state=0)
        assert len({float(batch[0, 0]) for batch in batches}) == 1000

    def test_joined_batches_are_a_sample(self):
        # of a single kernel, whose draws are a normal sample if the batches are independent
        model = KernelDensity().fit([[0.0]])
        rows = np.concatenate([*DrawnBatches(model, 4000, batch_size=4, random_state=0)])
        assert kstest(rows[:, 0], "norm").pvalue > 1e-3

    def test_no_batch_beyond_the_last(self):
        batches = DrawnBatches(kernel_density(), 30, batch_size=10)
        for position in (3, -4):
            with pytest.raises(IndexError):
                batches[position]
        with pytest.raises(TypeError):
            batches[:2]

    def test_workers_make_no_difference(self, smoother):
        batches = DrawnBatches(smoother, 50, batch_size=20, random_state=0)
        drawn = Parallel(n_jobs=2)(delayed(batches.__getitem__)(i) for i in range(3))
        for batch, alone in zip(drawn, batches, strict=True):
            assert_array_equal(batch, alone)

    def test_pickled(self):
        batches = DrawnBatches(kernel_density(), 30, batch_size=20)
        again = pickle.loads(pickle.dumps(batches))
        assert_array_equal(again[1], batches[1])

    def test_memory_is_that_of_a_batch(self):
        model, sizes = kernel_density(), (10_000, 10_000_000)
        peaks = []
        for n in sizes:
            tracemalloc.start()
            for _ in islice(DrawnBatches(model, n, batch_size=1000), 10):
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] < 1.5 * peaks[0]

    def test_parameters_reach_sample_from(self):
        model = make_pipeline(StandardScaler(), RiemannianKernelSmoother(random_state=0)).fit(X)
        batch = DrawnBatches(model, 5, random_state=0, conditions={0: 1.0})[0]
        assert_array_equal(batch[:, 0], StandardScaler().fit(X).inverse_transform([[1.0, 0]])[0, 0])

    def test_targets(self):
        y = np.where(X[:, 0] > 0, "a", "b")
        model = RiemannianKernelSmoother(random_state=0).fit(X, y)
        rows, labels = DrawnBatches(model, 9, batch_size=6, return_y=True, random_state=0)[1]
        assert rows.shape == (3, 2)
        assert set(labels) <= {"a", "b"}


class TestSeeds:
    def test_a_number(self):
        draw = [DrawnBatches(kernel_density(), 5, random_state=seed)[0] for seed in (0, 0, 1)]
        assert_array_equal(draw[0], draw[1])
        assert (draw[0] != draw[2]).all()

    def test_none_differs_by_object_but_not_by_call(self):
        one, other = (DrawnBatches(kernel_density(), 5) for _ in range(2))
        assert_array_equal(one[0], one[0])
        assert (one[0] != other[0]).all()

    def test_a_generator_is_read_once(self):
        rng = np.random.RandomState(0)
        one, other = (DrawnBatches(kernel_density(), 5, random_state=rng) for _ in range(2))
        assert_array_equal(one[0], one[0])
        assert (one[0] != other[0]).all()
        again = DrawnBatches(kernel_density(), 5, random_state=np.random.RandomState(0))
        assert_array_equal(again[0], one[0])


class TestGaps:
    rows = np.where(np.random.RandomState(1).random(size=X.shape) < 0.3, np.nan, X)

    def test_filled_by_impute(self, smoother):
        batches = DrawnBatches(smoother, self.rows, batch_size=15, random_state=0)
        filled = np.concatenate([*batches])
        known = ~np.isnan(self.rows)
        assert_array_equal(filled[known], self.rows[known])
        assert not np.isnan(filled).any()
        seed = np.random.SeedSequence(0).spawn(2)[1].generate_state(4)
        rng = np.random.RandomState(seed)
        alone = smoother.impute(self.rows[15:30], strategy="draw", random_state=rng)
        assert_array_equal(batches[1], alone)

    def test_equal_rows_get_different_draws(self, smoother):
        rows = np.full((6, 2), [0.5, np.nan])
        filled = np.concatenate([*DrawnBatches(smoother, rows, batch_size=3, random_state=0)])
        assert len(set(filled[:, 1])) == 6

    def test_filled_by_an_imputer(self):
        sampler = DiffusionManifoldSampler(
            denoiser=DenoiserNet(max_epochs=1, steps_per_epoch=3), manifold=None, n_steps=3
        )
        imputer = DiffusionImputer(sampler=sampler, n_models=1, random_state=0).fit(self.rows)
        batches = DrawnBatches(imputer, self.rows, batch_size=25, random_state=0)
        assert_array_equal(batches[1], batches[1])
        assert not np.isnan(batches[0]).any()

    def test_frames(self, smoother):
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(self.rows, columns=["a", "b"])
        model = RiemannianKernelSmoother(random_state=0).fit(pd.DataFrame(X, columns=["a", "b"]))
        batch = DrawnBatches(model, frame, batch_size=15, random_state=0)[1]
        assert_array_equal(batch.index, frame.index[15:30])


class TestErrors:
    @pytest.mark.parametrize("options", [{"rows": 0}, {"rows": True}, {"batch_size": 0}])
    def test_numbers(self, options):
        with pytest.raises(ValueError, match=f"{next(iter(options))} must be at least 1"):
            DrawnBatches(kernel_density(), **{"rows": 5, **options})

    def test_a_model_that_fills_no_gaps(self):
        with pytest.raises(TypeError, match="KernelDensity cannot fill gaps"):
            DrawnBatches(kernel_density(), X)

    def test_conditions_by_row(self, smoother):
        batches = DrawnBatches(smoother, 6, batch_size=3, conditions=np.full((6, 2), np.nan))
        with pytest.raises(ValueError, match="6 entries, but n_samples=3"):
            batches[0]

    def test_no_sample(self):
        with pytest.raises(TypeError, match="no method 'sample'"):
            DrawnBatches(StandardScaler().fit(X), 5)[0]
