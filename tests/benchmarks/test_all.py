"""`python -m benchmarks`: the commands are those of the page."""

import subprocess
from pathlib import Path

import pytest

import benchmarks.__main__ as runner

FOUND = runner.documented(runner.PAGE.read_text(encoding="utf-8"))


def test_every_benchmark_is_documented():
    files = Path(runner.__file__).parent.glob("[a-z]*.py")
    assert {*FOUND} == {path.stem for path in files}


def test_folders_are_those_of_the_page():
    page = (
        "`python -m benchmarks.a --data FOLDER [--quick]`\npython -m benchmarks.a --x FOLDER # c\n"
    )
    page += "python -m benchmarks._readme\npython -m benchmarks.b --data SETS --seeds 2\n"
    assert runner.documented(page) == {"a": ["data", "x"], "b": []}
    assert FOUND["scoreboard"] == ["data", "published"]
    assert FOUND["augmentation"] == ["data", "panel"]


def test_every_folder_can_be_given():
    assert set().union(*FOUND.values()) <= {*runner.FOLDERS}


def test_commands():
    found = runner.commands({"a": ["data", "panel"], "b": []}, {"data": "d", "panel": None}, True)
    assert found == {
        "a": ["-m", "benchmarks.a", "--data", "d", "--quick"],
        "b": ["-m", "benchmarks.b", "--quick"],
    }


@pytest.fixture
def ran(monkeypatch):
    """Commands that would have been run; that of speed fails."""
    ran = []

    def run(words, cwd):
        ran.append(words[2].removeprefix("benchmarks."))
        return subprocess.CompletedProcess(words, int(ran[-1] == "speed"))

    monkeypatch.setattr(runner.subprocess, "run", run)
    return ran


class TestMain:
    def test_all(self, ran, capsys):
        assert runner.main([]) == 1
        assert ran == [*FOUND]
        assert "Failed: speed." in capsys.readouterr().out

    def test_some(self, ran):
        assert runner.main(["--only", "smoother,operator"]) == 0
        assert ran == ["smoother", "operator"]

    def test_missing(self, ran, monkeypatch, tmp_path):
        monkeypatch.setattr(runner, "ROOT", tmp_path)
        results = tmp_path / "benchmarks" / "results"
        results.mkdir(parents=True)
        (results / "smoother.md").touch()
        (results / "operator_signal.csv").touch()
        (results / "mixed_tables.md").touch()
        runner.main(["--only", "smoother,operator,manifold,dimension", "--missing"])
        assert ran == ["manifold", "dimension"]

    def test_list_runs_nothing(self, ran, capsys):
        assert runner.main(["--list", "--only", "speed", "--quick"]) == 0
        assert ran == []
        assert capsys.readouterr().out == "python -m benchmarks.speed --quick\n"

    def test_unknown(self, capsys):
        with pytest.raises(SystemExit):
            runner.main(["--only", "sped"])
        assert "unknown benchmarks sped; known are scoreboard" in capsys.readouterr().err
