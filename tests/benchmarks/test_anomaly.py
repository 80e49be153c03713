"""What the anomaly benchmark plants, splits and reports."""

import numpy as np
import pytest

from benchmarks._anomaly_data import PROTOCOLS, correlated_pairs, load_set, plant_cells, set_names
from benchmarks.anomaly import main


@pytest.mark.parametrize("n_donors", [1, 2])
def test_pairs_come_from_other_rows(n_donors):
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(80, 4))
    rows[:, 2] = rows[:, 0] + 0.1 * rng.normal(size=80)
    planted, columns = plant_cells(rows, 50, 0, choices=correlated_pairs(rows), n_donors=n_donors)
    assert len(planted) == 50 and (columns == [0, 2]).all()
    for row in planted:
        original = rows[(rows[:, [1, 3]] == row[[1, 3]]).all(1)][0]
        assert (np.abs(row - original)[[0, 2]] > 1).all()
        donors = [np.flatnonzero(rows[:, j] == row[j])[0] for j in (0, 2)]
        assert len(set(donors)) == n_donors


def test_problems_of_a_panel_keep_their_split_and_have_halves(tmp_path):
    rng = np.random.RandomState(0)
    for i in range(6):
        train, test = rng.normal(size=(9, 2)), rng.normal(size=(5, 2))
        np.savez(tmp_path / f"problem-{i}.npz", train=train, test=test, y=[0, 0, 0, 1, 1])
    sets = [load_set(name, folder=tmp_path) for name in set_names(tmp_path)]
    assert sorted(data.half for data in sets) == ["A"] * 3 + ["B"] * 3
    split = PROTOCOLS["panel"].split(sets[0], seed=0)
    assert len(split.train) == 9 and split.anomaly.tolist() == [False] * 3 + [True] * 2
    split = PROTOCOLS["panel-contaminated"].split(sets[0], seed=0)
    assert len(split.train) == len(split.test) == 14 and split.anomaly.sum() == 2


def test_a_report_is_written_from_few_results(tmp_path, monkeypatch):
    monkeypatch.delenv("SKDIFFUSION_ANOMALY_DATA", raising=False)
    monkeypatch.delenv("SKDIFFUSION_DATA", raising=False)
    command = ["--sections", "scores", "--methods", "knn1", "--sets", "iris", "--seeds", "1"]
    main([*command, "--output", str(tmp_path)])
    report = (tmp_path / "anomaly.md").read_text(encoding="utf-8")
    assert "## ADBench sets" in report and "not measured" in report
