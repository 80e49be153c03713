"""Files of results that runs add to."""

import pytest

from benchmarks._results import append_results, read_results


def test_rows_of_other_columns_are_refused(tmp_path):
    path = tmp_path / "results.csv"
    append_results(path, [{"table": "iris", "w1": 0.5}])
    append_results(path, [{"table": "wine", "w1": 0.25}])
    with pytest.raises(ValueError, match="has other columns"):
        append_results(path, [{"table": "glass", "c2st": 0.5}])
    assert read_results(path) == [{"table": "iris", "w1": "0.5"}, {"table": "wine", "w1": "0.25"}]
