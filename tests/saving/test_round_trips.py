"""What is loaded gives the numbers of what was saved, bit for bit, and goes on from there."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import skdiffusion
from skdiffusion import load, save
from tests.saving.saved_estimators import MAKERS, answers, fitted, mixed

pytest.importorskip("safetensors")
pd = pytest.importorskip("pandas")


def same(one, other):
    """Whether two results are equal to the last bit."""
    if isinstance(one, dict):
        return all(same(one[key], other[key]) for key in one | other)
    if isinstance(one, (pd.DataFrame, pd.Series)):
        pd.testing.assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other), check_exact=True)
        return True
    if hasattr(one, "equals"):
        return one.schema == other.schema and one.equals(other)
    if isinstance(one, np.ndarray) and one.dtype != object:
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if hasattr(one, "__dict__"):
        return type(one) is type(other) and same(vars(one), vars(other))
    return pickle.dumps(one) == pickle.dumps(other)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skd"


@pytest.fixture(params=MAKERS)
def name(request):
    if "polars" in request.param:
        pytest.importorskip("polars")
    return request.param


class TestEveryEstimator:
    def test_same_numbers(self, name, path):
        estimator, rows = fitted(name)
        expected = answers(estimator, rows)
        save(estimator, path)
        found = answers(load(path), rows)
        assert found.keys() == expected.keys()
        others = {key for key in found if not same(found[key], expected[key])}
        # with old libraries a copy may sum in another order, a pickle's as well
        copied = answers(pickle.loads(pickle.dumps(estimator)), rows) if others else {}
        assert {key for key in others if not same(found[key], copied[key])} == set()

    def test_unfitted(self, name, path):
        estimator = MAKERS[name]()[0]
        save(estimator, path)
        assert repr(load(path)) == repr(estimator)

    def test_goes_on(self, name, path):
        """A loaded estimator is saved again, cloned, given parameters and fitted."""
        estimator, rows = fitted(name)
        save(estimator, path)
        loaded = load(path)
        save(loaded, path)
        assert repr(load(path)) == repr(estimator)
        assert repr(clone(loaded)) == repr(clone(estimator))
        assert loaded.set_params(**loaded.get_params(deep=False)) is loaded
        if name in ("sampler", "smoother, table", "detector", "encoder", "net", "pipeline"):
            y = MAKERS[name]()[2:]
            again, twin = clone(loaded).fit(rows, *y), clone(estimator).fit(rows, *y)
            assert all(
                same(value, answers(twin, rows)[key]) for key, value in answers(again, rows).items()
            )

    def test_nets_train_on(self, path):
        net = fitted("net")[0]
        save(net, path)
        loaded = load(path)
        assert len(loaded.history) == 1
        # the optimiser moves the weights of the module, not copies of them
        group = loaded.optimizer_.param_groups[0]["params"]
        own = {id(weight) for weight in loaded.module_.net.parameters()}
        assert {id(weight) for weight in group} == own


SCRIPT = """
import sys
import numpy as np
from tests.saving.saved_estimators import mixed
from skdiffusion import load
estimator = load(sys.argv[1])
np.savez(sys.argv[2], scores=estimator.score_samples(mixed()), p=estimator.predict_pvalue(mixed()))
"""


def test_a_fresh_process(path, tmp_path):
    detector = fitted("detector")[0]
    save(detector, path)
    root = Path(skdiffusion.__file__).parent.parent
    subprocess.run(
        [sys.executable, "-c", SCRIPT, path, tmp_path / "found.npz"],
        env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    found = np.load(tmp_path / "found.npz")
    assert found["scores"].tobytes() == detector.score_samples(mixed()).tobytes()
    assert found["p"].tobytes() == detector.predict_pvalue(mixed()).tobytes()


# written by format 1, with its scores: all later versions have to read it
KEPT = Path(__file__).parent / "format1.skd"
SCORES = [-1.677342715, -3.649667279, -9.509840692]


@pytest.mark.filterwarnings("ignore:.*numbers may differ")
def test_a_file_of_format_1():
    smoother = load(KEPT)
    rows = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, -1.0]])
    np.testing.assert_allclose(smoother.score_samples(rows), SCORES, rtol=1e-6)
    assert smoother.sample(3, random_state=0).shape == (3, 2)
