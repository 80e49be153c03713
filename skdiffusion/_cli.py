"""The command line: ``python -m skdiffusion demo``."""

import argparse
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# The report compares at most this many rows a side: more would cost minutes and change nothing.
MAX_REPORTED_ROWS = 1000
# Exact log-densities of wide rows are dear; this many show a distribution well.
MAX_SCORED_ROWS = 150
MIN_ROWS = 40
MAX_CLASSES = 20

COLUMNS = {
    "W1": ("w1_test", "{:.3f}"),
    "C2ST": ("c2st_boosting", "{:.2f}"),
    "coverage": ("coverage", "{:.2f}"),
    "shape %": ("shape_error", "{:.1f}"),
    "trend %": ("trend_error", "{:.1f}"),
    "DCR": ("dcr_ratio", "{:.2f}"),
}
LEGEND = """\
W1        distance to held-out real rows (exact Wasserstein); lower is better
C2ST      how well boosted trees tell the rows from held-out ones (AUC); 0.5 = not at all
coverage  share of held-out rows with a row of the sample nearby; higher is better
shape, trend   errors of single columns and of pairs of columns; lower is better
DCR       distance to the closest training row, relative to real rows; below 0.5 = copies"""


class Table(NamedTuple):
    """A table with, or without, a column to condition on."""

    name: str
    frame: Any
    target: str | None

    @property
    def X(self) -> Any:
        return self.frame if self.target is None else self.frame.drop(columns=self.target)

    @property
    def y(self) -> Any:
        return None if self.target is None else self.frame[self.target]

    def categorical(self) -> list[int]:
        """Positions of the columns that hold categories, a target of few values among them."""
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        found = []
        for position, name in enumerate(self.frame):
            column = self.frame[name]
            numeric = is_numeric_dtype(column) and not is_bool_dtype(column)
            if not numeric or (name == self.target and column.nunique() <= MAX_CLASSES):
                found.append(position)
        return found

    def rows(self, frame: Any) -> "Table":
        return self._replace(frame=frame)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        _require("pandas", "matplotlib")
        _demo(args)
    except _UnusableInput as error:
        parser.exit(2, f"{parser.prog}: error: {' '.join(str(error).split())}\n")
    return 0


class _UnusableInput(Exception):
    """What the user gave cannot be worked with."""


def _parser() -> argparse.ArgumentParser:
    from . import __version__

    parser = argparse.ArgumentParser(prog="skdiffusion", description="Diffusion models for tables.")
    parser.add_argument("--version", action="version", version=__version__)
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
    add("--rows", type=_positive, metavar="N", help="synthetic rows to write (default: as many)")
    add("--seed", type=int, metavar="S", default=0)
    add("--quick", action="store_true", help="train for a moment only, to see that all works")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _require(*libraries: str) -> None:
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    if missing:
        raise _UnusableInput(
            f"the demo needs {' and '.join(missing)}; install with: pip install 'skdiffusion[demo]'"
        )


def _demo(args: argparse.Namespace) -> None:
    table = _load(args)
    _check_all_rows(table)
    train, test, fresh = _split(table, args.seed)
    print(_headline(table, len(train.frame), len(test.frame)), flush=True)
    sampler, seconds = _timed(_fit, train, args)
    n_rows = args.rows or len(table.frame)
    drawn, drawing = _timed(_sample, sampler, train, max(n_rows, len(fresh.frame)), args.seed)
    print(f"Trained in {seconds:.1f} s, drew {len(drawn)} rows in {drawing:.1f} s.\n", flush=True)
    samples = {
        "fresh real rows": fresh.frame,
        "skdiffusion": drawn.head(len(fresh.frame)),
        **_references(train, len(fresh.frame), args),
    }
    print(_fidelity_table(samples, train, test, args.seed), flush=True)
    args.output.mkdir(parents=True, exist_ok=True)
    drawn = drawn.head(n_rows)
    drawn.to_csv(args.output / "synthetic.csv", index=False)
    _picture(table, sampler, (train, test), drawn).savefig(args.output / "picture.png", dpi=110)
    print(f"\nWrote {args.output / 'synthetic.csv'} and {args.output / 'picture.png'}.")


def _load(args: argparse.Namespace) -> Table:
    import pandas as pd

    if args.csv is None:
        if args.target is not None:
            raise _UnusableInput("--target names a column of a CSV file: give --csv as well")
        return _breast_cancer()
    try:
        frame = pd.read_csv(args.csv)
    except (OSError, ValueError) as error:
        raise _UnusableInput(f"cannot read {args.csv}: {error}") from error
    if args.target is not None and args.target not in frame:
        raise _UnusableInput(f"{args.csv} has no column {args.target!r}, only {list(frame)}")
    if len(frame) < MIN_ROWS:
        raise _UnusableInput(f"{args.csv} has {len(frame)} rows; at least {MIN_ROWS} are needed")
    return Table(args.csv.stem, _with_dates(frame), args.target)


def _check_all_rows(table: Table) -> None:
    """Refuse what cannot be coded or judged before any time is spent on it."""
    from . import TableEncoder

    frame = table.frame
    gaps = [str(name) for name in frame if frame[name].isna().any()]
    if gaps:
        raise _UnusableInput(f"the metrics need rows without missing values: fill {gaps}")
    dates = [str(name) for name in frame if frame[name].dtype.kind in "mM"]
    if dates:
        raise _UnusableInput(f"the metrics have no distance of dates: convert {dates} to numbers")
    try:
        TableEncoder().fit(table.frame)
    except (TypeError, ValueError) as error:
        raise _UnusableInput(str(error)) from error


def _breast_cancer() -> Table:
    import pandas as pd
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    frame = data.frame.drop(columns="target")
    diagnosis = pd.Categorical.from_codes(data.target, data.target_names)
    frame.insert(0, "diagnosis", diagnosis)
    return Table("breast cancer", frame, "diagnosis")


def _with_dates(frame: Any) -> Any:
    """Read columns of ISO dates as dates: as text they would pass for thousands of categories."""
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    for name in frame:
        if is_numeric_dtype(frame[name]) or frame[name].isna().all():
            continue
        dates = pd.to_datetime(frame[name], format="ISO8601", errors="coerce")
        if dates[frame[name].notna()].notna().all():
            frame = frame.assign(**{name: dates})
    return frame


def _split(table: Table, seed: int) -> tuple[Table, Table, Table]:
    """Rows to train on, to judge by, and to show what fresh real rows would reach."""
    from sklearn.model_selection import train_test_split

    def halve(frame: Any, held_out: int) -> tuple[Any, Any]:
        y = frame[table.target] if table.target else None
        classes = y is not None and y.nunique() <= MAX_CLASSES and y.value_counts().min() >= 10
        return train_test_split(
            frame, test_size=held_out, stratify=y if classes else None, random_state=seed
        )

    reported = min(len(table.frame) // 5, MAX_REPORTED_ROWS)
    train, held_out = halve(table.frame, 2 * reported)
    test, fresh = halve(held_out, reported)
    return table.rows(train), table.rows(test), table.rows(fresh)


def _headline(table: Table, n_train: int, n_test: int) -> str:
    n_rows, n_columns = table.frame.shape
    categories = len(table.categorical())
    target = f", target {table.target!r}" if table.target else ""
    return (
        f"{table.name}: {n_rows} rows, {n_columns} columns "
        f"({n_columns - categories} numeric, {categories} categorical){target}\n"
        f"{n_train} rows to train on, {n_test} held out to judge by"
    )


def _timed(function: Any, *args: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    value = function(*args)
    return value, time.perf_counter() - start


def _fit(train: Table, args: argparse.Namespace) -> Any:
    from . import DenoiserNet, DiffusionManifoldSampler

    denoiser = DenoiserNet(max_epochs=1, steps_per_epoch=20) if args.quick else None
    sampler = DiffusionManifoldSampler(denoiser=denoiser, verbose=1, random_state=args.seed)
    return sampler.fit(train.X, train.y)


def _sample(sampler: Any, train: Table, n_rows: int, seed: int) -> Any:
    """Draw a frame like the one that was read: its columns, their order and dtypes."""
    if train.target is None:
        return sampler.sample(n_rows, random_state=seed)
    rows, target = sampler.sample(n_rows, return_y=True, random_state=seed)
    frame = rows.assign(**{train.target: np.asarray(target)})[list(train.frame)]
    return frame.astype({train.target: train.frame[train.target].dtype})


def _references(train: Table, n_rows: int, args: argparse.Namespace) -> dict[str, Any]:
    """Rows of the models that scikit-learn has, tuned by cross-validation in the same coding."""
    from sklearn.mixture import GaussianMixture
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KernelDensity
    from sklearn.pipeline import make_pipeline

    from . import TableEncoder, sample_from

    def draw(model: Any, grid: dict[str, Any], **sample_params: Any) -> Any:
        codes = TableEncoder()
        search = GridSearchCV(make_pipeline(codes, model), grid, cv=3).fit(train.frame)
        return sample_from(search.best_estimator_, n_rows, **sample_params)

    widths = {"kerneldensity__bandwidth": np.geomspace(0.05, 2.0, 4 if args.quick else 12)}
    counts = {"gaussianmixture__n_components": [1, 2] if args.quick else [1, 2, 3, 5, 8]}
    mixture = GaussianMixture(reg_covar=1e-4, random_state=args.seed)
    return {
        "Gaussian mixture": draw(mixture, counts),
        "Gaussian KDE": draw(KernelDensity(), widths, random_state=args.seed),
    }


def _fidelity_table(samples: dict[str, Any], train: Table, test: Table, seed: int) -> str:
    from .metrics import fidelity_report

    categorical = train.categorical()
    real = [_as_numbers(part.frame, train) for part in (train, test)]
    lines = [f"{'':18}" + "".join(f"{name:>10}" for name in COLUMNS)]
    for name, frame in samples.items():
        report = fidelity_report(
            *real, _as_numbers(frame, train), categorical=categorical, random_state=seed
        )
        cells = (form.format(report[key]) for key, form in COLUMNS.values())
        lines.append(f"{name:18}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join([*lines, "", LEGEND])


def _as_numbers(frame: Any, train: Table) -> NDArray[np.float64]:
    """Write categories as their positions among those of the training rows."""
    numbers = np.empty(frame.shape)
    for position, name in enumerate(frame):
        column = np.asarray(frame[name])
        if position in train.categorical():
            levels = np.unique(np.asarray(train.frame[name]).astype(str))
            column = np.searchsorted(levels, column.astype(str))
        numbers[:, position] = column
    return numbers


def _picture(table: Table, sampler: Any, real: tuple[Table, Table], drawn: Any) -> Any:
    from .plotting import LogDensityDisplay, SyntheticComparisonDisplay, draw_overview

    comparison = SyntheticComparisonDisplay.from_samples(
        table.frame, drawn, categorical_features=table.categorical()
    )
    groups = ("training rows", "held-out rows", "synthetic rows")
    parts = (*real, table.rows(drawn))
    rows = {n: part.X.head(MAX_SCORED_ROWS) for n, part in zip(groups, parts, strict=True)}
    log_density = LogDensityDisplay.from_estimator(sampler, rows)
    title = f"{table.name}: real and synthetic rows"
    return draw_overview(comparison, log_density, title=title)
