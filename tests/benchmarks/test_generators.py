import numpy as np
import pytest

from benchmarks._data import Table
from benchmarks._generators import METHODS, PACKAGES, available

MADE = [m for m in METHODS if m not in ("edm_mlp", "tabddpm", "tabddpm_unclipped", "ours")]


def mixed_table(task):
    """A number with a spike, categories of which one depends on the class, an integer."""
    rng = np.random.default_rng(0)
    y = np.repeat([0.0, 1.0, 2.0], [30, 60, 30])
    number = np.where(rng.random(120) < 0.3, 0.1, rng.normal(2 * y, 1))
    category = np.where(rng.random(120) < 0.8, y, 5.0)
    X = np.column_stack([number, category, rng.integers(0, 2, 120), rng.poisson(4, 120)])
    target = y if task == "multiclass" else number + rng.normal(size=120)
    return Table("mixed", X, target, task, categorical=(1,), binary=(2,), integer=(3,))


@pytest.mark.parametrize("task", ["multiclass", "regression"])
@pytest.mark.parametrize("method", MADE)
def test_draws_are_rows_of_the_table_and_follow_their_seed(method, task):
    if method in PACKAGES:
        pytest.importorskip(PACKAGES[method])
    table = mixed_table(task)
    sample = METHODS[method](table, 0)
    Z = np.asarray(sample(90, 1))
    np.testing.assert_array_equal(Z, sample(90, 1))
    assert not np.array_equal(Z, sample(90, 2))
    assert Z.shape == (90, 5) and np.isfinite(Z).all()
    assert np.isin(Z[:, 1], [0, 1, 2, 5]).all()
    # The category and the class agree in four of five rows; by chance they would in a quarter.
    if task == "multiclass":
        assert np.mean(Z[:, 1] == Z[:, 4]) > 0.5
        np.testing.assert_allclose(np.bincount(Z[:, 4].astype(int)), [22, 45, 23], atol=12)


def test_single_precision_is_taken_back():
    table = mixed_table("regression")
    rounded = table.Z.astype(np.float32)
    assert not np.array_equal(rounded, table.Z)
    np.testing.assert_array_equal(table.restore_types(rounded), table.Z)


def test_methods_without_their_package_are_left_out(monkeypatch, capsys):
    monkeypatch.setitem(PACKAGES, "cart", "no_such_package")
    assert available(["copy", "cart"]) == ["copy"]
    assert "no_such_package" in capsys.readouterr().out
