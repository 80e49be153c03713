"""The comparisons of the benchmark of networks."""

import pandas as pd
import pytest

from benchmarks._networks_report import differences, verdict


def test_differences_are_of_pairs():
    rows = [
        {"table": "a", "seed": s, "method": m, "log_density": base + more}
        for s, base, more in ((0, 10.0, 1.0), (1, 20.0, 3.0))
        for m, more in (("none", 0.0), ("dropout", more))
    ]
    found = differences(pd.DataFrame(rows), "dropout", "none", "log_density")
    assert found.loc["a"].tolist() == pytest.approx([2.0, 1.0])


@pytest.mark.parametrize(
    ("mean", "error", "expected"),
    [
        (3.0, 1.0, "better"),
        (-3.0, 1.0, "worse"),
        (1.9, 1.0, "no difference"),
        (3.0, float("nan"), "no difference"),
    ],
)
def test_verdict(mean, error, expected):
    assert verdict(mean, error) == expected
