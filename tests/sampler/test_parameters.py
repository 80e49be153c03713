"""Every parameter does something: it changes what is fitted or drawn, or is refused."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA
from skorch import NeuralNet
from skorch.callbacks import Callback

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder
from skdiffusion.nets import ResidualMLP
from skdiffusion.tables import FixedCombinations
from skdiffusion.training.objective import DenoisingLoss

# cost and words alone
NO_EFFECT = {"verbose", "denoiser__verbose", "denoiser__device", "denoiser__compile"}
# skorch's own, which these options of the net take the place of, or which are for other uses
OF_SKORCH = {
    "dataset",
    "iterator_train",
    "iterator_valid",
    "predict_nonlinearity",
    "torch_load_kwargs",
    "use_caching",
    "warm_start",
}


class Shallow(ResidualMLP):
    """A network of one block."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs | {"depth": 1})


class Halved(DenoisingLoss):
    """A loss whose gradients are those of half of it."""

    def forward(self, *args, **kwargs):
        return 0.5 * super().forward(*args, **kwargs)


class Meddle(Callback):
    """Shrink the weights after each batch."""

    def on_batch_end(self, net, **kwargs):
        with torch.no_grad():
            for weight in net.module_.parameters():
                weight.mul_(0.5)


# another value for each parameter of the sampler below
CHANGES = {
    "denoiser": DenoiserNet(max_epochs=1, steps_per_epoch=2, module__width=4, module__depth=1),
    "baseline": "mixture",
    "solver": "heun",
    "n_steps": 7,
    "n_likelihood_steps": 3,
    "guidance_scale": 3.0,
    "encoder": TableEncoder(numeric_transform="quantile"),
    "target": "continuous",
    "manifold": PCA(2),
    "coupling": "project",
    "dcr_ratio": 0.5,
    "data_noise": 0.2,
    "contamination": 0.2,
    "random_state": 1,
    "denoiser__batch_size": 16,
    "denoiser__callbacks": [("meddle", Meddle())],
    "denoiser__criterion": Halved,
    "denoiser__lr": 0.02,
    "denoiser__max_epochs": 8,
    "denoiser__max_time": 1e-9,
    "denoiser__given": [1],
    "denoiser__module": Shallow,
    "denoiser__optimizer": torch.optim.SGD,
    "denoiser__patience": 1,
    "denoiser__per_entry": 0.0,
    "denoiser__random_state": 5,
    "denoiser__schedule": "vp",
    "denoiser__sigma_max": 10.0,
    "denoiser__sigma_min": 0.05,
    "denoiser__steps_per_epoch": 2,
    "denoiser__train_split": 5,  # refused
    "denoiser__validation_fraction": 0.3,
    "encoder__categorical_features": ["whole", "kind"],
    "encoder__clip": False,
    "encoder__constraints": [FixedCombinations("whole", "kind")],
    "encoder__handle_unknown": "missing",
    "encoder__identifiers": {"kind": "pattern"},
    "encoder__min_frequency": 45,
    "encoder__missing_indicator": True,
    "encoder__numeric_transform": "quantile",
    "encoder__ordinal_features": {"kind": ["c", "b", "a"]},
}


# what some need to have an effect
SETTINGS = {
    "coupling": {"manifold": "auto"},
    "manifold": {"coupling": "project"},
    "denoiser__max_time": {"denoiser__max_epochs": 12},
    "denoiser__patience": {"denoiser__lr": 0.3, "denoiser__max_epochs": 12},
}


def make(**options):
    net = DenoiserNet(
        max_epochs=2, steps_per_epoch=3, batch_size=32, module__width=8, module__depth=2, lr=0.01
    )
    fast = {"baseline": "gaussian", "manifold": None, "n_likelihood_steps": 2, "n_steps": 4}
    sampler = DiffusionManifoldSampler(denoiser=net, encoder=TableEncoder(), random_state=0, **fast)
    return sampler.set_params(**options)


def numbers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    return pd.DataFrame({"x": x, "y": x + 0.3 * rng.normal(size=120), "z": rng.normal(size=120)})


def mixed():
    rng = np.random.default_rng(0)
    frame = numbers().drop(columns="z")
    frame["whole"] = rng.integers(0, 4, 120)
    frame["kind"] = rng.choice(list("abc"), 120, p=[0.6, 0.3, 0.1])
    return frame.mask(rng.random(frame.shape) < 0.1).astype({"x": float})


def is_about_columns(name):
    return name.startswith(("encoder", "target"))


def outcome(name, change):
    """What a sampler with one other parameter draws and scores, or that it is refused."""
    frame = mixed() if is_about_columns(name) else numbers()
    sampler = make(**SETTINGS.get(name, {})).set_params(**copy.deepcopy(change))
    try:
        sampler.fit(frame, np.arange(120) % 3)
    except ValueError as error:
        assert name.rpartition("__")[2] in str(error)
        return "refused"
    given = sampler.sample(10, conditions={"x": 2.0}, random_state=0)
    free = sampler.sample(10, y=1, random_state=0)
    rows = frame[:3].copy()
    if "kind" in frame:
        rows["kind"] = ["a", "b", "never seen"]
    try:
        scores = sampler.score_samples(rows).round(9).tolist()
    except ValueError:
        scores = "no such row"
    return given.round(9).to_csv(), free.round(9).to_csv(), scores


@pytest.fixture(scope="module")
def plain():
    """Return the outcome with the parameters as they are."""
    found = {}

    def get(name):
        key = name if name in SETTINGS else is_about_columns(name)
        if key not in found:
            found[key] = outcome(name, {})
        return found[key]

    return get


def test_every_parameter_is_in_the_table():
    of_skorch = {name for name in NeuralNet(None, None).get_params() if "__" not in name}
    assert of_skorch >= OF_SKORCH
    known = set(CHANGES) | NO_EFFECT | {f"denoiser__{name}" for name in OF_SKORCH}
    found = {name for name in make().get_params() if "callbacks__" not in name}
    assert found == known | {"denoiser__module__width", "denoiser__module__depth"}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.filterwarnings("ignore:There are no planes", "ignore:Only")
def test_a_change_has_an_effect(name, plain):
    found = outcome(name, {name: CHANGES[name]})
    assert found == "refused" or found != plain(name)


@pytest.mark.parametrize("name", sorted(NO_EFFECT - {"denoiser__compile"}))
def test_a_change_costs_or_tells_more(name, plain, capfd):
    value = "cpu" if name == "denoiser__device" else 1
    assert outcome(name, {name: value}) == plain(name)


@pytest.fixture(scope="module")
def table():
    """Classes of unequal size and place, those of the first to count twice."""
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b"], 300, p=[0.4, 0.6])
    frame = pd.DataFrame({"x": 3.0 * (y == "a") + rng.normal(size=300)})
    frame["kind"] = np.where(rng.random(300) < np.where(y == "a", 0.8, 0.3), "u", "v")
    return frame, y


class TestSampleWeight:
    """A weight of two is a row that is there twice, and of zero one that is not there."""

    def test_two_is_twice(self, quick, table, global_random_seed):
        X, y = table
        rng = np.random.RandomState(global_random_seed)
        twice = rng.permutation(np.concatenate([np.arange(300), np.flatnonzero(y == "a")]))
        weighted = quick().fit(X, y, np.where(y == "a", 2.0, 1.0))
        doubled = quick().fit(X.iloc[twice], y[twice])
        first, second = (s.sample(50, random_state=0, return_y=True) for s in (weighted, doubled))
        pd.testing.assert_frame_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])

    def test_zero_is_absent(self, quick, table):
        X, y = table
        kept = np.arange(300) % 3 > 0
        other = X.assign(kind=np.where(kept, X["kind"], "never"), x=np.where(kept, X["x"], 1e6))
        weighted = quick().fit(other, y, kept.astype(float))
        without = quick().fit(X[kept], y[kept], np.ones(kept.sum()))
        first, second = (s.sample(50, random_state=0) for s in (weighted, without))
        pd.testing.assert_frame_equal(first, second)

    def test_equal_weights_are_none(self, quick, table):
        X, y = table
        first, second = (
            quick().fit(X, y, weight).sample(50, random_state=0)
            for weight in (None, np.full(300, 0.5))
        )
        assert first["kind"].eq(second["kind"]).mean() > 0.9
        np.testing.assert_allclose(first["x"], second["x"], atol=1e-3)

    @pytest.mark.parametrize("weight", [np.zeros(300), -np.ones(300), np.ones(5)])
    def test_bad_weights(self, quick, table, weight):
        with pytest.raises(ValueError, match=r"[Ss]ample.?weight"):
            quick().fit(*table, weight)
