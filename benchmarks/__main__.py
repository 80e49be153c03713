"""Every benchmark of ``benchmarks/README.md``, in its order.

    python -m benchmarks --data FOLDER --published FOLDER --panel FOLDER

The commands are read from that page: which benchmarks there are, and which folders each takes.
"""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "benchmarks" / "README.md"
FOLDERS = ("data", "published", "panel")


def documented(text):
    """Return the benchmarks of a page, each with the options that take a folder."""
    found = {}
    for name, options in re.findall(r"python -m benchmarks\.([a-z]\w*)([^#`\n]*)", text):
        known = found.setdefault(name, [])
        known += [
            folder for folder in re.findall(r"--(\w+) FOLDER", options) if folder not in known
        ]
    return found


def commands(benchmarks, folders, quick=False):
    """Return for each benchmark the words behind ``python``."""
    return {
        name: [
            *("-m", f"benchmarks.{name}"),
            *(word for key in keys if folders.get(key) for word in (f"--{key}", folders[key])),
            *(["--quick"] if quick else []),
        ]
        for name, keys in benchmarks.items()
    }


def has_results(name, folder):
    """Whether a benchmark has left a result."""
    return any(folder.glob(f"{name}.*")) or any(folder.glob(f"{name}_*"))


def read_arguments(benchmarks, argv):
    """Return what to run, and how."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.split("\n")[0]
    )
    for folder in FOLDERS:
        parser.add_argument(f"--{folder}", type=lambda path: str(Path(path).resolve()))
    names = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--only", type=names, default=[*benchmarks], help=",".join(benchmarks))
    parser.add_argument("--missing", action="store_true", help="only those without a result")
    parser.add_argument("--list", action="store_true", help="print the commands")
    parser.add_argument("--quick", action="store_true", help="short and small: do they run?")
    args = parser.parse_args(argv)
    if unknown := sorted({*args.only} - {*benchmarks}):
        parser.error(f"unknown benchmarks {', '.join(unknown)}; known are {', '.join(benchmarks)}")
    return args


def main(argv=None):
    """Run them; return how many failed."""
    benchmarks = documented(PAGE.read_text(encoding="utf-8"))
    args = read_arguments(benchmarks, argv)
    results = ROOT / "benchmarks" / "results" / ("quick" if args.quick else "")
    folders = {folder: getattr(args, folder) for folder in FOLDERS}
    failed = []
    for name, words in commands(benchmarks, folders, args.quick).items():
        if name not in args.only or (args.missing and has_results(name, results)):
            continue
        print(f"python {shlex.join(words)}", flush=True)
        if not args.list and subprocess.run([sys.executable, *words], cwd=ROOT).returncode:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}.")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
