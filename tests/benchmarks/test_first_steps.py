"""The first steps are short, run, and are those that the README shows."""

import ast
import re

import pytest

from benchmarks import first_steps
from benchmarks._readme import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", first_steps.STEPS)
def test_at_most_ten_lines(name):
    code = first_steps.STEPS[name]
    assert code.endswith("\n") and code.count("\n") <= 10
    assert max(map(len, code.splitlines())) <= 100
    # nor two statements in one line
    lines = [node.lineno for node in ast.walk(ast.parse(code)) if isinstance(node, ast.stmt)]
    assert len({*lines}) == len(lines)


@pytest.mark.parametrize("name", first_steps.STEPS)
def test_readme_shows_them(name):
    if "## First steps" not in README:
        pytest.skip("the README has no first steps")
    section = README.split("## First steps")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert first_steps.STEPS[name] in blocks


def test_times_and_table(monkeypatch, tmp_path):
    seconds = iter([(1.0, 4.0), (3.0, 9.0), (2.0, 5.0)] * len(first_steps.STEPS))
    monkeypatch.setattr(first_steps, "run", lambda code: next(seconds))
    first_steps.main(["--output", str(tmp_path)])
    text = (tmp_path / "first_steps.md").read_text()
    for name in first_steps.STEPS:
        assert re.search(rf"\| {name} \| \d+ \| 2.0 \| 5.0 \|", text)


def test_a_step_that_fails_is_no_time():
    with pytest.raises(first_steps.subprocess.CalledProcessError):
        first_steps.run("1 / 0")
