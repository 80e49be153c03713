"""The same seed gives the same detector, here and in another process."""

import os
import pickle
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import torch
from numpy.testing import assert_array_equal

X = np.random.default_rng(0).normal(size=(90, 3)) * [1.0, 0.2, 4.0]
ROWS = X[:20] + 0.3

LOAD = """
import pickle, sys
import numpy as np
with open(sys.argv[1], "rb") as file:
    detector, rows = pickle.load(file)
results = [detector.score_samples(rows), detector.transform(rows), detector.predict_pvalue(rows),
           detector.explain(rows).expected, detector.sample(4, random_state=0)]
with open(sys.argv[2], "wb") as file:
    pickle.dump(results, file)
"""


def state_of_global_generators():
    return joblib.hash([np.random.get_state(), torch.get_rng_state().numpy(), random.getstate()])  # noqa: NPY002


class TestSeeds:
    def test_do_not_matter_without_gaps(self, detect):
        scores = [detect(random_state=seed).fit(X).score_samples(ROWS) for seed in (0, None)]
        assert_array_equal(*scores)

    def test_of_what_fills_gaps(self, detect):
        rows = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
        first, second, other = (
            detect(random_state=seed).fit(rows).training_scores_ for seed in (0, 0, 1)
        )
        assert_array_equal(first, second)
        assert (first != other).any()

    def test_of_sample(self, detect):
        detector = detect().fit(X)
        draws = [detector.sample(9, random_state=seed) for seed in (3, 3, 4)]
        assert_array_equal(draws[0], draws[1])
        # single cells may agree, at the ends of a column
        assert (draws[0] != draws[2]).any(axis=1).all()
        assert (detector.sample(9) != detector.sample(9)).any(axis=1).all()
        rng = np.random.RandomState(0)
        pair = [detector.sample(3, random_state=rng) for _ in range(2)]
        assert (pair[0] != pair[1]).any(axis=1).all()

    def test_global_generators_are_left_alone(self, detect):
        before = state_of_global_generators()
        detector = detect().fit(X)
        detector.partial_fit(X + 1)
        detector.explain(ROWS)
        detector.sample(3, random_state=0)
        assert state_of_global_generators() == before


class TestThreads:
    def test_side_by_side_is_one_after_the_other(self, detect):
        def fit(seed):
            rng = np.random.default_rng(seed)
            rows = np.where(rng.random((120, 4)) < 0.1, np.nan, rng.normal(size=(120, 4)))
            detector = detect(random_state=seed).fit(rows)
            return detector.training_scores_, detector.sample(5, random_state=seed)

        before = state_of_global_generators()
        alone = [fit(seed) for seed in range(3)]
        with ThreadPoolExecutor(3) as pool:
            together = list(pool.map(fit, range(3)))
        assert joblib.hash(together) == joblib.hash(alone)
        assert state_of_global_generators() == before


class TestState:
    def test_fit_leaves_parameters_and_data_alone(self, detect):
        rows, y = X.copy(), np.repeat([1, -1], [80, 10])
        detector = detect()
        before = joblib.hash([detector.get_params(), rows, y])
        detector.fit(rows, y).partial_fit(rows, y)
        assert joblib.hash([detector.get_params(), rows, y]) == before

    def test_gaps_are_not_filled_in_place(self, detect):
        rows = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
        before = rows.copy()
        detect().fit(rows).score_samples(rows)
        assert_array_equal(rows, before)

    def test_a_pickle_holds_the_whole_detector(self, detect):
        detector = detect().fit(X[:20])
        loaded = pickle.loads(pickle.dumps(detector))
        assert_array_equal(loaded.score_samples(ROWS[:4]), detector.score_samples(ROWS[:4]))
        assert_array_equal(loaded.score_samples(X[:4]), detector.training_scores_[:4])
        loaded.partial_fit(ROWS)

    def test_a_pickle_in_another_process(self, detect, tmp_path):
        detector = detect().fit(X)
        there, back = tmp_path / "there", tmp_path / "back"
        rows = np.concatenate([ROWS, X[:5]])
        there.write_bytes(pickle.dumps((detector, rows)))
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", LOAD, there, back], check=True, env=environment)
        expected = [
            detector.score_samples(rows), detector.transform(rows), detector.predict_pvalue(rows),
            detector.explain(rows).expected, detector.sample(4, random_state=0),
        ]  # fmt: skip
        for found, value in zip(pickle.loads(back.read_bytes()), expected, strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-9)

    def test_fitting_again_is_fitting_afresh(self, detect):
        again = detect().fit(X**2).fit(X)
        assert_array_equal(again.training_scores_, detect().fit(X).training_scores_)
