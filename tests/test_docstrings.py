"""Every public object is documented in full, in the numpydoc format."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from numpydoc.validate import validate
from sklearn.base import BaseEstimator

import skdiffusion

# What each docstring must have. Left out on purpose: ES01 and SA01 (an extended summary and a
# "See Also" where there is something to say), EX01 (checked below for what stands in the API
# reference), RT02 (a single return value may carry its name), and GL01 to GL03, PR08 and PR09
# (line breaks and punctuation).
CHECKS = {
    "GL05",  # tabs
    "GL06",  # an unknown section
    "GL07",  # sections in the wrong order
    "GL08",  # no docstring
    "SS01",  # no summary
    "SS02",  # a summary without a capital
    "SS03",  # a summary without a full stop
    "SS04",  # a summary with leading spaces
    "SS06",  # a summary of more than one line
    "PR01",  # an undocumented parameter
    "PR02",  # an unknown parameter
    "PR03",  # parameters in the wrong order
    "PR04",  # a parameter without a type
    "PR07",  # a parameter without a description
    "PR10",  # no space before the colon
    "RT03",  # a return value without a description
    "YD01",  # a generator without "Yields"
}


REFERENCE = Path(skdiffusion.__file__).parent.parent / "docs" / "api.rst"


def listed() -> Iterator[str]:
    """Dotted names of what the API reference lists."""
    module = "skdiffusion"
    for line in REFERENCE.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.match(r"   (\w+)$", line):
            yield f"{module}.{found[1]}"


def public_modules() -> Iterator[str]:
    """Name the package and its rooms; what lies deeper is public where a room exports it."""
    yield "skdiffusion"
    for module in pkgutil.iter_modules(skdiffusion.__path__, "skdiffusion."):
        if not module.name.rpartition(".")[2].startswith("_"):
            yield module.name


def public_objects() -> Iterator[str]:
    """Dotted names of what the reference lists, and of the methods that users call."""
    for name in listed():
        obj = pkgutil.resolve_name(name)
        yield name
        # methods of denoisers and nets do what their protocols say, in one line each
        is_estimator = inspect.isclass(obj) and issubclass(obj, BaseEstimator)
        is_estimator &= not hasattr(obj, "infer")
        if is_estimator or name.endswith("Display"):
            yield from (f"{name}.{method}" for method in own_methods(obj))


def own_methods(cls: type) -> Iterator[str]:
    """Public methods and properties that the package defines on ``cls`` and documents there."""
    for name in dir(cls):
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        member = vars(owner).get(name)
        documentable = inspect.isroutine(getattr(cls, name)) or isinstance(member, property)
        # Methods that scikit-learn makes for metadata routing carry its docstrings.
        routed = name.startswith("set_") and name.endswith("_request")
        ours = owner.__module__.startswith("skdiffusion")
        # what a plain base class adds is for the package alone
        ours &= owner is cls or issubclass(owner, BaseEstimator)
        # An override that says nothing new inherits its docstring, which is checked at its home.
        inherits = member is not None and not member.__doc__ and inspect.getdoc(getattr(cls, name))
        if ours and documentable and not (routed or inherits or name.startswith("_")):
            yield name


def parameters_are_given(name: str) -> bool:
    """Whether another library sets the parameters: by a method overridden, or a protocol."""
    home, _, last = name.rpartition(".")
    owner = pkgutil.resolve_name(home)
    if not inspect.isclass(owner):
        return getattr(pkgutil.resolve_name(name), "_is_protocol", False)
    return any(
        last in vars(base) and not base.__module__.startswith("skdiffusion")
        for base in owner.__mro__
    )


OBJECTS = sorted(public_objects()) if REFERENCE.exists() else []


class TestDocstrings:
    @pytest.mark.parametrize("name", OBJECTS)
    def test_numpydoc(self, name):
        wanted = CHECKS - {"PR01"} if parameters_are_given(name) else CHECKS
        errors = [error for error in validate(name)["errors"] if error[0] in wanted]
        assert errors == []

    @pytest.mark.parametrize("name", skdiffusion.__all__)
    def test_front_door_has_examples(self, name):
        assert ">>>" in inspect.getdoc(getattr(skdiffusion, name))

    def test_every_room_says_what_it_is_for(self):
        for name in public_modules():
            module = importlib.import_module(name)
            assert module.__doc__, name

    def test_discovery_finds_methods(self):
        if not OBJECTS:
            pytest.skip("runs without the documentation")
        assert "skdiffusion.TableEncoder.fit" in OBJECTS
