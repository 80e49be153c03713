"""Several processes train one net."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.training import DistributedDenoiserNet, TrainingCheckpoint

pytest.importorskip("accelerate")

SETTINGS = {
    "module__width": 16,
    "module__depth": 1,
    "batch_size": 32,
    "steps_per_epoch": 10,
    "max_epochs": 4,
    "random_state": 0,
    "device": "cpu",
}
HEADER = f"""
import hashlib, json, os, sys, time
from pathlib import Path
import numpy as np
import torch
from skdiffusion import DiffusionManifoldSampler
from skdiffusion.training import DistributedDenoiserNet, TrainingCheckpoint
from skdiffusion.training.distributed import leave_group

torch.set_num_threads(1)
rank = int(os.environ["RANK"])
settings = {SETTINGS!r}
rng = np.random.RandomState(0)
X = rng.normal(size=(400, 2))
X[:, 1] = X[:, 0] ** 2 - 1

def digest(net):
    weights = [w.detach().numpy().tobytes() for w in net.module_.net.parameters()]
    return hashlib.sha256(b"".join(weights)).hexdigest()

def tell(**found):
    with open(f"{{sys.argv[1]}}/{{rank}}.json", "w") as file:
        json.dump(found, file)
"""
X = np.random.RandomState(0).normal(size=(400, 2))
X[:, 1] = X[:, 0] ** 2 - 1


def run(code, folder):
    """What each of two processes tells."""
    script = folder / "script.py"
    script.write_text(HEADER + code)
    launch = "-m torch.distributed.run --nproc_per_node 2 --rdzv_backend c10d"
    launch += " --rdzv_endpoint localhost:0"
    command = [sys.executable, *launch.split(), str(script), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def weights(net):
    return [weight.detach() for weight in net.module_.net.parameters()]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    code = """
from skorch.callbacks import Callback

class Rows(Callback):
    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        self.rows = dataset_train.X.tolist()

class Slow(Callback):
    def on_epoch_end(self, net, **kwargs):
        time.sleep(0.3 * rank)

rows = Rows()
net = DistributedDenoiserNet(callbacks=[rows], **settings).fit(X)
stopped = DistributedDenoiserNet(patience=1, **settings | {"lr": 0.3, "max_epochs": 30}).fit(X)
seeded = DistributedDenoiserNet(**settings | {"random_state": None, "max_epochs": 1}).fit(X)
late = DistributedDenoiserNet(
    callbacks=[Slow()], max_time=1.0, **settings | {"max_epochs": 20}
).fit(X)
sampler = DiffusionManifoldSampler(denoiser=DistributedDenoiserNet(**settings), random_state=0)
draws = sampler.fit(X).sample(3, random_state=0).tolist()
auto = DistributedDenoiserNet(**settings | {"steps_per_epoch": "auto", "max_epochs": 1}).fit(
    np.tile(X, (8, 1))
)
leave_group()
tasks = Path("/proc/self/task")
tell(
    threads=[task.name for task in tasks.glob("*") if "gloo" in (task / "comm").read_text()],
    rows=rows.rows,
    digest=digest(net),
    losses=net.history[:, ("train_loss", "valid_loss")],
    processes=net.n_processes_,
    visits=net.history[-1, "row_visits"],
    stopped=[len(stopped.history), digest(stopped)],
    seeded=digest(seeded),
    late=[len(late.history), late.history[-1, "left_out"], digest(late)],
    draws=draws,
    auto=auto.history[-1, "train_batch_count"],
)
"""
    return run(code, tmp_path_factory.mktemp("two"))


class TestTwoProcesses:
    @pytest.mark.parametrize(
        "name", ["digest", "losses", "stopped", "seeded", "late", "draws", "processes"]
    )
    def test_agree(self, told, name):
        first, second = told
        assert first[name] == second[name]

    def test_share_the_rows(self, told):
        """Each those of its own, and none that are validated on."""
        first, second = ({tuple(row) for row in part["rows"]} for part in told)
        assert len(first) == len(second) == 180
        assert first.isdisjoint(second)

    def test_learn_what_one_does(self, told):
        """By the spread over seeds of one process with batches of as many rows in all."""
        one = [
            DenoiserNet(**SETTINGS | {"batch_size": 64, "random_state": seed}).fit(X)
            for seed in range(4)
        ]
        losses = np.array([net.history[:, "valid_loss"] for net in one])
        distance = np.abs(np.array(told[0]["losses"])[:, 1] - losses.mean(0))
        assert (distance < 4 * losses.std(0, ddof=1) + 0.02).all()
        assert told[0]["losses"][-1][1] < told[0]["losses"][0][1]

    def test_count_the_rows_of_both(self, told):
        assert told[0]["processes"] == 2
        assert told[0]["visits"] == 4 * 10 * 32 * 2

    @pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads have no names")
    def test_leave_no_thread(self, told):
        """Which would abort a process that ends in it."""
        assert told[0]["threads"] == told[1]["threads"] == []

    def test_stop_at_once(self, told):
        assert told[0]["stopped"][0] < 30
        assert told[0]["late"][0] < 20
        assert told[0]["late"][1] > 0

    def test_go_over_the_rows_once_between_them(self, told):
        assert told[0]["auto"] == 50


def test_are_resumed(tmp_path):
    code = """
from skorch.callbacks import Callback

class Fail(Callback):
    def on_batch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            raise RuntimeError("stopped")

whole = DistributedDenoiserNet(**settings).fit(X)
folder = sys.argv[1] + "/checkpoints"
try:
    DistributedDenoiserNet(callbacks=[TrainingCheckpoint(folder), Fail()], **settings).fit(X)
except RuntimeError:
    pass
net = DistributedDenoiserNet(callbacks=[TrainingCheckpoint(folder)], **settings).fit(X)
tell(whole=digest(whole), resumed=digest(net), files=sorted(os.listdir(folder)))
"""
    first, second = run(code, tmp_path)
    assert first == second
    assert first["resumed"] == first["whole"]
    assert len(first["files"]) == 2


def test_half_precision(told, tmp_path):
    """Of the network alone, whose weights stay in single precision."""
    code = """
halved = DistributedDenoiserNet(mixed_precision="bf16", **settings).fit(X)
assert next(halved.module_.net.parameters()).element_size() == 4
tell(digest=digest(halved), loss=halved.history[-1, "valid_loss"])
"""
    plain, halved = told[0], run(code, tmp_path)[0]
    assert halved["digest"] != plain["digest"]
    assert halved["loss"] == pytest.approx(plain["losses"][-1][1], rel=0.05)


class TestOneProcess:
    def test_is_a_denoiser_net(self):
        net, plain = DistributedDenoiserNet(**SETTINGS).fit(X), DenoiserNet(**SETTINGS).fit(X)
        torch.testing.assert_close(weights(net), weights(plain), rtol=0, atol=0)

    def test_clones_pickles_and_trains_on(self):
        net = pickle.loads(pickle.dumps(clone(DistributedDenoiserNet(**SETTINGS)))).fit(X)
        again = pickle.loads(pickle.dumps(net))
        torch.testing.assert_close(weights(again), weights(net), rtol=0, atol=0)
        assert len(again.partial_fit(X).history) == 8
        assert again.set_params(lr=0.1).get_params()["lr"] == 0.1

    def test_in_a_sampler(self):
        nets = DistributedDenoiserNet(**SETTINGS), DenoiserNet(**SETTINGS)
        scores = [
            DiffusionManifoldSampler(denoiser=net, random_state=0).fit(X).score_samples(X[:5])
            for net in nets
        ]
        np.testing.assert_array_equal(*scores)

    def test_an_interruption_leaves_nothing(self):
        class Stop(TrainingCheckpoint):
            def __init__(self):
                pass

            def on_train_begin(self, net, **kwargs):
                raise KeyboardInterrupt

        net = DistributedDenoiserNet(**SETTINGS, callbacks=[Stop()])
        with pytest.raises(KeyboardInterrupt):
            net.fit(X)
        assert not net.initialized_
        net.set_params(callbacks=None).fit(X)

    def test_bad_precision(self):
        with pytest.raises(ValueError, match=r"mixed.precision"):
            DistributedDenoiserNet(mixed_precision="fp8").fit(X)

    def test_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "accelerate", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[distributed\]"):
            DistributedDenoiserNet().fit(X)
