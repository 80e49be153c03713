"""The API pages have an entry for every public member, inherited ones too."""

import inspect
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from tests.test_size import public_names

DOCS = Path(__file__).parent.parent / "docs"
HOMES = ("skdiffusion", "sklearn")


def members(name):
    """Return the public methods and properties of a class, by whichever base they are defined."""
    room, _, last = name.rpartition(".")
    value = getattr(import_module(room), last)
    found = set()
    for member in dir(value) if inspect.isclass(value) else ():
        owner = next((base for base in value.__mro__ if member in vars(base)), object)
        raw = inspect.getattr_static(value, member)
        is_method = inspect.isroutine(getattr(value, member)) or isinstance(raw, property)
        routed = member.startswith("set_") and member.endswith("_request")
        ours = owner.__module__.startswith(HOMES) and inspect.getdoc(raw)
        if member[0] != "_" and is_method and not routed and ours:
            found.add(f"{name}.{member}")
    return found


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """The entries of pages that the templates make of the reference."""
    application = pytest.importorskip("sphinx.application")
    pytest.importorskip("numpydoc")
    if not DOCS.exists():
        pytest.skip("runs without the documentation")
    source = tmp_path_factory.mktemp("source")
    shutil.copy(DOCS / "api.rst", source / "index.rst")
    settings = {
        "extensions": ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"],
        "templates_path": [str(DOCS / "_templates")],
        "numpydoc_show_class_members": False,
    }
    places = [source, None, source / "html", source / "trees", "dummy"]
    app = application.Sphinx(*places, confoverrides=settings, status=None, warning=None)
    app.build()
    return set(app.env.domaindata["py"]["objects"])


def test_every_public_member(entries):
    names = public_names()
    wanted = set(names).union(*map(members, names))
    assert "skdiffusion.DiffusionAnomalyDetector.predict_pvalue" in wanted
    assert sorted(wanted - entries) == []
