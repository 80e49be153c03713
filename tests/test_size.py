"""The package stays small: ``python tests/test_size.py`` prints how small."""

import ast
import re
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "skdiffusion").rglob("*.py"))

MAX_LINES_OF_A_FILE, MAX_PUBLIC_NAMES = 450, 85
MAX_LINES, MAX_CODE_LINES = 21_950, 12_900

NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def count_lines(path):
    return path.read_text(encoding="utf-8").count("\n")


def count_code_lines(path):
    """Lines that hold a token of code: no docstring, comment or blank line."""
    with path.open("rb") as file:
        tokens = [token for token in tokenize.tokenize(file.readline) if token.type not in NO_CODE]
    lines = {line for token in tokens[1:] for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def public_names():
    reference = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    names, room = [], ""
    for found in re.finditer(
        r"^.. currentmodule:: (\S+)|^   (\w+)$", reference, flags=re.MULTILINE
    ):
        room = found[1] or room
        names += [f"{room}.{found[2]}"] if found[2] else []
    return names


def test_lines():
    assert sum(map(count_lines, FILES)) <= MAX_LINES


def test_lines_of_code():
    assert sum(map(count_code_lines, FILES)) <= MAX_CODE_LINES


def test_no_long_file():
    lengths = {str(path.relative_to(ROOT)): count_lines(path) for path in FILES}
    assert {name: n for name, n in lengths.items() if n > MAX_LINES_OF_A_FILE} == {}


def test_no_name_occurs_twice():
    counts = Counter(path.name.lstrip("_") for path in FILES if path.name != "__init__.py")
    assert [name for name, count in counts.items() if count > 1] == []


def test_public_names():
    names = public_names()
    assert len(names) <= MAX_PUBLIC_NAMES
    assert len(set(names)) == len(names)


def test_what_counts_as_code(tmp_path):
    path = tmp_path / "example.py"
    path.write_text(
        '"""Module."""\n\nx = """a\nb"""  # two\n\n\ndef f():\n    """Doc."""\n    # why\n'
    )
    assert (count_lines(path), count_code_lines(path)) == (9, 3)


if __name__ == "__main__":
    print(f"{sum(map(count_lines, FILES)):,} lines, at most {MAX_LINES:,}")
    print(f"{sum(map(count_code_lines, FILES)):,} of code, at most {MAX_CODE_LINES:,}")
    print(f"{len(public_names())} public names, at most {MAX_PUBLIC_NAMES}")
    rooms = {path.relative_to(ROOT / "skdiffusion").parts[0] for path in FILES}
    for room in sorted(rooms):
        inside = [path for path in FILES if path.relative_to(ROOT / "skdiffusion").parts[0] == room]
        lines, code = sum(map(count_lines, inside)), sum(map(count_code_lines, inside))
        print(f"{room:20} {lines:6,} lines {code:6,} of code")
