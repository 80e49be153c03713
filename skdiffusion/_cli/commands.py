"""The verbs and options of the command line, and its errors: a line each, with exit code 2."""

import argparse
import importlib
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import skdiffusion
from skdiffusion._cli.files import PARQUET, check_output

# what a user can mend; of anything else the kind is told too
USUAL = (ValueError, TypeError, OSError, ImportError)
NOTES = """Tables are CSV, or other text with a header and one separator, or Parquet, by suffix.
Text is written with the separator, encoding, decimals and dates of the file that was read."""
WRITE = "table --output --force --seed --quiet"
LEARN = f"{WRITE} --drop --quick"
# options, example and help of each verb
VERBS = {
    "fit": (LEARN, "people.csv -o people.model"),
    "sample": (f"{LEARN} --n-rows --where", "people.model -n 9 -o new.csv --where city=Graz"),
    "report": (f"{WRITE} synthetic --holdout", "people.csv new.csv -o report.html"),
    "impute": (LEARN, "people.csv -o filled.csv"),
    "detect": (f"{WRITE} --drop --train", "people.csv --train normal.csv -o scored.csv"),
    "augment": (f"{LEARN} --target", "people.csv --target risk -o more.csv"),
    "demo": ("--csv --folder --seed --quiet --quick --target", "--csv people.csv --target risk"),
}
HELP = {
    "fit": "learn a table and keep the model, in a file with rows of it",
    "sample": "draw rows, with gaps as often as real ones, from a model or a table to be learned",
    "report": "judge synthetic rows by real ones, as a page",
    "impute": "fill gaps by what is expected there",
    "detect": "add columns that tell unusual rows: anomaly_score (high for anomalies), "
    "anomaly_pvalue (how often a normal row is as anomalous), anomaly and anomaly_reason",
    "augment": "add synthetic rows of rare classes, or rare numbers, of a column",
    "demo": "learn a table, write synthetic rows and a picture, and judge the rows",
    "table": "the table, or a model to sample",
    "synthetic": "rows that were drawn",
    "--output": "file to write",
    "--force": "replace the file if it is there",
    "--seed": "seed of all randomness (default: 0)",
    "--quiet": "no progress bar and no messages",
    "--quick": "train for a moment only, to see that all works",
    "--drop": "leave these columns out",
    "--target": "column of classes or numbers to condition on",
    "--n-rows": "rows to draw (default: as many as were learned)",
    "--where": "a value, or a range LOW.., ..HIGH or LOW..HIGH; repeated, one of several values",
    "--holdout": "real rows that were not learned (default: half of the table)",
    "--train": "normal rows (default: the table itself)",
    "--csv": "your table (default: breast cancer, real data)",
    "--folder": "folder to write into (default: skdiffusion-demo)",
}
# all others are paths
SETTINGS = {
    **{name: {"action": "store_true"} for name in ("--force", "--quiet", "--quick")},
    "--output": {"type": Path, "required": True},
    "--folder": {"type": Path, "default": Path("skdiffusion-demo")},
    "--seed": {"type": int, "default": 0},
    "--n-rows": {"type": int},
    "--target": {"metavar": "COLUMN"},
    "--drop": {"nargs": "+", "metavar": "COLUMN", "default": []},
    "--where": {"action": "append", "metavar": "COLUMN=VALUE", "default": []},
}
ALIASES = {"--output": ["-o"], "--n-rows": ["-n"], "--folder": ["--output"]}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def main(argv=None):
    """Run the command line; errors leave by `SystemExit` with 2, interrupts with 130."""
    parser = _Parser(prog="skdiffusion", description="Diffusion models for tables.", epilog=NOTES)
    parser.add_argument("--version", action="version", version=skdiffusion.__version__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, (options, example) in VERBS.items():
        texts = {"description": HELP[verb], "epilog": f"example: skdiffusion {verb} {example}"}
        one = verbs.add_parser(verb, help=HELP[verb], **texts)
        for name in options.split():
            settings = SETTINGS.get(name, {"type": Path})
            one.add_argument(name, *ALIASES.get(name, []), help=HELP[name], **settings)
    args = parser.parse_args(argv)
    start = f"{parser.prog} {args.verb}:"
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: print(
            start, "warning:", *str(message).split(), file=sys.stderr
        )
        try:
            for line in _lines(args):
                if not args.quiet:
                    print(line, flush=True)
        except KeyboardInterrupt:
            parser.exit(130, f"\n{start} interrupted\n")
        except Exception as error:
            kind = [] if isinstance(error, USUAL) and str(error) else [type(error).__name__]
            parser.exit(2, f"{start} error: {' '.join([*kind, *str(error).split()])}\n")
    return 0


def _lines(args):
    """Return the lines of a verb, or raise before work that would be lost."""
    needed = {"fit": ["safetensors"], "report": ["ot", "jinja2"], "demo": ["ot", "matplotlib"]}.get(
        args.verb, []
    )
    suffixes = {value.suffix for value in vars(args).values() if isinstance(value, Path)}
    needed += ["pyarrow"] * (not suffixes.isdisjoint(PARQUET))
    if missing := [name for name in ["pandas", *needed] if find_spec(name) is None]:
        install = "pip install 'skdiffusion[demo,report]' pyarrow"
        raise ImportError(f"needs {' and '.join(missing)}; install with: {install}")
    if args.verb != "demo":
        check_output(args.output, args.force)
    # loaded last, so that help and refusals are quick
    module = "demo" if args.verb == "demo" else "verbs"
    return getattr(importlib.import_module(f"skdiffusion._cli.{module}"), args.verb)(args)
