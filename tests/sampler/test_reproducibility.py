"""Same seed, same rows; the same rows, the same scores; and no trace anywhere else."""

import copy
import os
import pickle
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from skorch.callbacks import Callback

import skdiffusion
from skdiffusion import (
    DenoiserNet,
    DiffusionImputer,
    DiffusionManifoldSampler,
    RiemannianKernelSmoother,
)
from skdiffusion.manifold import AutoencoderEmbedding
from skdiffusion.model import drawing, table_model

SCRIPT = """
import pickle, sys
import torch
torch.set_num_threads(1)
with open(sys.argv[1], "rb") as file:
    fitted, frame = pickle.load(file)
refitted = fitted.__class__(**fitted.get_params(deep=False)).fit(frame)
results = {
    "refitted samples": refitted.sample(40, random_state=3),
    "refitted scores": refitted.score_samples(frame[:20]),
    "loaded samples": fitted.sample(40, random_state=3),
    "loaded scores": fitted.score_samples(frame[:20]),
}
with open(sys.argv[2], "wb") as file:
    pickle.dump(results, file)
"""


def table(n=120):
    return np.random.default_rng(0).normal(size=(n, 3))


def state_of_global_generators():
    numpy_state = np.random.get_state()  # noqa: NPY002
    return joblib.hash([random.getstate(), numpy_state, torch.get_rng_state().numpy()])


@pytest.fixture(scope="module")
def here_and_there(quick, pandas_table, tmp_path_factory):
    """Results of this process, then those of another, whose sets are ordered otherwise."""
    folder = tmp_path_factory.mktemp("processes")
    fitted = quick().fit(pandas_table)
    (folder / "fitted.pkl").write_bytes(pickle.dumps((fitted, pandas_table)))
    path = [str(Path(skdiffusion.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    results = folder / "results.pkl"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "fitted.pkl"), str(results)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": "1"},
        check=True,
        timeout=300,
    )
    samples = fitted.sample(40, random_state=3)
    return samples, fitted.score_samples(pandas_table[:20]), pickle.loads(results.read_bytes())


class TestFreshProcesses:
    @pytest.mark.parametrize("which", ["refitted", "loaded"])
    def test_samples_are_the_same_bit_for_bit(self, here_and_there, which):
        samples, _, there = here_and_there
        assert_frame_equal(there[f"{which} samples"], samples, check_exact=True)

    @pytest.mark.parametrize("which", ["refitted", "loaded"])
    def test_scores_are_the_same(self, here_and_there, which):
        _, scores, there = here_and_there
        assert_allclose(there[f"{which} scores"], scores, rtol=0, atol=1e-10)


class TestSeeds:
    def test_same_seeds_same_rows_and_scores(self, quick):
        first, second = quick().fit(table()), quick().fit(table())
        assert_array_equal(first.sample(30, random_state=1), second.sample(30, random_state=1))
        assert_array_equal(first.score_samples(table(5)), second.score_samples(table(5)))

    def test_another_seed_of_sample_gives_other_rows(self, gaussian):
        first, second = (gaussian.sampler.sample(30, random_state=k) for k in (1, 2))
        assert not np.intersect1d(first, second).size

    def test_another_seed_of_fit_gives_another_model(self, quick):
        first, second = (quick(random_state=k).fit(table()) for k in (1, 2))
        assert not np.allclose(
            first.score_samples(table(5)), second.score_samples(table(5)), atol=1e-6
        )

    def test_no_seed_gives_other_rows_at_every_call(self, gaussian):
        first, second = gaussian.sampler.sample(30), gaussian.sampler.sample(30)
        assert not np.intersect1d(first, second).size

    def test_no_seed_gives_another_model_at_every_fit(self, quick):
        first, second = (quick(random_state=None).fit(table()) for _ in range(2))
        assert not np.allclose(
            first.score_samples(table(5)), second.score_samples(table(5)), atol=1e-6
        )

    def test_a_generator_advances(self, gaussian):
        rng = np.random.RandomState(0)
        first, second = (gaussian.sampler.sample(9, random_state=rng) for _ in range(2))
        assert not np.intersect1d(first, second).size
        assert_array_equal(first, gaussian.sampler.sample(9, random_state=np.random.RandomState(0)))

    @pytest.mark.parametrize("seed", [0, 7])
    def test_the_seed_of_the_net_decides_on_its_training(self, seed):
        """Without a mixture, whose seed is the sampler's, nothing else is drawn in fit."""
        net = DenoiserNet(
            max_epochs=1, steps_per_epoch=5, module__width=8, module__depth=1, random_state=seed
        )
        first, second = (
            DiffusionManifoldSampler(denoiser=net, baseline="gaussian").fit(table())
            for _ in range(2)
        )
        assert_array_equal(first.score_samples(table(5)), second.score_samples(table(5)))

    def test_a_sample_does_not_repeat_rows_across_chunks(self, gaussian, monkeypatch):
        monkeypatch.setattr(drawing, "CHUNK_ROWS", 8)
        rows = gaussian.sampler.sample(20, random_state=0)
        assert rows.shape == (20, 5)
        assert len(np.unique(rows[:, 0])) == 20


class TestGlobalGenerators:
    def test_are_untouched(self, quick):
        X, y = table(), np.arange(120) % 2
        before = state_of_global_generators()
        sampler = quick().fit(X, y)
        sampler.sample(3, random_state=0)
        sampler.sample(3, y=1, random_state=0)
        sampler.score_samples(X[:3])
        sampler.inverse_transform(sampler.transform(X[:3]))
        assert state_of_global_generators() == before

    def test_are_untouched_by_a_stochastic_solver(self, gaussian):
        sampler = copy.copy(gaussian.sampler).set_params(solver="ancestral")
        before = state_of_global_generators()
        sampler.sample(3, random_state=0)
        assert state_of_global_generators() == before

    def test_torchs_is_untouched_without_a_seed(self, quick):
        """NumPy's is what ``random_state=None`` stands for in scikit-learn."""
        before = torch.get_rng_state()
        quick(random_state=None).fit(table()).sample(3)
        assert torch.equal(torch.get_rng_state(), before)

    def test_are_not_used(self, quick):
        results = []
        for seed in (1, 2):
            np.random.seed(seed)  # noqa: NPY002
            torch.manual_seed(seed)
            random.seed(seed)
            sampler = quick(solver="ancestral").fit(table())
            results.append((sampler.sample(9, random_state=0), sampler.score_samples(table(5))))
        for first, second in zip(*results, strict=True):
            assert_array_equal(first, second)


class TestState:
    def test_nothing_but_fit_changes_the_sampler(self, blobs):
        sampler = pickle.loads(pickle.dumps(blobs.sampler))
        # hashed by its own state: a model is copied when it is pickled
        model = sampler._model

        def state():
            return joblib.hash([{**vars(sampler), "_model": None}, vars(model)])

        before = state()
        sampler.score_samples(blobs.X[:5])
        sampler.score(blobs.X[:5])
        sampler.inverse_transform(sampler.transform(blobs.X[:5]))
        sampler.sample(3, return_y=True)
        sampler.sample(3, y="red")
        assert state() == before
        with torch.no_grad():
            next(sampler.model_.denoiser.parameters()).add_(1e-6)
        assert state() != before, "the hash does not see the weights"

    def test_fit_leaves_parameters_and_data_alone(self, quick):
        X = table()
        sampler = quick()
        before = joblib.hash([sampler.get_params(), X])
        sampler.fit(X)
        assert joblib.hash([sampler.get_params(), X]) == before
        assert not sampler.denoiser.initialized_

    def test_a_pickle_holds_the_whole_sampler(self, blobs):
        loaded = pickle.loads(pickle.dumps(blobs.sampler))
        for draw in ({}, {"y": "red"}):
            assert_array_equal(
                loaded.sample(9, random_state=0, **draw),
                blobs.sampler.sample(9, random_state=0, **draw),
            )

    def test_a_clone_is_not_fitted_and_fits_the_same(self, quick):
        fitted = quick().fit(table())
        copied = clone(fitted)
        assert not [name for name in vars(copied) if name.endswith("_")]
        assert_array_equal(
            copied.fit(table()).sample(9, random_state=0), fitted.sample(9, random_state=0)
        )

    def test_fitting_again_is_fitting_afresh(self, quick):
        again = quick().fit(table() ** 2, np.arange(120) % 3).fit(table())
        assert again.model_.target_encoder is None
        assert_array_equal(
            again.sample(9, random_state=0), quick().fit(table()).sample(9, random_state=0)
        )


@pytest.fixture(scope="module")
def wide(quick):
    """With 40 columns, for which the trace is estimated."""
    X = np.random.default_rng(0).normal(size=(200, 40))
    return quick(baseline="gaussian").fit(X), X[:30]


class TestRowsByThemselves:
    """What a row gets depends neither on the other rows nor on their order."""

    @pytest.fixture(params=["exact trace", "estimated trace", "target"])
    def case(self, request, gaussian, blobs, wide):
        sampler, X = {
            "exact trace": (gaussian.sampler, gaussian.fresh[:30]),
            "estimated trace": wide,
            "target": (blobs.sampler, blobs.X[:30]),
        }[request.param]
        return copy.copy(sampler).set_params(n_likelihood_steps=4), X

    @pytest.mark.parametrize("method", ["score_samples", "transform"])
    def test_batch(self, case, method, monkeypatch):
        sampler, X = case
        whole = getattr(sampler, method)(X)
        single = np.concatenate([getattr(sampler, method)(X[i : i + 1]) for i in range(3)])
        assert_allclose(single, whole[:3], rtol=0, atol=1e-7)
        monkeypatch.setattr(table_model, "CHUNK_ROWS", 11)
        assert_allclose(getattr(sampler, method)(X), whole, rtol=0, atol=1e-7)

    def test_order(self, case):
        sampler, X = case
        order = np.random.default_rng(0).permutation(len(X))
        assert_allclose(
            sampler.score_samples(X[order]), sampler.score_samples(X)[order], rtol=0, atol=1e-7
        )

    def test_repetition(self, case):
        sampler, X = case
        assert_array_equal(sampler.score_samples(X), sampler.score_samples(X))


@pytest.fixture(scope="module")
def one_after_the_other():
    return [fit() for fit in TestThreads().fits()]


class TestThreads:
    """Fits side by side are those one after the other, and leave the global generators alone."""

    X = np.random.default_rng(0).normal(size=(60, 2))

    def fits(self):
        def net(**options):
            return DenoiserNet(max_epochs=2, steps_per_epoch=10, **options)

        def sampler(seed, **options):
            return DiffusionManifoldSampler(denoiser=net(**options), random_state=seed)

        gaps = self.X.copy()
        gaps[::5, 0] = np.nan
        return [
            lambda: sampler(0).fit(self.X).score_samples(self.X),
            lambda: sampler(1).fit(self.X).sample(20, random_state=0),
            lambda: sampler(2, module__dropout=0.3).fit(self.X).score_samples(self.X),
            lambda: sampler(3, batch_size=16).fit(gaps).score_samples(self.X),
            lambda: AutoencoderEmbedding(1, max_epochs=1, random_state=0).fit_transform(self.X),
            lambda: RiemannianKernelSmoother(random_state=0).fit(self.X).score_samples(self.X),
            lambda: (
                DiffusionImputer(sampler=sampler(None), n_models=1, random_state=0)
                .fit(gaps)
                .transform(gaps)
            ),
        ]

    @pytest.mark.parametrize("pool", ["executor", "joblib"])
    def test_bit_for_bit(self, pool, one_after_the_other):
        states = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
        if pool == "executor":
            with ThreadPoolExecutor(3) as executor:
                together = list(executor.map(lambda fit: fit(), self.fits()))
        else:
            together = Parallel(3, backend="threading")(delayed(fit)() for fit in self.fits())
        for one, other in zip(one_after_the_other, together, strict=True):
            np.testing.assert_array_equal(one, other)
        assert torch.equal(torch.get_rng_state(), states[0])
        np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002

    def test_an_interruption_gives_the_generator_back(self):
        class Interrupted(Callback):
            def on_batch_end(self, net, **kwargs):
                raise KeyboardInterrupt

        net = DenoiserNet(max_epochs=1, callbacks=[("stop", Interrupted())])
        state = torch.get_rng_state()
        with pytest.raises(KeyboardInterrupt):
            net.fit(self.X)
        assert torch.equal(torch.get_rng_state(), state)
        with ThreadPoolExecutor(1) as executor:
            fit = DenoiserNet(max_epochs=1, steps_per_epoch=2).fit
            assert executor.submit(fit, self.X).result(timeout=60).history
