"""The asv suite: every benchmark can be set up and run, on few rows."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "asv"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="runs without the source tree")


def load(name):
    """A module of the suite, which is no part of a package that tests can import."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / "suite" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_settings():
    settings = json.loads((FOLDER / "asv.conf.json").read_text())
    assert (FOLDER / settings["benchmark_dir"] / "__init__.py").exists()
    assert (FOLDER / settings["repo"] / "pyproject.toml").exists()


@pytest.mark.parametrize("name", ["Sampler", "Smoother", "Detector"])
def test_estimators(name, monkeypatch):
    suite = load("estimators")
    assert not hasattr(suite, "Estimator")
    rows = suite.make_rows
    monkeypatch.setattr(suite, "make_rows", lambda n: rows(min(n, 60)))
    fit = suite.DenoiserNet.fit
    brief = {"max_epochs": 1, "steps_per_epoch": 2}
    monkeypatch.setattr(
        suite.DenoiserNet, "fit", lambda self, *a, **k: fit(self.set_params(**brief), *a, **k)
    )
    measured = getattr(suite, name)()
    (sizes,) = measured.params
    measured.setup(sizes[0])
    for method in dir(measured):
        if method.startswith(("time_", "peakmem_")):
            getattr(measured, method)(sizes[0])


def test_imports():
    suite = load("imports")
    for name in ("package", "smoother", "sampler"):
        compile(getattr(suite, f"timeraw_{name}")(), name, "exec")
