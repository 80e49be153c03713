"""Mixed tables, missing cells, constant columns, and the containers of the input."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from skdiffusion import DiffusionAnomalyDetector


def mixed(n=300, seed=0):
    """Numbers, counts and levels that depend on each other."""
    rng = np.random.default_rng(seed)
    size = rng.normal(50.0, 10.0, n)
    return {
        "size": size,
        "weight": size / 7 + 0.3 * rng.normal(size=n),
        "count": np.rint(size / 5).astype(int),
        "flag": size > 50,
        "city": np.where(size < 45, "Oslo", np.where(rng.random(n) < 0.5, "Bern", "Rome")),
        "currency": np.repeat("euro", n),
    }


@pytest.fixture(params=[pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def make(request):
    return request.param


@pytest.fixture(scope="module")
def low_rank():
    """Five columns of one cause."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(700, 1)) * np.ones((1, 5)) + 0.2 * rng.normal(size=(700, 5))


@pytest.fixture(scope="module")
def gappy(low_rank):
    return np.where(np.random.default_rng(1).random((700, 5)) < 0.2, np.nan, low_rank)


@pytest.fixture(scope="module")
def fitted(gappy, detect):
    return detect().fit(gappy[:500])


class TestMissing:
    def test_scores_are_finite(self, fitted, gappy):
        assert np.isfinite(fitted.training_scores_).all()
        assert np.isfinite(fitted.score_samples(gappy[500:])).all()
        whole = ~np.isnan(gappy[:500]).any(1)
        scores = fitted.score_samples(gappy[:500][whole])
        assert_array_equal(scores, fitted.training_scores_[whole])

    def test_neither_help_nor_harm(self, low_rank, detect):
        """A normal row stays normal; an anomaly stays one while its own cell is known."""
        detector = detect().fit(low_rank[:500])
        rows = low_rank[500:].copy()
        odd = rows.copy()
        odd[:, 0] += 3.0
        whole = detector.score_samples(rows)
        for part in (rows, odd):
            part[:, 3] = np.nan
        gaps = detector.score_samples(rows)
        assert abs(np.median(gaps) - np.median(whole)) < 0.4
        assert (detector.predict(rows) == 1).mean() > 0.9
        score = np.concatenate([gaps, detector.score_samples(odd)])
        assert roc_auc_score(np.repeat([1, 0], 200), score) > 0.95

    def test_a_cell_that_is_hidden_is_not_held_against_a_row(self, low_rank, detect):
        detector = detect().fit(low_rank[:500])
        odd = low_rank[500:].copy()
        odd[:, 3] = 40.0
        assert (detector.predict(odd) == -1).all()
        odd[:, 3] = np.nan
        assert (detector.predict(odd) == 1).mean() > 0.9

    def test_a_row_of_nothing_is_normal(self, fitted):
        assert fitted.predict(np.full((1, 5), np.nan)) == 1

    def test_gaps_in_training_rows_do_little(self, fitted, low_rank, detect):
        odd = low_rank[500:] + np.array([2.0, 0, 0, 0, 0])
        rows, is_normal = np.concatenate([low_rank[500:], odd]), np.repeat([1, 0], 200)
        assert roc_auc_score(is_normal, fitted.score_samples(rows)) > 0.95

    def test_in_frames(self, make, detect, low_rank):
        """NaN, None and NA are one."""
        table = {name: low_rank[:200, i].tolist() for i, name in enumerate("abcde")}
        table["b"][7] = table["c"][9] = None
        detector = detect().fit(make(table))
        array = low_rank[:200].copy()
        array[7, 1] = array[9, 2] = np.nan
        expected = detect().fit(array)
        assert_allclose(detector.training_scores_, expected.training_scores_, rtol=1e-9)
        row = {name: [0.0] for name in "abcde"}
        assert_allclose(
            detector.score_samples(make(row | {"d": [None]})),
            expected.score_samples([[0.0, 0.0, 0.0, np.nan, 0.0]]),
            rtol=1e-9,
        )

    def test_nullable_integers(self, detect):
        count = np.random.default_rng(0).poisson(4, 90).astype(float)
        count[[3, 50]] = np.nan
        frame = pd.DataFrame({"n": pd.array(count, dtype="Int64"), "x": np.arange(90.0)})
        plain = frame.astype(float)
        scores = detect().fit(frame).training_scores_
        assert_allclose(scores, detect().fit(plain).training_scores_, rtol=1e-9)
        assert detect().fit(frame).sample(5, random_state=0).dtypes.equals(frame.dtypes)


class TestLevels:
    def test_a_level_never_seen_is_anomalous(self, make, detect):
        table = mixed()
        detector = detect().fit(make(table))
        row = {name: values[:1].tolist() for name, values in table.items()}
        assert detector.predict(make(row)) == 1
        for column in ("city", "currency"):
            unseen = detector.score_samples(make(row | {column: ["Mars"]}))
            assert unseen < detector.offset_ - 1

    def test_a_level_never_seen_is_rarer_than_the_rarest(self, detect):
        level = np.repeat(["a", "b", "c"], [140, 55, 5])
        detector = detect().fit(pd.DataFrame({"level": level, "x": np.arange(200) % 7}))
        scores = [detector.score_samples(pd.DataFrame({"level": [name], "x": [3.5]})).item()
                  for name in ("a", "c", "new")]  # fmt: skip
        assert scores[0] > scores[1] > scores[2]

    def test_a_level_at_odds_with_the_numbers(self, make, detect):
        table = mixed()
        detector = detect().fit(make(table))
        row = {"size": [65.0], "weight": [65 / 7], "count": [13], "flag": [True],
               "city": ["Rome"], "currency": ["euro"]}  # fmt: skip
        right, wrong = (detector.score_samples(make(row | {"flag": [f]})) for f in (True, False))
        assert right > wrong + 1

    @pytest.mark.parametrize("make_array", [np.asarray, lambda rows: np.asarray(rows, object)])
    def test_chosen_by_position(self, detect, make_array):
        rng = np.random.default_rng(0)
        rows = np.column_stack([rng.normal(size=90), rng.integers(0, 3, 90)])
        detector = detect(categorical_features=[1]).fit(make_array(rows))
        assert detector._model.X.shape == (2, 90, 3)
        scores = detector.score_samples(make_array([[0.0, 1.0], [0.0, 7.0]]))
        assert scores[1] < scores[0] - 1

    def test_missing(self, make, detect):
        """A gap is filled by what the other cells lead to expect."""
        table = mixed()
        table["city"] = [None if i % 10 == 0 else city for i, city in enumerate(table["city"])]
        detector = detect().fit(make(table))
        row = {name: values[1:2] for name, values in table.items()}
        hidden = make(row | {"city": pd.Series([None], dtype=object).tolist()})
        assert detector.predict(hidden) == 1
        assert detector.explain(hidden).contributions["city"][0] == 0
        assert set(detector.sample(50, random_state=0)["city"]) <= {"Oslo", "Bern", "Rome"}

    def test_orders(self, detect):
        size = pd.Categorical.from_codes([0, 1, 1, 2] * 40, ["S", "M", "L"], ordered=True)
        frame = pd.DataFrame({"size": size, "x": np.arange(160) % 4 + 0.1 * np.sin(np.arange(160))})
        detector = detect().fit(frame)
        odd = pd.DataFrame({"size": frame["size"][:1], "x": [3.0]})
        assert detector.score_samples(odd) < detector.offset_
        assert list(detector.explain(odd).expected["size"]) == ["L"]


class TestDates:
    def test_far_off(self, make, detect):
        day = np.datetime64("2024-01-01") + np.arange(200)
        table = {"day": day.astype("M8[us]"), "count": np.arange(200) / 10}
        detector = detect().fit(make(table))
        rows = make({"day": table["day"][[20, 20, 180]], "count": [2.0, 18.0, 18.0]})
        assert_array_equal(detector.predict(rows), [1, -1, 1])
        assert list(detector.explain(rows).expected.dtypes) == list(rows.dtypes)


class TestConstantColumns:
    def test_departure_is_anomalous(self, detect, low_rank):
        X = np.column_stack([low_rank[:200], np.full(200, 7.0)])
        detector = detect().fit(X)
        row = X[:1] + 0.01 * np.eye(6)[:1]
        assert detector.predict(row) == 1
        assert detector.predict(row + np.eye(6)[5]) == -1
        blame = detector.explain(row + np.eye(6)[5]).contributions
        assert blame.argmax() == 5

    def test_have_no_part_otherwise(self, detect, low_rank):
        X = low_rank[:200]
        constant = np.column_stack([X, np.ones(200)])
        with_it, without = (
            detect(method="neighbors").fit(constant),
            detect(method="neighbors").fit(X),
        )
        rank = [np.argsort(d.training_scores_) for d in (with_it, without)]
        assert_array_equal(*rank)

    def test_all_constant(self, detect):
        detector = detect().fit(np.ones((30, 2)))
        assert np.isfinite(detector.training_scores_).all()
        assert (detector.predict(np.ones((3, 2))) == 1).all()
        assert (detector.predict([[1.0, 2.0]]) == -1).all()


class TestEmptyColumns:
    @pytest.mark.parametrize("place", [0, 2, 5])
    @pytest.mark.parametrize("cells", [np.nan, None, np.datetime64("NaT"), ""])
    def test_are_ignored(self, detect, low_rank, place, cells):
        """Wherever they are, of whatever type, filled later or not."""
        frame = pd.DataFrame(low_rank[:120], columns=list("abcde"))
        empty = pd.Series([cells] * 120)
        if cells == "":
            empty = pd.Series(pd.Categorical([None] * 120, ["u", "v"]))
        wide = frame.copy()
        wide.insert(place, "none", empty)
        detector, expected = detect().fit(wide), detect().fit(frame)
        assert_array_equal(detector.training_scores_, expected.training_scores_)
        rows = wide[:6].assign(a=9.0)
        assert_array_equal(detector.score_samples(rows), expected.score_samples(rows[[*"abcde"]]))
        explained, plain = detector.explain(rows), expected.explain(rows[[*"abcde"]])
        for name in ("contributions", "marginal"):
            assert list(explained[name].columns) == list(wide.columns)
            assert (explained[name]["none"] == 0).all()
            assert_array_equal(explained[name][[*"abcde"]], plain[name])
        for table in (explained.expected, detector.repair(rows), detector.sample(3)):
            assert table["none"].isna().all()
            assert table.dtypes.equals(wide.dtypes)
        assert (detector.predict(detector.repair(rows)) == 1).all()

    def test_in_arrays(self, make, detect, low_rank):
        X = low_rank[:60].copy()
        X[:, 4] = np.nan
        for table in (X, make({str(j): X[:, j] for j in range(5)})):
            assert_array_equal(
                detect().fit(table).training_scores_, detect().fit(X[:, :4]).training_scores_
            )
            assert detect().fit(table).explain(table).marginal.shape == (60, 5)


class TestContainers:
    def test_sample(self, make, detect):
        frame = make(mixed())
        rows = detect().fit(frame).sample(40, random_state=0)
        assert type(rows) is type(frame)
        assert list(rows.columns) == list(frame.columns)
        assert list(rows.dtypes) == list(frame.dtypes)
        assert set(rows["city"]) <= {"Oslo", "Bern", "Rome"}
        assert set(rows["currency"]) == {"euro"}
        array = detect().fit(np.zeros((9, 2))).sample(3, random_state=0)
        assert isinstance(array, np.ndarray)
        assert array.shape == (3, 2)

    def test_containers_agree(self, detect):
        table = mixed()
        pandas, polars = (detect().fit(make(table)) for make in (pd.DataFrame, pl.DataFrame))
        assert_allclose(pandas.training_scores_, polars.training_scores_, rtol=1e-9)
        assert list(pandas.feature_names_in_) == list(table)

    def test_explain(self, make, detect):
        frame = make(mixed())
        explanation = detect().fit(frame).explain(frame[:4])
        assert type(explanation.contributions) is type(frame)
        assert type(explanation.expected) is type(frame)
        assert list(explanation.expected.dtypes) == list(frame.dtypes)

    @pytest.mark.parametrize("transform", ["pandas", "polars"])
    def test_set_output(self, make, detect, transform):
        frame = make(mixed())
        detector = detect().fit(frame).set_output(transform=transform)
        profile = detector.transform(frame[:5])
        assert list(profile.columns) == list(detector.get_feature_names_out())
        assert profile.shape[0] == 5
        assert type(profile).__module__.startswith(transform)

    def test_scale_does_not_matter(self, detect, low_rank):
        scaled = low_rank * [1.0, 1e6, 1e-6, 3.0, 1.0] + [0.0, 1e7, 0.0, 5.0, 0.0]
        assert_allclose(
            detect().fit(scaled).training_scores_, detect().fit(low_rank).training_scores_,
            rtol=1e-5, atol=1e-5,
        )  # fmt: skip


class TestIdentifiers:
    """What identifies rows says nothing about how unusual they are."""

    @pytest.mark.parametrize("code", ["P-{:05d}", "{:08d}", "row {} of all"])
    def test_make_no_difference(self, code):
        rng = np.random.default_rng(0)
        X = pd.DataFrame({"a": rng.normal(size=300), "b": rng.choice(["x", "y"], 300)})
        coded = X.assign(key=[code.format(k) for k in rng.permutation(10**5)[:300]])
        with pytest.warns(UserWarning, match="'key' seem to identify rows"):
            detector = DiffusionAnomalyDetector(random_state=0).fit(coded)
        plain = DiffusionAnomalyDetector(random_state=0).fit(X)
        new = coded.head(9).assign(key="never seen", a=np.arange(9.0))
        scores = plain.score_samples(new[["a", "b"]])
        assert_allclose(detector.score_samples(new), scores, rtol=1e-12)
        assert (detector.explain(new).contributions["key"] == 0).all()
        assert not detector.sample(50, random_state=0)["key"].isin(coded["key"]).any()
