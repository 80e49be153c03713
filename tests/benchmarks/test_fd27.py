from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_iris

from benchmarks._data import Table
from benchmarks._fd27 import class_score, coverage, distance_categories, judge, one_hot, utility

pytest.importorskip("ot")


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return Table("iris", X, y.astype(float), "multiclass").split(0)


class TestCoverage:
    @pytest.mark.parametrize(("point", "share"), [(0.0, 0.1), (1.0, 0.2), (4.5, 0.2), (99, 0)])
    def test_counts_rows_that_are_strictly_nearer_than_the_second_other(self, point, share):
        # That is at distance 1 inside the line, and at 2 from its ends.
        assert coverage(np.arange(10.0)[:, None], np.array([[point]])) == share

    def test_passes_over_duplicates(self):
        # Of three copies of each row, the third other row is the first at a positive distance.
        real = np.repeat(np.arange(10.0), 3)[:, None]
        assert coverage(real, np.array([[0.9]])) == 0.2


class TestUtility:
    def test_of_real_rows_is_high_and_of_shuffled_labels_low(self, iris):
        train, test = iris
        shuffled = np.column_stack([train.X, np.roll(train.y, len(train.y) // 2)])
        assert utility(train, test, train.Z, 1, 0) > 0.9
        assert utility(train, test, shuffled, 1, 0) < 0.6

    def test_is_nothing_where_a_class_is_missing(self, iris):
        train, test = iris
        assert utility(train, test, train.Z[train.y < 2], 1, 0) == 0


class TestClassScore:
    def test_is_one_where_generated_rows_are_known_at_once(self, iris):
        far = iris[0].Z + 100
        assert class_score(iris[0], far, far + 1, 1, 0) == 1

    def test_is_low_for_other_real_rows(self, iris):
        train, _ = iris
        half, other = train.take(slice(0, None, 2)), train.take(slice(1, None, 2))
        assert class_score(half, other.Z, other.Z + 0.001, 1, 0) > 0.5  # known by heart
        assert class_score(half, other.Z[::2], other.Z[1::2], 1, 0) < 0.5


class TestJudge:
    def test_knows_copies(self, iris):
        report = judge(*iris, [iris[0].Z], n_repetitions=1)
        assert report["copies"] == 1 and report["copies_test"] < 0.1
        assert report["w1_train"] == pytest.approx(0, abs=1e-12)
        assert report["dcr_ratio"] == 0 and report["coverage_train"] == 1
        assert np.isnan(report["class_score"]) and np.isnan(report["r2"])

    def test_does_not_see_single_precision(self, iris):
        rounded = iris[0].Z.astype(np.float32)
        assert judge(*iris, [rounded], n_repetitions=1)["copies"] == 1

    def test_takes_means_over_tables(self, iris):
        tables = [iris[0].Z, iris[0].Z + np.array([9, 0, 0, 0, 0])]
        one, other, both = (
            judge(*iris, chosen, n_repetitions=1) for chosen in (tables[:1], tables[1:], tables)
        )
        for name in ("w1_test", "f1", "copies", "shape_error"):
            assert both[name] == pytest.approx((one[name] + other[name]) / 2)

    def test_labels_are_categories_but_where_the_authors_scale_them(self, iris):
        assert distance_categories(iris[0]) == (4,)
        assert distance_categories(replace(iris[0], name="connectionist_bench_vowel")) == ()


def test_one_hot_knows_the_values_of_all_tables():
    first, second = one_hot((0,), np.array([[3.0, 7.0]]), np.array([[5.0, 8.0]]))
    assert first.tolist() == [[7, 1, 0]] and second.tolist() == [[8, 0, 1]]
