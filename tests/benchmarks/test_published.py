import numpy as np
import pytest

from benchmarks._published import FOREST, TREES, read_mixed, read_scoreboard


@pytest.fixture
def folder(tmp_path):
    head = (
        "dataset,method,W_train,W_test,R2_fake,F1_fake,coverage_train,coverage_test,class_score\n"
    )
    (tmp_path / FOREST).write_text(
        head
        + "iris , oracle ,0,0.2,0,0.9,1,0.9,0.8\n"
        + "iris , TVAE ,0.4,0.5,0,0,0.3,0.4,0.6\n"
        + "bean , TVAE ,0,0,0,0.7,0.3,0.4,0.6\n"
    )
    (tmp_path / TREES).write_text(
        ",W1te,W1tr,R2,F1,covtr,covte,time\niris,.3,.2,0,.8,.9,.8,1\nbean,0,0,0,.6,.5,.4,1\n"
    )
    (tmp_path / "tabpc").mkdir()
    for name, value in {"shape": 0.99, "trend": 0.97, "training_time": 12}.items():
        text = f"method,dataset,mean,std\nTabPC,magic,{value},0\n"
        (tmp_path / "tabpc" / f"{name}.csv").write_text(text)
    return tmp_path


def test_a_zero_is_a_figure_unless_all_have_it(folder):
    rows = read_scoreboard(folder).set_index(["table", "method"])
    assert rows.loc[("iris", "TVAE (published)"), "f1"] == 0
    assert rows.loc[("iris", "copied training rows (published)"), "w1_train"] == 0
    assert rows.loc["bean"][["w1_train", "w1_test", "r2"]].isna().all(axis=None)
    assert rows.loc["iris"]["r2"].isna().all()
    assert rows.loc[("iris", "Unmasking Trees (published)"), "coverage_test"] == 0.8
    assert np.isnan(rows.loc[("iris", "Unmasking Trees (published)"), "class_score"])


def test_scores_become_errors_in_per_cent(folder):
    (row,) = read_mixed(folder).to_dict("records")
    assert (row["method"], row["table"], row["training_s"]) == ("TabPC", "magic", 12)
    assert row["shape_error"] == pytest.approx(1) and row["trend_error"] == pytest.approx(3)
