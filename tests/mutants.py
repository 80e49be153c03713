"""How many mutants of the mathematics the tests find: python tests/mutants.py --number 100.

Needs cosmic-ray, which makes the mutants; works on a copy of the package and of the tests.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parent.parent
ROOMS = ["diffusion", "closed_forms", "geometry"]
# tests of what is made of these rooms, asked where their own tests find nothing
FURTHER = ["tests/smoother", "tests/test_operator.py", "tests/sampler/test_conditions.py"]
# unions of types are mutated as well as masks; decorators are those of properties and protocols
LEFT_OUT = ("BitOr", "RemoveDecorator", "Exception")
# a mutant that takes this long goes on for ever
TIMEOUT_S = 600


def places(source):
    """Return positions in a source, each with the operators and occurrences that change it."""
    found, tree = {}, get_ast(source)
    for name in operator_names():
        operator_class = get_operator(name)
        if any(part in name for part in LEFT_OUT) or operator_class.arguments():
            continue
        operator = operator_class()
        spans = (at for node in ast_nodes(tree) for at in operator.mutation_positions(node))
        for occurrence, (start, _) in enumerate(spans):
            found.setdefault(start, []).append((name, occurrence))
    return found


def draw(number, seed):
    """Draw mutants: a position by chance, then one of its changes."""
    rng, positions = random.Random(seed), []
    for room in ROOMS:
        for path in sorted((ROOT / "skdiffusion" / room).glob("*.py")):
            options = places(path.read_text(encoding="utf-8"))
            positions += [(path, start, options[start]) for start in sorted(options)]
    for path, start, options in rng.sample(positions, number):
        yield path.relative_to(ROOT), start, *rng.choice(options)


def test_stages(path, folder):
    """Return what to run for a module: its own tests, those of its room, and further ones."""
    own = [str(p.relative_to(folder)) for p in folder.glob(f"tests/**/test_{path.stem}.py")]
    room = f"tests/{path.parent.name}"
    return [stage for stage in (own, [room], FURTHER) if stage]


def is_found(path, folder):
    """Run the tests of a module, and say whether one fails."""
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    for stage in test_stages(path, folder):
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *stage]
        try:
            options = {"cwd": folder, "env": environment, "capture_output": True}
            if subprocess.run(command, timeout=TIMEOUT_S, **options).returncode:
                return True
        except subprocess.TimeoutExpired:
            return True
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    n_found = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("benchmarks", "skdiffusion", "tests"):
            shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / "pyproject.toml", folder)
        for room in ROOMS:
            if is_found(Path(room) / "nothing.py", folder):
                raise SystemExit(f"Tests of {room} fail, or take too long, without a mutant.")
        for path, start, operator, occurrence in draw(options.number, options.seed):
            source = (ROOT / path).read_text(encoding="utf-8")
            mutant = mutate_code(source, get_operator(operator)(), occurrence)
            (folder / path).write_text(mutant, encoding="utf-8")
            found = is_found(path, folder)
            (folder / path).write_text(source, encoding="utf-8")
            n_found += found
            print("found" if found else "LIVES", path, *start, operator, flush=True)
    print(f"{n_found} of {options.number} mutants found")


if __name__ == "__main__":
    main()
