"""Trainings that are killed and resumed end as those that are not."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, Checkpoint

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.diffusion import GaussianDenoiser
from skdiffusion.training import TrainingCheckpoint
from skdiffusion.training.checkpoint import read_checkpoint, write_checkpoint

X = np.random.RandomState(0).normal(size=(90, 2))
X[:, 1] = X[:, 0] ** 2 - 1
SMALL = {
    "module__width": 8,
    "module__depth": 1,
    "module__dropout": 0.1,
    "batch_size": 16,
    "steps_per_epoch": 5,
    "max_epochs": 6,
    "patience": None,
    "random_state": 0,
}


class Stopped(Exception):
    """As good as a kill, for what is on the disk."""


class StopAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == self.epoch:
            raise Stopped


def net(folder=None, *callbacks, every=1, **options):
    callbacks = [*([TrainingCheckpoint(folder, every)] if folder else []), *callbacks]
    return DenoiserNet(callbacks=callbacks, **SMALL | options)


def interrupt(folder, epoch=4, data=X, **options):
    with pytest.raises(Stopped):
        net(folder, StopAt(epoch), **options).fit(data)


def assert_same(actual, expected):
    for first, second in zip(
        actual.module_.net.parameters(), expected.module_.net.parameters(), strict=True
    ):
        assert torch.equal(first, second)
    names = ("train_loss", "valid_loss") if "valid_loss" in expected.history[0] else ("train_loss",)
    assert actual.history[:, names] == expected.history[:, names]


class Epochs(Callback):
    """Notes which epochs are trained."""

    def on_train_begin(self, net, **kwargs):
        self.trained = []

    def on_epoch_begin(self, net, **kwargs):
        self.trained.append(len(net.history))


def resume(folder, data=X, **options):
    epochs = Epochs()
    return net(folder, epochs, **options).fit(data), epochs.trained


class TestResume:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"validation_fraction": 0.0},
            {"patience": 1, "lr": 0.3},
            {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9},
        ],
    )
    def test_bit_for_bit(self, tmp_path, options):
        interrupt(tmp_path, 3, **options)
        resumed, trained = resume(tmp_path, **options)
        assert trained[0] == 3
        assert_same(resumed, net(**options).fit(X))

    @pytest.mark.parametrize(("every", "first"), [(1, 6), (2, 5), (3, 4), (9, 1)])
    def test_at_most_one_interval_is_lost(self, tmp_path, every, first):
        interrupt(tmp_path, 6, every=every)
        resumed, trained = resume(tmp_path, every=every)
        assert trained == list(range(first, 7))
        assert_same(resumed, net().fit(X))

    def test_rows_with_gaps_and_weights(self, tmp_path):
        rows = X.copy()
        rows[::7, 0] = np.nan
        extra = {"completions": [np.nan_to_num(rows)], "sample_weight": np.linspace(0, 2, 90)}
        with pytest.raises(Stopped):
            net(tmp_path, StopAt(4)).fit(rows, **extra)
        assert_same(net(tmp_path).fit(rows, **extra), net().fit(rows, **extra))

    def test_fresh_rows_of_the_right_epoch(self, tmp_path):
        asked = []

        def fresh(epoch):
            asked.append(epoch)
            return X[epoch:]

        with pytest.raises(Stopped):
            net(tmp_path, StopAt(4)).fit(X, fresh_rows=fresh)
        asked.clear()
        resumed = net(tmp_path).fit(X, fresh_rows=fresh)
        assert asked == [4, 5, 6]
        assert_same(resumed, net().fit(X, fresh_rows=fresh))

    @pytest.mark.parametrize(
        "extra",
        [
            {"gaussian": GaussianDenoiser(torch.zeros(2), 4 * torch.eye(2))},
            {"target": [False, True]},
            {"groups": [0, 0]},
        ],
        ids=["gaussian", "target", "groups"],
    )
    def test_another_denoiser_starts_afresh(self, tmp_path, extra):
        net(tmp_path).fit(X)
        with pytest.warns(UserWarning, match="starts afresh"):
            other = net(tmp_path).fit(X, **extra)
        assert_same(other, net().fit(X, **extra))

    def test_what_came_to_its_end_is_not_repeated(self, tmp_path):
        first = net(tmp_path).fit(X)
        again, trained = resume(tmp_path)
        assert trained == []
        assert_same(again, first)

    def test_training_on(self, tmp_path):
        expected = net().fit(X).partial_fit(X[:50])
        first = net(tmp_path, StopAt(9)).fit(X)
        with pytest.raises(Stopped):
            first.partial_fit(X[:50])
        resumed = net(tmp_path).fit(X).partial_fit(X[:50])
        assert_same(resumed, expected)

    def test_of_a_sampler(self, tmp_path):
        model = DiffusionManifoldSampler(denoiser=net(tmp_path, StopAt(4)), random_state=0)
        with pytest.raises(Stopped):
            clone(model).fit(X)
        epochs = Epochs()
        model.set_params(denoiser=net(tmp_path, epochs)).fit(X)
        expected = DiffusionManifoldSampler(denoiser=net(), random_state=0).fit(X)
        np.testing.assert_array_equal(model.score_samples(X[:9]), expected.score_samples(X[:9]))
        assert {path.stem[-1] for path in tmp_path.glob("*.pt")} == {"5", "6"}


class TestOtherTrainings:
    @pytest.mark.parametrize(
        "options",
        [{"lr": 0.1}, {"random_state": 1}, {"module__width": 9}, {"data": X + 1}, {"per_entry": 0}],
    )
    def test_start_afresh_with_a_warning(self, tmp_path, options):
        interrupt(tmp_path)
        with pytest.warns(UserWarning, match="of other rows, parameters or seeds"):
            other, trained = resume(tmp_path, **options)
        assert trained == [1, 2, 3, 4, 5, 6]
        assert_same(
            other,
            net(**{k: v for k, v in options.items() if k != "data"}).fit(options.get("data", X)),
        )
        # and leave the files of the first as they are
        assert_same(resume(tmp_path)[0], net().fit(X))

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("options", [{"max_time": 1000}, {"verbose": 1}, {"device": "cpu"}])
    def test_are_not_those_that_differ_in_cost_alone(self, tmp_path, options):
        interrupt(tmp_path)
        assert resume(tmp_path, **options)[1] == [4, 5, 6]

    @pytest.mark.filterwarnings("error")
    def test_an_empty_folder_is_made_in_silence(self, tmp_path):
        net(tmp_path / "a" / "b").fit(X)


class TestFiles:
    def test_two_are_kept_and_nothing_else(self, tmp_path):
        net(tmp_path).fit(X)
        assert sorted(path.name[-9:] for path in tmp_path.iterdir()) == ["000005.pt", "000006.pt"]

    @pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
    def test_damaged_ones_are_passed_over(self, tmp_path, damage):
        interrupt(tmp_path)
        path = max(tmp_path.iterdir())
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        cut = {"flip": len(content), "truncate": len(content) // 2, "empty": 0}[damage]
        path.write_bytes(content[:cut])
        with pytest.warns(UserWarning, match="damaged and passed over"):
            resumed, trained = resume(tmp_path)
        assert trained == [3, 4, 5, 6]
        assert_same(resumed, net().fit(X))

    def test_hold_no_code(self, tmp_path):
        class Harmful:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "harm",))

        write_checkpoint(tmp_path / "x.pt", {"net": Harmful()})
        with pytest.raises(Exception, match=r"weights_only|Weights only"):
            read_checkpoint(tmp_path / "x.pt")
        assert not (tmp_path / "harm").exists()

    def test_a_write_that_fails_leaves_the_file_before(self, tmp_path, monkeypatch):
        path = tmp_path / "x.pt"
        write_checkpoint(path, {"a": 1})
        monkeypatch.setattr("os.fsync", lambda file: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            write_checkpoint(path, {"a": 2})
        assert read_checkpoint(path) == {"a": 1}
        assert [other.name for other in tmp_path.iterdir()] == ["x.pt"]


def test_checkpoint_of_skorch_works_too(tmp_path):
    net(None, Checkpoint(dirname=tmp_path)).fit(X)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"params.pt", "optimizer.pt", "history.json"} <= names


KILLED = """
import os, signal, sys
import numpy as np
from skorch.callbacks import Callback
from skdiffusion import DenoiserNet
from skdiffusion.training import TrainingCheckpoint

class Kill(Callback):
    def on_batch_begin(self, net, **kwargs):
        if len(net.history) == 4 and len(net.history[-1]["batches"]) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

X = np.random.RandomState(0).normal(size=(90, 2))
X[:, 1] = X[:, 0] ** 2 - 1
DenoiserNet(callbacks=[TrainingCheckpoint(sys.argv[1]), Kill()], **{options}).fit(X)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_a_process_that_is_killed(tmp_path):
    code = KILLED.replace("{options}", repr(SMALL))
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    resumed, trained = resume(tmp_path)
    assert trained == [4, 5, 6]
    assert_same(resumed, net().fit(X))
