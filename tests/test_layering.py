"""The direction of imports, and the habits that the architecture page promises."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import skdiffusion

PACKAGE = Path(skdiffusion.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

BELOW_ESTIMATORS = {
    "_base",
    "detection",
    "model",
    "training",
    "closed_forms",
    "tables",
    "manifold",
    "geometry",
    "nets",
    "diffusion",
    "_utils",
}
MAY_IMPORT_ROOMS = {
    "_utils": set(),
    "diffusion": set(),
    "nets": set(),
    "geometry": {"_utils"},
    "tables": {"_utils"},
    "closed_forms": {"diffusion", "geometry", "_utils"},
    "training": {"nets", "diffusion", "_utils"},
    "model": {"_utils", "diffusion", "geometry", "metrics", "tables"},
    "manifold": {"geometry", "diffusion", "closed_forms", "training", "nets", "_utils"},
    "augmentation": {"_utils", "tables"},
    "detection": {"diffusion", "geometry", "tables", "closed_forms", "training", "_utils"},
    "_base": {"model", "tables", "_utils"},
    "_sampler": BELOW_ESTIMATORS,
    "_hierarchical": {"_sampler", "_utils", "tables", "training"},
    "_imputer": {"_sampler", "_utils", "model", "tables", "training"},
    "_oversampler": {"_sampler", "_utils", "augmentation", "model", "tables"},
    "_detector": BELOW_ESTIMATORS | {"augmentation"},
    # The smoother works without paying for a network.
    "_smoother": BELOW_ESTIMATORS - {"training", "nets", "manifold"},
    "_operator": BELOW_ESTIMATORS - {"training", "nets", "manifold"},
    "inspection": {"_base", "diffusion", "_utils"},
    # Duck-typed helpers: they work on what has the right methods, whoever wrote it.
    "plotting": {"_utils", "inspection", "metrics", "tables"},
    "metrics": {"_utils", "pipeline", "tables"},
    "pipeline": {"_utils", "manifold"},
    "draws": {"_utils", "pipeline"},
    "_card": {"__init__"},
    # It names classes, and imports none.
    "saving": {"__init__", "_utils"},
    # The package itself is lazy; the command line calls the public interface.
    "__init__": {
        "_sampler",
        "_detector",
        "_smoother",
        "_operator",
        "_hierarchical",
        "_imputer",
        "_oversampler",
        "training",
        "tables",
        "pipeline",
        "draws",
        "_card",
        "saving",
    },
    "_cli": {"__init__", "metrics", "plotting", "saving", "tables", "_utils"},
    "__main__": {"_cli"},
}
MAY_IMPORT_LIBRARIES = {
    "diffusion": {"torch"},
    "nets": {"torch"},
    "geometry": {"numpy", "scipy", "sklearn"},
}
ONLY_INSIDE_FUNCTIONS = {"matplotlib", "pandas", "polars", "ot", "imblearn", "jinja2", "faker"}
ONLY_INSIDE_FUNCTIONS |= {"accelerate", "pyarrow", "safetensors", "skimage", "tqdm"}
HOMES_OF = {"skorch": {"training"}, "matplotlib": {"plotting"}}


class Import(NamedTuple):
    """One imported module, and where it stands."""

    module: str
    names: tuple[str, ...]
    in_function: bool
    for_types: bool
    line: int

    @property
    def library(self) -> str:
        return self.module.partition(".")[0]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def absolute_module(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = ("skdiffusion", *path.relative_to(PACKAGE).parent.parts)
    anchor = package[: len(package) - node.level + 1]
    return ".".join((*anchor, *([node.module] if node.module else [])))


def imports_of(tree: ast.AST, path: Path) -> Iterator[Import]:
    def walk(node: ast.AST, in_function: bool, for_types: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), in_function, for_types, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            module = absolute_module(node, path)
            yield Import(module, names, in_function, for_types, node.lineno)
        in_function |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types |= isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, in_function, for_types)

    return walk(tree, False, False)


def rooms_imported(found: Import) -> set[str]:
    parts = found.module.split(".")
    if parts[0] != "skdiffusion":
        return set()
    if len(parts) > 1:
        return {parts[1]}
    is_module = {name for name in found.names if name in MAY_IMPORT_ROOMS}
    return is_module or {"__init__"}


def wrong_imports(tree: ast.AST, path: Path) -> list[str]:
    """What the architecture forbids, a line each."""
    room = room_of(path)
    wrong = []
    for found in imports_of(tree, path):
        upwards = rooms_imported(found) - MAY_IMPORT_ROOMS.get(room, set()) - {room}
        wrong += [f"line {found.line}: {room} imports {target}" for target in upwards]
        library = found.library
        if library == "skdiffusion" or library in sys.stdlib_module_names:
            continue
        only_these = MAY_IMPORT_LIBRARIES.get(room, {library})
        if library not in only_these or room not in HOMES_OF.get(library, {room}):
            wrong.append(f"line {found.line}: {room} imports {library}")
        if library in ONLY_INSIDE_FUNCTIONS and not (found.in_function or found.for_types):
            wrong.append(f"line {found.line}: {library} is imported outside a function")
    return wrong


def private_scikit_learn(tree: ast.AST, path: Path) -> bool:
    return any(
        found.library == "sklearn"
        and any(
            part.startswith("_") and not part.startswith("__")
            for part in (*found.module.split("."), *found.names)
        )
        for found in imports_of(tree, path)
    )


def dotted_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def is_fork(node: ast.AST) -> bool:
    return isinstance(node, ast.With) and any(
        isinstance(item.context_expr, ast.Call)
        and dotted_name(item.context_expr.func).endswith("fork_rng")
        for item in node.items
    )


def global_randomness(tree: ast.AST) -> list[str]:
    """Calls that read or set a global generator, outside ``with torch.random.fork_rng(...)``."""
    legacy_numpy = {"RandomState", "Generator", "default_rng", "SeedSequence", "PCG64"}

    def walk(node: ast.AST, forked: bool) -> Iterator[str]:
        if isinstance(node, ast.Call):
            name = dotted_name(node.func)
            parts = name.split(".")
            numpy = parts[:-1] in (["np", "random"], ["numpy", "random"])
            seeds_torch = parts[0] == "torch" and parts[-1] in {"manual_seed", "manual_seed_all"}
            python = parts[0] == "random" and len(parts) == 2
            if (numpy and parts[-1] not in legacy_numpy) or python or (seeds_torch and not forked):
                yield f"line {node.lineno}: {name}"
        forked |= is_fork(node)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, forked)

    return list(walk(tree, False))


@pytest.fixture(params=SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def source(request):
    return ast.parse(request.param.read_text(encoding="utf-8")), request.param


class TestPackage:
    def test_imports_point_down(self, source):
        assert wrong_imports(*source) == []

    def test_every_room_has_a_floor(self):
        assert {room_of(path) for path in SOURCES} <= set(MAY_IMPORT_ROOMS)

    def test_global_generators_are_left_alone(self, source):
        assert global_randomness(source[0]) == []

    def test_what_is_imported_is_required(self):
        pyproject = PACKAGE.parent / "pyproject.toml"
        if not pyproject.exists():
            pytest.skip("runs without the source tree")
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        required = {re.split(r"\W", name.replace("-", "_"))[0] for name in project["dependencies"]}
        imported = {
            found.library
            for path in SOURCES
            for found in imports_of(ast.parse(path.read_text(encoding="utf-8")), path)
            if found.library not in sys.stdlib_module_names | ONLY_INSIDE_FUNCTIONS
        }
        assert imported - {"skdiffusion", "sklearn"} == required - {"scikit_learn"}

    def test_private_scikit_learn_is_behind_one_shim(self):
        using = [
            path for path in SOURCES if private_scikit_learn(ast.parse(path.read_text()), path)
        ]
        assert len(using) <= 1
        assert all(room_of(path) == "_utils" for path in using)


class TestCheckers:
    """The checks above find what they look for."""

    @pytest.mark.parametrize(
        ("room", "code"),
        [
            ("diffusion/x.py", "import numpy"),
            ("diffusion/x.py", "from ..training import DenoiserNet"),
            ("diffusion/x.py", "def f():\n    from skdiffusion._utils import g"),
            ("nets/x.py", "from .. import diffusion"),
            ("tables/x.py", "from ..diffusion.solvers import heun"),
            ("tables/x.py", "import pandas as pd"),
            ("tables/x.py", "import skorch"),
            ("training/x.py", "from skdiffusion._sampler import DiffusionManifoldSampler"),
            ("metrics/x.py", "def f():\n    import matplotlib.pyplot as plt"),
            ("plotting/x.py", "import matplotlib"),
            ("plotting/x.py", "from skdiffusion import DiffusionManifoldSampler"),
            ("_sampler.py", "from .plotting import LogDensityDisplay"),
        ],
    )
    def test_wrong(self, room, code):
        assert wrong_imports(ast.parse(code), PACKAGE / room)

    @pytest.mark.parametrize(
        ("room", "code"),
        [
            ("diffusion/x.py", "import math\nimport torch\nfrom .denoiser import Posterior"),
            ("training/x.py", "import skorch\nfrom ..diffusion import Posterior"),
            ("plotting/x.py", "def f():\n    import matplotlib.pyplot as plt"),
            ("_sampler.py", "from .tables import TableEncoder\nfrom .training import DenoiserNet"),
            ("_cli.py", "from . import DiffusionManifoldSampler\nfrom .metrics import c2st"),
        ],
    )
    def test_right(self, room, code):
        assert wrong_imports(ast.parse(code), PACKAGE / room) == []

    @pytest.mark.parametrize(
        "code",
        [
            "np.random.seed(0)",
            "np.random.normal(3)",
            "torch.manual_seed(0)",
            "random.random()",
            "with torch.no_grad():\n    torch.cuda.manual_seed_all(1)",
        ],
    )
    def test_global_randomness(self, code):
        assert global_randomness(ast.parse(code))

    @pytest.mark.parametrize(
        "code",
        [
            "np.random.RandomState(0).normal()",
            "with torch.random.fork_rng(devices=[]):\n    torch.manual_seed(0)",
            "torch.Generator().manual_seed(0)",
            "generator.manual_seed(0)",
        ],
    )
    def test_own_randomness(self, code):
        assert global_randomness(ast.parse(code)) == []

    @pytest.mark.parametrize(
        "code",
        ["from sklearn.base import _fit_context", "from sklearn.utils._mask import _get_mask"],
    )
    def test_private(self, code):
        assert private_scikit_learn(ast.parse(code), PACKAGE / "tables/x.py")
        public = ast.parse("from sklearn.base import BaseEstimator, __version__")
        assert not private_scikit_learn(public, PACKAGE / "tables/x.py")
