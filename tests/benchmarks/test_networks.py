"""The clock and the comparisons of the benchmark of networks."""

import time

import numpy as np
import pandas as pd
import pytest

from benchmarks._networks_report import differences, verdict
from benchmarks.networks import CpuClock
from skdiffusion import DenoiserNet

X = np.random.RandomState(0).normal(size=(80, 2))


def trained(seconds=np.inf):
    clock = CpuClock(seconds)
    options = {"max_epochs": 4, "steps_per_epoch": 2, "patience": None, "random_state": 0}
    return DenoiserNet(callbacks=[("cpu", clock)], **options).fit(X)


class TestClock:
    def test_notes_what_training_took(self):
        start = time.process_time()
        net = trained()
        assert 0 < net.history[-1, "cpu_s"] <= time.process_time() - start
        assert len(net.history) == 4

    def test_ends_before_the_limit(self):
        net = trained(1e-9)
        assert len(net.history) == 1
        assert net.initialized_

    def test_an_early_stop_is_noted(self):
        net = DenoiserNet(
            callbacks=[("cpu", CpuClock())], patience=1, lr=0.0, max_epochs=9, random_state=0
        ).fit(X)
        assert len(net.history) == 2
        assert net.history[-1, "cpu_s"] > 0


def test_differences_are_of_pairs():
    rows = [
        {"table": "a", "seed": s, "method": m, "w1": base + more}
        for s, base, more in ((0, 10.0, 1.0), (1, 20.0, 3.0))
        for m, more in (("mlp", 0.0), ("transformer", more))
    ]
    found = differences(pd.DataFrame(rows), "transformer", "mlp", "w1")
    assert found.loc["a"].tolist() == pytest.approx([2.0, 1.0])


@pytest.mark.parametrize(
    ("mean", "error", "sign", "expected"),
    [
        (3.0, 1.0, 1, "better"),
        (3.0, 1.0, -1, "worse"),
        (-3.0, 1.0, -1, "better"),
        (1.9, 1.0, 1, "no difference"),
        (3.0, float("nan"), 1, "no difference"),
    ],
)
def test_verdict(mean, error, sign, expected):
    assert verdict(mean, error, sign) == expected
