"""The error where an optional library is not there, or does not fit."""

import sys

import pytest

from skdiffusion._utils.checks import needs

INSTALL = r"Drawing needs it. Install it with: pip install 'skdiffusion\[plot\]'"
UPGRADE = r"Drawing needs it. It is installed, .*\(.*{}.*\).* --upgrade .*\[plot\]'"


def attempt(statement):
    with needs("plot", "Drawing needs it"):
        exec(statement)


@pytest.mark.parametrize("statement", ["import absent_library", "from absent_library.a import b"])
def test_what_is_not_there_is_to_be_installed(statement):
    with pytest.raises(ImportError, match=INSTALL):
        attempt(statement)


def test_what_is_blocked_counts_as_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=INSTALL):
        attempt("import yaml")


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        # how imbalanced-learn 0.13 fails beside scikit-learn 1.9
        ("from sklearn.utils.validation import no_such_name", "no_such_name"),
        ("import sklearn.no_such_module", "no_such_module"),
    ],
)
def test_what_does_not_fit_is_to_be_upgraded(tmp_path, monkeypatch, line, missing):
    (tmp_path / "library_of_old.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=UPGRADE.format(missing)):
        attempt("import library_of_old")
