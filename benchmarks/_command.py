"""The command line that benchmarks of generators have in common."""

import argparse
from functools import partial
from pathlib import Path

from benchmarks._generators import METHODS


def generator_parser(name, description, *, methods, tables):
    """Return a parser; `methods` are run by default, and `tables` says which tables are."""
    names = partial(str.split, sep=",")
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--data", help="folder of .npz tables (default: $SKDIFFUSION_DATA)")
    parser.add_argument("--published", type=Path, help="folder of published results")
    parser.add_argument("--tables", type=names, help=f"comma-separated; default: {tables}")
    parser.add_argument("--methods", type=names, default=methods, help=",".join(METHODS))
    parser.add_argument("--seeds", type=int, help="number of splits (default 3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--fresh", action="store_true", help="measure anew what is asked for")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="short and small: does it run?")
    return parser


def read_arguments(parser, argv):
    """Return the arguments, those of a quick run in a folder of its own."""
    args = parser.parse_args(argv)
    unknown = sorted({*args.methods} - {*METHODS})
    if unknown:
        parser.error(f"unknown methods {', '.join(unknown)}; known are {', '.join(METHODS)}")
    if args.quick:
        args.output, args.fresh = args.output / "quick", True
    args.seeds = args.seeds or (1 if args.quick else 3)
    return args


def command_line(name, args, *options):
    """Return the command that repeats a run, without the paths of this machine."""
    words = [f"python -m benchmarks.{name} --data FOLDER --published FOLDER"]
    words += [f"--tables {','.join(args.tables)}"] if args.tables else []
    words += [f"--methods {','.join(args.methods)} --seeds {args.seeds}", *options]
    words += ["--quick"] if args.quick else []
    return " ".join(words)
