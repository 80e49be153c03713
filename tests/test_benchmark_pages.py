"""Pages of benchmarks hold the reports whole, and say when, with what and how they were made."""

import re
import shutil

import pytest

from docs import _benchmark_pages

REPORTS = sorted(_benchmark_pages.RESULTS.glob("*.md"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages") / "benchmarks"
    _benchmark_pages.write(folder)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_a_page_holds_its_report_whole(pages, report):
    title, _, body = report.read_text(encoding="utf-8").partition("\n")
    page = pages[report.stem]
    assert page.startswith(title)
    assert body.strip() in page
    assert "\n## How it is measured\n" in page


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_a_page_says_when_with_what_and_how(pages, report):
    page = pages[report.stem]
    assert re.search(r"^- Reported on: (\d{4}-\d\d-\d\d|not recorded)$", page, flags=re.M)
    assert re.search(r"(torch|scikit-learn) \d", page) or "not recorded, as pinned" in page
    assert "python -m benchmarks." in page.split("## How it is measured")[0]
    for figures in _benchmark_pages.RESULTS.glob(f"{report.stem}.csv"):
        assert f"[{figures.name}](path:../../benchmarks/results/{figures.name})" in page


def test_guides_that_a_page_links_to_are_there(pages):
    """Links of the README, which is in another folder."""
    links = {link for page in pages.values() for link in re.findall(r"\]\((\.\./[^):]+)\)", page)}
    assert "../serving.md" in links
    assert [link for link in links if not (_benchmark_pages.PAGES / link).resolve().exists()] == []


def test_the_index_lists_all(pages):
    for report in REPORTS:
        assert f"]({report.name}), " in pages["index"]
        assert f"\n{report.stem}\n" in pages["index"]


def test_the_day_is_that_of_the_report():
    if not shutil.which("git") or not _benchmark_pages.git("rev-parse", "HEAD"):
        pytest.skip("not a repository")
    day, versions = _benchmark_pages.measured(_benchmark_pages.RESULTS / "scoreboard.md")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", day)
    assert re.search(r"torch \d+\.\d+", versions)
    assert _benchmark_pages.measured(_benchmark_pages.RESULTS / "none.md") == (
        "not recorded",
        "not recorded",
    )


def test_pages_of_reports_that_are_gone_go(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "gone.md").write_text("# Gone")
    _benchmark_pages.write(tmp_path / "benchmarks")
    assert not (tmp_path / "benchmarks" / "gone.md").exists()
