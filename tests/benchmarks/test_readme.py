"""The summaries in the README are those of the reports."""

from benchmarks._readme import BEGIN, END, ROOT, table


def test_readme_has_the_summaries_of_the_reports():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert text.split(BEGIN)[1].split(END)[0] == table()
