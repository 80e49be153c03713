"""Metrics of tables as the samplers draw them."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skdiffusion.metrics import (
    GowerScaler,
    c2st,
    coverage_density,
    dcr_ratio,
    exact_copies,
    fidelity_report,
    frechet_distance,
    shape_error,
    trend_error,
    vendi_score,
    wasserstein,
)

pd = pytest.importorskip("pandas")


def draw(n, seed):
    """Rows of all kinds of columns, with gaps."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            "amount": np.exp(level + rng.normal(size=n)).round(2),
            "city": np.array(["Graz", "Linz", "Wien"], dtype=object)[level],
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n), "D"),
            "took": pd.to_timedelta(rng.integers(1, 9999, n), "s"),
            "member": rng.random(n) < 0.3,
            "visits": pd.array(rng.poisson(3, n), dtype="Int64"),
        }
    )
    for name in ("amount", "city", "when", "visits"):
        frame[name] = frame[name].mask(rng.random(n) < 0.1)
    return frame


def as_polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


def as_objects(frame):
    return frame.astype(object).to_numpy()


def as_arrow(frame):
    pytest.importorskip("pyarrow")
    return frame.convert_dtypes(dtype_backend="pyarrow")


METRICS = {
    "wasserstein": lambda a, b, c: wasserstein(a, c),
    "c2st": lambda a, b, c: c2st(b, c, random_state=0),
    "coverage": lambda a, b, c: coverage_density(b, c),
    "dcr": dcr_ratio,
    "frechet": lambda a, b, c: frechet_distance(a, c),
    "vendi": lambda a, b, c: vendi_score(c, reference=a),
    "copies": lambda a, b, c: exact_copies(a, c),
    "shape": lambda a, b, c: shape_error(a, c),
    "trend": lambda a, b, c: trend_error(a, c),
    "report": lambda a, b, c: list(fidelity_report(a, b, c, random_state=0).values()),
}


@pytest.fixture(scope="module")
def tables():
    return draw(150, 0), draw(100, 1), draw(150, 2)


class TestContainers:
    @pytest.mark.parametrize("convert", [as_polars, as_objects, as_arrow])
    @pytest.mark.parametrize("name", METRICS)
    def test_container_does_not_matter(self, tables, convert, name):
        expected = METRICS[name](*tables)
        assert np.all(np.isfinite(expected))
        np.testing.assert_allclose(METRICS[name](*map(convert, tables)), expected, atol=1e-12)

    @pytest.mark.parametrize("name", METRICS)
    def test_level_of_one_table_only(self, tables, name):
        for k in range(3):
            strange = [table.copy() for table in tables]
            strange[k].loc[3, "city"] = "Atlantis"
            assert np.all(np.isfinite(METRICS[name](*strange)))

    def test_codes_of_categories_by_name_and_position(self, tables):
        frame = pd.DataFrame({"x": [0.0, 1, 2], "code": [5, 6, 7]})
        other = pd.DataFrame({"x": [0.0, 1, 2], "code": [5, 6, 99]})
        assert shape_error(frame, other, categorical=["code"]) == pytest.approx(100 / 6)
        assert shape_error(frame, other, categorical=[1]) == pytest.approx(100 / 6)

    def test_columns_in_another_order(self, tables):
        real, _, fake = tables
        assert shape_error(real, fake[fake.columns[::-1]]) == shape_error(real, fake)

    def test_frames_are_in_gower_coordinates_of_the_first(self, tables):
        real, _, fake = tables
        scale = GowerScaler().fit(real).transform
        assert wasserstein(real, fake) == pytest.approx(wasserstein(scale(real), scale(fake)))


class TestRefusals:
    def test_dates_against_text(self, tables):
        real, _, fake = tables
        fake = fake.assign(when=fake["when"].astype(str))
        with pytest.raises(ValueError, match=r"'when' holds categorical and datetime.*to_datetime"):
            shape_error(real, fake)

    def test_other_columns(self, tables):
        real, _, fake = tables
        with pytest.raises(ValueError, match="differ in their columns"):
            wasserstein(real, fake.rename(columns={"city": "town"}))

    @pytest.mark.parametrize("name", METRICS)
    def test_no_rows(self, tables, name):
        with pytest.raises(ValueError, match=r"0 sample|has 0 rows"):
            METRICS[name](*(table.head(0) for table in tables))

    def test_too_few_rows_for_a_report(self, tables):
        with pytest.raises(ValueError, match="fake has 5 rows"):
            fidelity_report(*tables[:2], tables[2].head(5))


class TestGaps:
    @pytest.mark.parametrize("column", [[1.0, 3.0, np.nan, np.nan], ["a", "b", None, None]])
    def test_gower_distance_of_gaps(self, column):
        points = GowerScaler().fit_transform(pd.DataFrame({"x": column}))
        expected = [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]
        np.testing.assert_allclose(cdist(points, points, "cityblock"), expected)

    def test_dates_are_numbers(self):
        days = pd.DataFrame({"day": pd.to_datetime(["2024-01-01", "2024-01-11", "2024-01-05"])})
        points = GowerScaler().fit_transform(days)
        np.testing.assert_allclose(points[:, 0], [0, 1, 0.4])

    def test_gap_where_fit_has_seen_none(self):
        scaler = GowerScaler().fit([[0.0], [1.0]])
        away = cdist(scaler.transform([[np.nan]]), scaler.transform([[0.0], [1.0]]), "cityblock")
        np.testing.assert_allclose(away, [[2, 1]])

    @pytest.mark.parametrize("cells", [[1.0, 2.0, 3.0, 4.0], ["a", "b", "c", "d"]])
    def test_share_of_gaps_is_part_of_the_shape(self, cells):
        real = pd.DataFrame({"x": cells})
        fake = real.mask(np.array([[True], [True], [False], [False]]))
        assert shape_error(real, fake) == pytest.approx(50)

    def test_where_gaps_are_is_part_of_the_trend(self):
        x, missing = np.arange(40.0), np.arange(40) % 2 == 0
        together = pd.DataFrame({"a": x, "b": x}).mask(np.column_stack([missing, missing]))
        apart = pd.DataFrame({"a": x, "b": x}).mask(np.column_stack([missing, ~missing]))
        assert trend_error(together, together) == 0
        assert trend_error(together, apart) == pytest.approx(100)

    def test_a_gap_copies_a_gap(self, tables):
        assert exact_copies(tables[0], tables[0]) == 1


@pytest.mark.parametrize("n_columns", [1, 2])
@pytest.mark.parametrize(
    "cells",
    [np.ones(30), np.full(30, np.nan), np.full(30, None), np.full(30, "a"), np.arange(30.0)],
    ids=["constant", "missing", "none", "one level", "numbers"],
)
def test_nothing_to_see(cells, n_columns):
    table = pd.DataFrame({f"c{j}": cells for j in range(n_columns)})
    for name, metric in METRICS.items():
        assert np.all(np.isfinite(metric(table, table, table))), name
    report = fidelity_report(table, table, table, random_state=0)
    assert set(report.grades.values()) <= {"good", "fair", "poor"}
    assert all(isinstance(line, str) for line in report.verdict)


class TestGrossCells:
    @pytest.fixture(params=range(5))
    def seed(self, request):
        return request.param

    @pytest.fixture
    def rows(self, seed):
        rng = np.random.default_rng(seed)
        return [rng.normal(size=(300, 3)) @ [[1, 0.6, 0], [0, 0.8, 0], [0, 0, 1]] for _ in range(3)]

    @pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
    def test_one_in_300_changes_nothing(self, rows, seed, bad):
        train, test, fake = rows
        fake = fake * [9, 1, 1] + [20, 0, 0] if bad else fake
        clean = fidelity_report(train, test, fake, random_state=0)
        assert clean.grades["Columns"] == ("poor" if bad else "good")
        tables = [train.copy(), test.copy(), fake.copy()]
        tables[seed % 3][7, 0] = [1e9, 999.0, 1e5, -1e9, 99999.0][seed]
        spoilt = fidelity_report(*tables, random_state=0)
        for name in ("w1_test", "w1_train", "coverage", "c2st_boosting"):
            assert spoilt[name] == pytest.approx(clean[name], rel=0.08, abs=0.03), name
        assert spoilt["shape_error"] == pytest.approx(clean["shape_error"], abs=0.5)
        assert spoilt["trend_error"] == pytest.approx(clean["trend_error"], abs=0.5)
        assert spoilt.grades == clean.grades

    def test_rows_far_off_are_not_near_to_a_gross_cell(self, rows, seed):
        train, test, fake = rows
        fake, spoilt = fake * [9, 1, 1] + [20, 0, 0], train.copy()
        spoilt[7, 0] = [1e9, 999.0, 1e5, 1e6, 99999.0][seed]
        reports = [fidelity_report(table, test, fake, random_state=0) for table in (train, spoilt)]
        clean, spoilt = (report["dcr_ratio"] for report in reports)
        assert spoilt == pytest.approx(clean, rel=0.05)

    def test_unit_of_a_column(self, rows):
        clean = GowerScaler().fit(rows[0])
        spoilt = GowerScaler().fit(np.vstack([rows[0], [[999, 1e5, 1e9]]]))
        np.testing.assert_allclose(spoilt.range_, clean.range_)
