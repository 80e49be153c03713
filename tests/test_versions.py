"""The versions that are declared are those that are tested."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins_of(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def requirements(extra=None):
    """What the package, or an extra, asks for, with the extras that it names."""
    for requirement in map(Requirement, EXTRAS[extra] if extra else PROJECT["dependencies"]):
        if requirement.name == "skdiffusion":
            for inner in requirement.extras:
                yield from requirements(inner)
        else:
            yield requirement


def lower_bounds(extra=None):
    return {
        canonicalize_name(requirement.name): bound.version
        for requirement in requirements(extra)
        for bound in requirement.specifier
        if bound.operator == ">="
    }


@pytest.mark.parametrize("extra", [None, "test"])
def test_lower_bounds_are_the_oldest_versions_that_are_tested(extra):
    pins = pins_of("constraints-oldest.txt")
    for name, bound in lower_bounds(extra).items():
        assert SpecifierSet(f"=={bound}").contains(pins[name]), name


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_the_pinned_versions_fit_what_is_declared(extra):
    pins = pins_of("constraints.txt")
    for requirement in requirements(extra):
        name = canonicalize_name(requirement.name)
        assert requirement.specifier.contains(pins[name]), name


def test_every_optional_library_of_the_package_is_tested():
    tools = {"benchmark", "demo", "dev", "docs", "test"}
    tested = set(lower_bounds("test"))
    assert {
        name: lower_bounds(name)
        for name in set(EXTRAS) - tools
        if not set(lower_bounds(name)) <= tested
    } == {}
