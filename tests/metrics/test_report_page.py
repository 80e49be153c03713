"""What a report says beyond its figures, and its page."""

import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from skdiffusion.metrics import fidelity_report

pd = pytest.importorskip("pandas")
VOID = {"meta", "br", "img", "link", "input", "hr"}


def draw(n, seed):
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            "<b>amount": level + rng.normal(scale=0.3, size=n),
            "a & b": np.array(["<i>x", "y", "z"], dtype=object)[level],
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n), "D"),
            "low": rng.integers(0, 9, n),
            "mail": [f"{k:06d}@example.org" for k in rng.integers(0, 10**6, n)],
        }
    )
    frame["high"] = frame["low"] + rng.integers(0, 3, n)
    return frame.mask(rng.random((n, 6)) < [0.1, 0.1, 0.1, 0, 0, 0])


class Rising:
    """That one column is at most another."""

    def holds(self, table, like=None):
        return np.asarray(table["low"] <= table["high"])

    def __str__(self):
        return "low <= high"


@pytest.fixture(scope="module")
def tables():
    return draw(250, 0), draw(200, 1)


@pytest.fixture(scope="module")
def reports(tables):
    train, test = tables
    fresh = draw(250, 2)
    rng = np.random.default_rng(0)
    shuffled = fresh.apply(lambda column: column.to_numpy()[rng.permutation(len(column))])
    moved = fresh.assign(**{"<b>amount": fresh["<b>amount"] + 9})
    fakes = {"fresh": fresh, "copy": train, "shuffled": shuffled, "moved": moved}
    options = {"relations": [Rising()], "random_state": 0}
    return {name: fidelity_report(train, test, fake, **options) for name, fake in fakes.items()}


class TestVerdict:
    def test_a_perfect_generator(self, reports):
        assert set(reports["fresh"].grades.values()) == {"good"}

    def test_copies(self, reports):
        copy = reports["copy"]
        assert copy.grades["Privacy"] == "poor"
        assert copy.privacy["membership_auc"] == 1
        assert copy.privacy["identities"] == {"mail": 1.0}
        assert copy.grades["Columns"] == copy.grades["Pairs of columns"] == "good"

    def test_shuffled_columns(self, reports):
        shuffled = reports["shuffled"]
        assert shuffled.grades["Columns"] == "good"
        assert shuffled.grades["Pairs of columns"] == shuffled.grades["Utility"] == "poor"
        assert shuffled.grades["Relations"] == "poor"
        assert set(shuffled.pairs[0][:2]) in ({"<b>amount", "a & b"}, {"low", "high"})

    def test_a_moved_column_is_named(self, reports):
        moved = reports["moved"]
        assert moved.grades["Columns"] == moved.grades["Rows"] == moved.grades["Coverage"] == "poor"
        assert next(iter(moved.giveaways)) == "<b>amount"
        lines = dict(line.split(": ", 1) for line in moved.verdict)
        assert "<b>amount" in lines["Columns"]
        assert "<b>amount" in lines["Rows"]

    @pytest.mark.parametrize("seed", range(5))
    def test_fresh_rows_are_good_by_any_seed(self, seed):
        rng = np.random.default_rng(seed)
        tables = rng.multivariate_normal([0, 0, 0], np.eye(3) / 2 + 0.5, size=(3, 200))
        assert set(fidelity_report(*tables, random_state=seed).grades.values()) == {"good"}

    def test_identities_drawn_anew_are_no_fault(self, reports):
        assert reports["fresh"].identifiers == ["mail"]
        assert reports["fresh"].privacy["identities"] == {}


class TestDetails:
    def test_relations(self, reports):
        assert reports["fresh"].relations == {"low <= high": (1.0, 1.0)}
        assert reports["shuffled"].relations["low <= high"][1] < 0.9

    def test_columns_have_kinds_gaps_and_summaries(self, reports):
        frame = reports["fresh"].to_frame()
        assert frame["kind"].to_dict() == {
            "<b>amount": "continuous",
            "a & b": "categorical",
            "day": "datetime",
            "low": "integer",
            "high": "integer",
        }
        assert frame.loc["day", "gaps_real"] == pytest.approx(0.1, abs=0.05)
        assert re.match(r"2024-0\d-\d\d \(2024-01-\d\d to 2024-04-\d\d\)", frame.loc["day", "real"])

    def test_target(self, tables):
        report = fidelity_report(*tables, draw(250, 2), target="a & b", random_state=0)
        (found,) = report.utility
        assert found["column"] == "a & b"
        assert found["base"] < 0.5 < 0.8 < found["synthetic"]

    def test_unknown_target(self, tables):
        with pytest.raises(ValueError, match="target names the column 'price'"):
            fidelity_report(*tables, draw(250, 2), target="price", random_state=0)

    def test_target_by_position_beside_identifiers(self, tables):
        frames = [frame[["mail", "low", "a & b"]] for frame in (*tables, draw(250, 2))]
        report = fidelity_report(*frames, target=2, random_state=0)
        assert report.identifiers == ["mail"]
        assert [found["column"] for found in report.utility] == ["a & b"]


class NoPandas:
    """A finder of modules by which pandas is not installed."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "pandas":
            raise ImportError(name)


class Balanced(HTMLParser):
    """Fails on tags that do not match, and collects text and what the page would load."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.text, self.loaded = [], set(), "", []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.loaded += [v for k, v in attrs if k in ("src", "href", "data", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


class TestPage:
    def test_is_balanced_and_needs_nothing_else(self, reports):
        page = reports["moved"].to_html()
        parsed = Balanced(page)
        assert parsed.loaded == []
        assert not re.search(r"https?://|@import|url\(", page)
        assert not parsed.tags & {"script", "link", "iframe", "img", "i"}

    def test_names_and_levels_are_shown_as_they_are(self, reports, tables):
        text = Balanced(reports["fresh"].to_html()).text
        assert all(name in text for name in tables[0])
        assert "<i>x" in text
        assert all(words in text for _, _, words in reports["fresh"]._graded)

    def test_is_written(self, reports, tmp_path):
        path = tmp_path / "report.html"
        page = reports["fresh"].to_html(path)
        assert path.read_text(encoding="utf-8") == page

    def test_arrays_of_numbers_need_no_pandas(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "pandas")
        monkeypatch.setattr(sys, "meta_path", [NoPandas, *sys.meta_path])
        train, test, fake = np.random.default_rng(0).normal(size=(3, 60, 2))
        report = fidelity_report(train, test, fake, random_state=0)
        assert len(report.verdict) == len(report.grades) >= 5
        with pytest.raises(ImportError, match=r"skdiffusion\[pandas\]"):
            report.to_frame()

    def test_needs_jinja(self, reports, monkeypatch):
        monkeypatch.setitem(sys.modules, "jinja2", None)
        with pytest.raises(ImportError, match=r"skdiffusion\[report\]"):
            reports["fresh"].to_html()
