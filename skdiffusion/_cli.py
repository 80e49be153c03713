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

    def with_rows(self, frame: Any) -> "Table":
        return self._replace(frame=frame)

    @property
    def X(self) -> Any:
        return self.frame if self.target is None else self.frame.drop(columns=self.target)

    @property
    def y(self) -> Any:
        return None if self.target is None else self.frame[self.target]

    def categorical(self) -> list[int]:
        """Positions of the columns that hold categories, a target of few values among them."""
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        numeric = [is_numeric_dtype(c) and not is_bool_dtype(c) for c in self.frame.dtypes]
        if self.target is not None and self.y.nunique() <= MAX_CLASSES:
            numeric[self.frame.columns.get_loc(self.target)] = False
        return [position for position, found in enumerate(numeric) if not found]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        _require("pandas", "matplotlib", "ot")
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
    if missing := [name for name in libraries if importlib.util.find_spec(name) is None]:
        raise _UnusableInput(
            f"the demo needs {' and '.join(missing)}; install with: pip install 'skdiffusion[demo]'"
        )


def _demo(args: argparse.Namespace) -> None:
    table = _load(args)
    _check(table.frame)
    train, test, fresh = _split(table, args.seed)
    print(_headline(table, len(train.frame), len(test.frame)), flush=True)
    start = time.perf_counter()
    sampler = _fit(train, args)
    print(f"Trained in {time.perf_counter() - start:.1f} s", end=", ", flush=True)
    start = time.perf_counter()
    n_rows, n_judged = args.rows or len(table.frame), len(fresh.frame)
    drawn = _sample(sampler, train, max(n_rows, n_judged), args.seed)
    print(f"drew {len(drawn)} rows in {time.perf_counter() - start:.1f} s.\n", flush=True)
    samples = {
        "fresh real rows": fresh.frame,
        "skdiffusion": drawn.head(n_judged),
        **_references(train, n_judged, args),
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
    return Table(args.csv.stem, frame, args.target)


def _breast_cancer() -> Table:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    frame = data.frame.drop(columns="target")
    frame.insert(0, "diagnosis", data.target_names[data.target])
    return Table("breast cancer", frame, "diagnosis")


def _check(frame: Any) -> None:
    """Refuse what cannot be encoded or judged before any time is spent on it."""
    from . import TableEncoder

    if gaps := [str(name) for name in frame if frame[name].isna().any()]:
        raise _UnusableInput(f"the metrics need rows without missing values: fill {gaps}")
    if dates := [str(name) for name in frame if _is_date(frame[name])]:
        raise _UnusableInput(f"the metrics have no distance of dates: convert {dates} to numbers")
    try:
        TableEncoder().fit(frame)
    except (TypeError, ValueError) as error:
        raise _UnusableInput(str(error)) from error


def _is_date(column: Any) -> bool:
    """Whether text is ISO dates, which would pass for thousands of categories."""
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(column):
        return False
    return bool(pd.to_datetime(column, format="ISO8601", errors="coerce").notna().all())


def _split(table: Table, seed: int) -> list[Table]:
    """Rows to train on, to judge by, and to show what fresh real rows would reach."""
    from sklearn.model_selection import train_test_split

    def halve(part: Table, held_out: int) -> list[Table]:
        y = part.y
        classes = y is not None and y.nunique() <= MAX_CLASSES and y.value_counts().min() >= 10
        halves = train_test_split(
            part.frame, test_size=held_out, stratify=y if classes else None, random_state=seed
        )
        return [part.with_rows(half) for half in halves]

    judged = min(len(table.frame) // 5, MAX_REPORTED_ROWS)
    train, held_out = halve(table, 2 * judged)
    return [train, *halve(held_out, judged)]


def _headline(table: Table, n_train: int, n_test: int) -> str:
    n_rows, n_columns = table.frame.shape
    n_categorical = len(table.categorical())
    target = f", target {table.target!r}" if table.target else ""
    return (
        f"{table.name}: {n_rows} rows, {n_columns} columns "
        f"({n_columns - n_categorical} numeric, {n_categorical} categorical){target}\n"
        f"{n_train} rows to train on, {n_test} held out to judge by"
    )


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
    return frame.astype({train.target: train.y.dtype})


def _references(train: Table, n_rows: int, args: argparse.Namespace) -> dict[str, Any]:
    """Rows of the models that scikit-learn has, tuned by cross-validation, equally encoded."""
    from sklearn.mixture import GaussianMixture
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KernelDensity
    from sklearn.pipeline import make_pipeline

    from . import TableEncoder, sample_from

    def draw(model: Any, parameter: str, values: Any, **options: Any) -> Any:
        grid = {f"{type(model).__name__.lower()}__{parameter}": values}
        search = GridSearchCV(make_pipeline(TableEncoder(), model), grid, cv=3).fit(train.frame)
        return sample_from(search.best_estimator_, n_rows, **options)

    widths = np.geomspace(0.05, 2.0, 4 if args.quick else 12)
    counts = [1, 2] if args.quick else [1, 2, 3, 5, 8]
    mixture = GaussianMixture(reg_covar=1e-4, random_state=args.seed)
    return {
        "Gaussian mixture": draw(mixture, "n_components", counts),
        "Gaussian KDE": draw(KernelDensity(), "bandwidth", widths, random_state=args.seed),
    }


def _fidelity_table(samples: dict[str, Any], train: Table, test: Table, seed: int) -> str:
    from .metrics import fidelity_report

    real = [_as_numbers(part.frame, train) for part in (train, test)]
    lines = [f"{'':18}" + "".join(f"{name:>10}" for name in COLUMNS)]
    for name, frame in samples.items():
        fake = _as_numbers(frame, train)
        report = fidelity_report(*real, fake, categorical=train.categorical(), random_state=seed)
        cells = (form.format(report[key]) for key, form in COLUMNS.values())
        lines.append(f"{name:18}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join([*lines, "", LEGEND])


def _as_numbers(frame: Any, train: Table) -> NDArray[np.float64]:
    """Write categories as their positions among those of the training rows."""
    frame = frame.copy()
    for position in train.categorical():
        name = frame.columns[position]
        categories = np.unique(np.asarray(train.frame[name]).astype(str))
        values = np.asarray(frame[name]).astype(str)
        frame[name] = np.searchsorted(categories, values)
    return frame.to_numpy(dtype=np.float64)


def _picture(table: Table, sampler: Any, real: tuple[Table, Table], drawn: Any) -> Any:
    from .plotting import LogDensityDisplay, SyntheticComparisonDisplay, draw_overview

    comparison = SyntheticComparisonDisplay.from_samples(
        table.frame, drawn, categorical_features=table.categorical()
    )
    groups = ("training rows", "held-out rows", "synthetic rows")
    parts = (*real, table.with_rows(drawn))
    rows = {n: part.X.head(MAX_SCORED_ROWS) for n, part in zip(groups, parts, strict=True)}
    log_density = LogDensityDisplay.from_estimator(sampler, rows)
    title = f"{table.name}: real and synthetic rows"
    return draw_overview(comparison, log_density, title=title)
