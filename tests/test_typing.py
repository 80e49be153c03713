"""A user's code that calls what is public passes ``mypy --strict``."""

import inspect
from importlib import import_module

import pytest

from tests.test_size import public_names

SETTINGS = """
[mypy]
strict = true
follow_imports = silent
[mypy-torch.*,numpy.*,sklearn.*,skorch.*,scipy.*,narwhals.*,joblib.*,ot.*,pandas.*]
follow_imports = skip
ignore_missing_imports = true
"""
USER = "from typing import Any\n{imports}\ndef use(*a: Any, **k: Any) -> None:\n    {calls}\n"


def calls_of(name, value):
    """Return calls of a public name, and of the public methods that this package defines."""
    if not callable(value) or getattr(value, "_is_protocol", False):
        return [name]
    calls = [f"{name}(*a, **k)"]
    for member in dir(value) if inspect.isclass(value) else ():
        found = inspect.unwrap(getattr(value, member))
        module = getattr(found, "__module__", None) or ""
        if member[0] != "_" and inspect.isroutine(found) and module.startswith("skdiffusion"):
            calls.append(f"{calls[0]}.{member}(*a, **k)")
    return calls


def complaints(tmp_path, calls):
    api = pytest.importorskip("mypy.api")
    rooms = sorted({name.rpartition(".")[0] for name in public_names()})
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    imports = "\n".join(f"import {room}" for room in rooms)
    (tmp_path / "user.py").write_text(USER.format(imports=imports, calls="\n    ".join(calls)))
    options = ["--config-file", f"{tmp_path}/mypy.ini", "--cache-dir", f"{tmp_path}/cache"]
    report, errors, _ = api.run([*options, f"{tmp_path}/user.py"])
    assert not errors
    return [line.partition("error: ")[2] for line in report.splitlines() if "error: " in line]


def test_public_names(tmp_path):
    calls = []
    for name in public_names():
        room, _, last = name.rpartition(".")
        calls += calls_of(name, getattr(import_module(room), last))
    assert len(calls) > 150
    # one of no type, so that the test can fail
    found = complaints(tmp_path, [*calls, "skdiffusion.tables.frames.as_series(*a, **k)"])
    assert len(found) == 1 and "as_series" in found[0], "\n".join(found)
