"""What is refused, and what is said."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError

X = np.random.default_rng(0).normal(size=(60, 3))


class TestParameters:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"method": "lof"}, "'method' parameter .* Got 'lof'"),
            ({"method": ("kernel", "lof")}, r"or a sequence of them, got \('kernel', 'lof'\)"),
            ({"method": ("hybrid", "kernel")}, "method must be 'hybrid', one of"),
            ({"method": 5}, "'method' parameter .* Got 5"),
            ({"method": ()}, r"or a sequence of them, got \(\)"),
            ({"contamination": 0.6}, r"'contamination' parameter .* Got 0.6"),
            ({"contamination": -0.1}, "'contamination' parameter"),
            ({"contamination": np.nan}, "'contamination' parameter .* Got nan"),
            ({"contamination": "some"}, "'contamination' parameter .* Got 'some'"),
            ({"window": 0}, "'window' parameter"),
            ({"categorical_features": "all"}, "categorical_features"),
            ({"random_state": "seed"}, "cannot be used to seed"),
        ],
    )
    def test_values(self, detect, options, message):
        detector = detect(**options)
        with pytest.raises(ValueError, match=message):
            detector.fit(X)
        assert not [name for name in vars(detector) if name.endswith("_")]

    def test_are_checked_in_fit_alone(self, detect):
        assert detect(method="lof").get_params()["method"] == "lof"


class TestRows:
    def test_infinite(self, detect):
        with pytest.raises(ValueError, match="infinity"):
            detect().fit(np.where(X > 2, np.inf, X))
        with pytest.raises(ValueError, match="infinity"):
            detect().fit(X).score_samples([[0, 0, np.inf]])
        with pytest.raises(ValueError, match="infinity in column 'a'"):
            detect().fit(pd.DataFrame({"a": [1.0, np.inf, 2.0]}))

    @pytest.mark.parametrize("cell", [1e300, -1e300, np.finfo(float).max, 2e150])
    def test_numbers_whose_squares_are_infinite(self, detect, cell):
        with pytest.raises(ValueError, match="infinity in column 1, or numbers beyond 1e"):
            detect().fit(X).predict([[0, cell, np.nan]])

    @pytest.mark.parametrize("cell", [1e150, -1e149, 1e30])
    def test_the_greatest_numbers_are_anomalous(self, detect, cell):
        detector = detect().fit(X)
        for row in ([0, cell, 0], [np.nan, cell, 0], [cell, cell, np.nan]):
            assert detector.predict([row]) == -1
            assert np.isfinite(detector.score_samples([row])).all()

    @pytest.mark.parametrize("cells", [[None] * 4, [np.nan] * 4])
    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, lambda t: pd.DataFrame(t).values])
    def test_no_cell_at_all(self, detect, cells, make):
        with pytest.raises(ValueError, match="Every column of X is constant: there is nothing"):
            detect().fit(make({"a": cells, "b": cells}))

    def test_words_where_numbers_were(self, detect):
        detector = detect().fit(pd.DataFrame({"a": X[:, 0], "b": X[:, 1]}))
        with pytest.raises(ValueError, match="Column 'a' held numbers in fit and does not now"):
            detector.score_samples(pd.DataFrame({"a": ["x"], "b": [1.0]}))

    def test_periods(self, detect):
        with pytest.raises(TypeError, match="holds period"):
            detect().fit(pd.DataFrame({"a": pd.period_range("2020", periods=5, freq="D")}))

    def test_sparse(self, detect):
        with pytest.raises(TypeError, match=r"[Ss]parse"):
            detect().fit(csr_array(X))

    @pytest.mark.parametrize("rows", [X[:, :2], X[0], X[:0]], ids=["columns", "one axis", "none"])
    def test_shape(self, detect, rows):
        with pytest.raises(ValueError, match=r"features|1D|minimum of 1"):
            detect().fit(X).score_samples(rows)

    def test_other_names(self, detect):
        detector = detect().fit(pd.DataFrame(X, columns=list("abc")))
        with pytest.raises(ValueError, match="feature names should match"):
            detector.predict(pd.DataFrame(X, columns=list("abd")))

    def test_one_row(self, detect):
        with pytest.raises(ValueError, match="cannot be learned from n_samples=1: give at least 2"):
            detect().fit(X[:1])

    @pytest.mark.parametrize("n_rows", [2, 3, 5])
    def test_few_rows(self, detect, n_rows):
        detector = detect().fit(X[:n_rows])
        assert np.isfinite(detector.score_samples(X)).all()
        assert np.isfinite(detector.training_scores_).all()
        robust = detect(contamination=0.2).fit(X[:n_rows])
        assert np.isfinite(robust.score_samples(X)).all()


class TestLabels:
    def test_all_marked(self, detect):
        with pytest.raises(ValueError, match="n_samples=1: give at least 2 that are not marked"):
            detect().fit(X, np.repeat([1, -1], [1, 59]))

    def test_length(self, detect):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            detect().fit(X, np.ones(59))
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            detect().fit(X).partial_fit(X, np.ones(59))

    def test_shape(self, detect):
        with pytest.raises(ValueError, match="1d array"):
            detect().fit(X, np.ones((60, 2)))


class TestUnfitted:
    @pytest.mark.parametrize(
        "method",
        [
            "score_samples", "decision_function", "predict", "predict_pvalue", "select", "explain",
            "transform", "repair", "update_threshold",
        ],
    )  # fmt: skip
    def test_methods(self, detect, method):
        with pytest.raises(NotFittedError):
            getattr(detect(), method)(X)

    @pytest.mark.parametrize("method", ["sample", "get_feature_names_out"])
    def test_methods_without_rows(self, detect, method):
        with pytest.raises(NotFittedError):
            getattr(detect(), method)()


class TestSample:
    @pytest.mark.parametrize("n", [0, -1, 2.5, "3", None])
    def test_number(self, detect, n):
        with pytest.raises(ValueError, match="n_samples must be at least 1, a whole number"):
            detect().fit(X).sample(n)
