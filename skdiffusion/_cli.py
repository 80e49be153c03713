"""The command line: ``python -m skdiffusion demo``."""

import argparse
import importlib.util
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline

import skdiffusion
from skdiffusion.metrics import fidelity_report
from skdiffusion.plotting import LogDensityDisplay, SyntheticComparisonDisplay
from skdiffusion.plotting._style import import_pyplot

# The report compares at most this many rows a side: more would cost minutes and change nothing.
MAX_REPORTED_ROWS = 1000
# Exact log-densities of wide rows are dear; this many show a distribution well.
MAX_SCORED_ROWS = 150
MIN_ROWS = 40
MAX_CLASSES = 20

COLUMNS = {
    "w1_test": "W1",
    "c2st_boosting": "C2ST",
    "coverage": "coverage",
    "shape_error": "shape %",
    "trend_error": "trend %",
    "dcr_ratio": "DCR",
}
LEGEND = """\
W1        distance to held-out real rows (exact Wasserstein); lower is better
C2ST      how well boosted trees tell the rows from held-out ones (AUC); 0.5 = not at all
coverage  share of held-out rows with a row of the sample nearby; higher is better
shape, trend   errors of single columns and of pairs of columns; lower is better
DCR       distance to the closest training row, relative to real rows; below 0.5 = copies"""


class _UnusableInput(Exception):
    """What the user gave cannot be worked with."""


class Table(NamedTuple):
    """A table with, or without, a column to condition on."""

    name: str
    frame: Any
    target: str | None

    def columns(self, frame):
        """Return rows without the target."""
        return frame.drop(columns=[] if self.target is None else self.target)

    def categorical(self):
        """Return the positions of the columns of categories, a target of few values among them."""
        numeric = set(self.frame.select_dtypes("number"))
        if self.target is not None and self.frame[self.target].nunique() <= MAX_CLASSES:
            numeric.discard(self.target)
        return [i for i, name in enumerate(self.frame) if name not in numeric]


def main(argv=None):
    """Run the command line."""
    parser = _parser()
    args = parser.parse_args(argv)
    needed = ("pandas", "matplotlib", "ot")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    try:
        if missing:
            raise _UnusableInput(
                f"the demo needs {' and '.join(missing)}; "
                "install with: pip install 'skdiffusion[demo]'"
            )
        _demo(args)
    except _UnusableInput as error:
        parser.exit(2, f"{parser.prog}: error: {' '.join(str(error).split())}\n")
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="skdiffusion", description="Diffusion models for tables.")
    parser.add_argument("--version", action="version", version=skdiffusion.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="learn a table, write synthetic rows, and judge them",
        description="Learns a table, writes synthetic rows and a picture, and judges the rows.",
    )
    add = demo.add_argument
    add("--csv", type=Path, metavar="FILE", help="your table (default: breast cancer, real data)")
    add("--target", metavar="COLUMN", help="column of the CSV to condition on, kept in its place")
    add("--output", type=Path, metavar="DIR", default=Path("skdiffusion-demo"))
    add("--quick", action="store_true", help="train for a moment only, to see that all works")
    return parser


def _demo(args):
    table = _load(args)
    train, test, fresh = _split(table)
    n_columns, n_categorical = table.frame.shape[1], len(table.categorical())
    print(
        f"{table.name}: {len(table.frame)} rows, {n_columns} columns "
        f"({n_columns - n_categorical} numeric, {n_categorical} categorical)"
        + (f", target {table.target!r}" if table.target else "")
        + f"\n{len(train)} rows to train on, {len(test)} held out to judge by",
        flush=True,
    )
    start = time.perf_counter()
    net = skdiffusion.DenoiserNet(max_epochs=1, steps_per_epoch=20) if args.quick else None
    sampler = skdiffusion.DiffusionManifoldSampler(denoiser=net, verbose=1, random_state=0)
    sampler.fit(table.columns(train), train.get(table.target))
    print(f"Trained in {time.perf_counter() - start:.1f} s.\n", flush=True)
    drawn = _sample(sampler, train, table.target, len(table.frame))
    samples = {
        "fresh real rows": fresh,
        "skdiffusion": drawn.head(len(fresh)),
        **_references(train, len(fresh), args.quick),
    }
    print(_fidelity_table(samples, train, test, table.categorical()), flush=True)
    args.output.mkdir(parents=True, exist_ok=True)
    drawn.to_csv(args.output / "synthetic.csv", index=False)
    groups = {"training rows": train, "held-out rows": test, "synthetic rows": drawn}
    _picture(table, sampler, groups).savefig(args.output / "picture.png", dpi=110)
    print(f"\nWrote {args.output / 'synthetic.csv'} and {args.output / 'picture.png'}.")


def _load(args):
    import pandas as pd

    if args.csv is None:
        if args.target is not None:
            raise _UnusableInput("--target names a column of a CSV file: give --csv as well")
        data = load_breast_cancer(as_frame=True)
        frame = data.frame.drop(columns="target")
        frame.insert(0, "diagnosis", data.target_names[data.target])
        return Table("breast cancer", frame, "diagnosis")
    try:
        frame = pd.read_csv(args.csv)
    except (OSError, ValueError) as error:
        raise _UnusableInput(f"cannot read {args.csv}: {error}") from error
    if args.target is not None and args.target not in frame:
        raise _UnusableInput(f"{args.csv} has no column {args.target!r}, only {list(frame)}")
    if len(frame) < MIN_ROWS:
        raise _UnusableInput(f"{args.csv} has {len(frame)} rows; at least {MIN_ROWS} are needed")
    if gaps := [str(name) for name in frame if frame[name].isna().any()]:
        raise _UnusableInput(f"the metrics need rows without missing values: fill {gaps}")
    # dates are text in a file, and would pass for thousands of categories
    text = frame.select_dtypes(exclude=["number", "bool"])
    times = text.apply(pd.to_datetime, format="ISO8601", errors="coerce")
    if dates := [str(name) for name in times if times[name].notna().all()]:
        raise _UnusableInput(f"the metrics have no distance of dates: convert {dates} to numbers")
    return Table(args.csv.stem, frame, args.target)


def _split(table):
    """Return rows to train on, to judge by, and to show what fresh real rows would reach."""
    judged = min(len(table.frame) // 5, MAX_REPORTED_ROWS)
    parts, rest = [], table.frame
    for held_out in (2 * judged, judged):
        y = rest.get(table.target)
        classes = y is not None and y.nunique() <= MAX_CLASSES and y.value_counts().min() >= 10
        part, rest = train_test_split(
            rest, test_size=held_out, stratify=y if classes else None, random_state=0
        )
        parts.append(part)
    return [*parts, rest]


def _sample(sampler, train, target, n_rows):
    """Draw a frame like the one that was read: its columns, their order and data types."""
    if target is None:
        return sampler.sample(n_rows, random_state=0)
    rows, y = sampler.sample(n_rows, return_y=True, random_state=0)
    frame = rows.assign(**{target: np.asarray(y)})[list(train)]
    return frame.astype({target: train[target].dtype})


def _references(train, n_rows, quick):
    """Return rows of the models that scikit-learn has, tuned by cross-validation."""

    def draw(model, parameter, values, **options):
        grid = {f"{type(model).__name__.lower()}__{parameter}": values}
        pipeline = make_pipeline(skdiffusion.TableEncoder(), model)
        search = GridSearchCV(pipeline, grid, cv=3).fit(train)
        return skdiffusion.sample_from(search.best_estimator_, n_rows, **options)

    widths = np.geomspace(0.05, 2.0, 4 if quick else 12)
    counts = [1, 2] if quick else [1, 2, 3, 5, 8]
    mixture = GaussianMixture(reg_covar=1e-4, random_state=0)
    return {
        "Gaussian mixture": draw(mixture, "n_components", counts),
        "Gaussian KDE": draw(KernelDensity(), "bandwidth", widths, random_state=0),
    }


def _fidelity_table(samples, train, test, categorical):
    import pandas as pd

    reports = {}
    for name, sample in samples.items():
        tables = [_as_numbers(frame, train, categorical) for frame in (train, test, sample)]
        reports[name] = fidelity_report(*tables, categorical=categorical, random_state=0)
    report = pd.DataFrame(reports).T[list(COLUMNS)].rename(columns=COLUMNS)
    return f"{report.to_string(float_format='{:.3f}'.format)}\n\n{LEGEND}"


def _as_numbers(frame, train, categorical):
    """Write categories as their positions among those of the training rows."""
    frame = frame.copy()
    for name in train.columns[categorical]:
        categories = np.unique(np.asarray(train[name]).astype(str))
        frame[name] = np.searchsorted(categories, np.asarray(frame[name]).astype(str))
    return frame.to_numpy(dtype=np.float64)


def _picture(table, sampler, groups):
    comparison = SyntheticComparisonDisplay.from_samples(
        table.frame, groups["synthetic rows"], categorical_features=table.categorical()
    )
    rows = {name: table.columns(rows).head(MAX_SCORED_ROWS) for name, rows in groups.items()}
    log_density = LogDensityDisplay.from_estimator(sampler, rows)
    figure, (left, right) = import_pyplot().subplots(
        1, 2, figsize=(14.0, 5.0), width_ratios=[2.75, 1.0], layout="constrained"
    )
    comparison.plot(left)
    log_density.plot(right)
    right.set_title("How likely the model finds the rows", fontsize="medium", loc="left")
    title = f"{table.name}: real and synthetic rows"
    figure.suptitle(title, x=0.01, ha="left", fontsize="x-large")
    return figure
