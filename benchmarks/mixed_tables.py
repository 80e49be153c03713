"""Generated tables of numbers and categories against real ones.

    python -m benchmarks.mixed_tables --data FOLDER
    python -m benchmarks.mixed_tables --data FOLDER --full shoppers

The protocol of `benchmarks.generation`, on tables with categories and with spikes and integers.
With ``--full``, all rows of the tables named there instead: 90 % to train on, and the error of
columns and of pairs of columns against the training rows, as papers have it, and against the other
10 %. Rows of results are appended to ``mixed_tables.csv`` and ``mixed_tables_full.csv`` as they
come, so that a run can be stopped and resumed; ``mixed_tables.md`` is written from both at the end.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.datasets import load_iris, load_wine
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from benchmarks import _baselines, _mixed_rivals
from benchmarks._data import Table, data_folder, load_table
from benchmarks._mixed_report import write_report
from benchmarks.anomaly import append_results, forget, read_results
from benchmarks.generation import evaluate
from skdiffusion.metrics import GowerScaler, c2st, shape_error, trend_error

KEY = ["table", "seed", "method"]
TABLES = ["shoppers", "churn", "abalone", "insurance", "imb_car-vgood", "tictactoe"]
MAX_ROWS = 2000

FITS = {
    "copy": _baselines.copy_train,
    "smote_nc": _baselines.smote,
    "gmm": _baselines.gmm,
    "gaussian_copula": _mixed_rivals.gaussian_copula,
    "tvae": _mixed_rivals.tvae,
    "ours": _mixed_rivals.ours,
}
# Shortened trainings: --quick asks whether the benchmark runs, not how good anything is.
QUICK_FITS = FITS | {
    "tvae": partial(_mixed_rivals.tvae, epochs=3),
    "ours": partial(_mixed_rivals.ours, max_epochs=2),
}
METHODS = {name: _mixed_rivals.snapped(fit) for name, fit in FITS.items()}
QUICK_METHODS = {name: _mixed_rivals.snapped(fit) for name, fit in QUICK_FITS.items()}


def evaluate_full(table, method, seed, *, methods=METHODS):
    """Fit one method on 90 % of the rows of a table and judge as many generated rows.

    Parameters
    ----------
    table : Table
        From `benchmarks._data.load_table`.
    method : str
        A name in `methods`.
    seed : int
        Seed of the split, the method and the metrics.
    methods : dict
        The registry to look names up in.

    Returns
    -------
    dict
        Shape and trend error, in per cent, against the training rows and against the other 10 %,
        C2ST against the latter, and CPU seconds on one thread.
    """
    strata = table.y if table.is_classification else None
    rows = np.arange(len(table.X))
    rows = train_test_split(rows, test_size=0.1, random_state=seed, stratify=strata)
    train, test = map(table.take, rows)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            start = time.process_time()
            sample = methods[method](train, seed)
            fitted = time.process_time()
            fake = sample(len(train.Z))
            sampled = time.process_time()
            fake = train.restore_types(fake)
            figures = {}
            for name, real in {"train": train.Z, "test": test.Z}.items():
                for error in (shape_error, trend_error):
                    value = error(real, fake, categorical=table.Z_categorical)
                    figures[f"{error.__name__}_{name}"] = value
            scaler = GowerScaler(table.Z_categorical).fit(train.Z)
            points = scaler.transform(test.Z), scaler.transform(fake)
            figures["c2st_boosting"] = c2st(*points, random_state=seed)
    finally:
        torch.set_num_threads(n_threads)
    cell = {"table": table.name, "seed": seed, "method": method}
    size = {"n_train": len(train.Z), "n_test": len(test.Z)}
    return cell | size | {"fit_s": fitted - start, "sample_s": sampled - fitted} | figures


def quick_tables():
    """Tables that scikit-learn bundles, with columns cut at their quartiles into categories."""
    tables = []
    for name, load, cut in (("wine_cut", load_wine, (0, 4, 9)), ("iris_cut", load_iris, range(4))):
        X, y = load(return_X_y=True)
        for j in cut:
            X[:, j] = np.searchsorted(np.quantile(X[:, j], [0.25, 0.5, 0.75]), X[:, j])
        tables.append(Table(name, X, y.astype(float), "multiclass", categorical=tuple(cut)))
    return tables


def run(args):
    """Measure all cells that the CSV file lacks."""
    folder = data_folder(args.data)
    if args.quick:
        tables = quick_tables()
    else:
        names = args.full or args.tables
        rows = 0 if args.full else args.max_rows
        tables = [load_table(name, folder=folder, max_rows=rows) for name in names]
    if args.full or args.quick:
        measure(args, tables, args.output / "mixed_tables_full.csv", evaluate_full)
    if args.quick or not args.full:
        measure(args, tables, args.output / "mixed_tables.csv", evaluate)


def measure(args, tables, path, work):
    """Append the results of cells that a CSV file lacks."""
    methods = available(args.methods)
    cells = [(t, m, s) for t in tables for s in range(args.seeds) for m in methods]
    if args.fresh:
        forget(path, KEY, {(t.name, str(s), m) for t, m, s in cells})
    done = {tuple(row[k] for k in KEY) for row in read_results(path)}
    cells = [(t, m, s) for t, m, s in cells if (t.name, str(s), m) not in done]
    registry = QUICK_METHODS if args.quick else METHODS
    rows = Parallel(n_jobs=args.jobs, return_as="generator_unordered")(
        delayed(work)(*cell, methods=registry) for cell in cells
    )
    for i, row in enumerate(rows, start=1):
        append_results(path, [row])
        shape = row.get("shape_error", row.get("shape_error_train"))
        trend = row.get("trend_error", row.get("trend_error_train"))
        print(
            f"[{i}/{len(cells)}] {row['table']} seed {row['seed']} {row['method']}: "
            f"shape {shape:.2f} %, trend {trend:.2f} %, C2ST {row['c2st_boosting']:.2f}, "
            f"{row['fit_s'] + row['sample_s']:.1f} CPU-s",
            flush=True,
        )


def available(methods):
    """Leave out, with a line, the methods whose package is not installed."""
    packages = {"smote_nc": "imblearn", "tvae": "ctgan"}
    found = []
    for method in methods:
        try:
            if method in packages:
                __import__(packages[method])
            found.append(method)
        except ImportError as error:
            print(f"{method}: skipped, {packages[method]} cannot be imported ({error}).")
    return found


def parse(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed_tables", description=__doc__)
    parser.add_argument("--data", help="folder of .npz tables (default: $SKDIFFUSION_DATA)")
    parser.add_argument("--tables", nargs="+", default=TABLES, help="default: six mixed tables")
    parser.add_argument("--full", nargs="+", default=[], help="these tables, all rows, instead")
    parser.add_argument("--methods", nargs="+", choices=[*METHODS], default=[*METHODS])
    parser.add_argument("--seeds", type=int, help="number of splits (default 3)")
    parser.add_argument("--max-rows", type=int, default=MAX_ROWS, help="rows of a table; 0: all")
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--fresh", action="store_true", help="measure anew what is asked for")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="two small tables: does it run?")
    args = parser.parse_args(argv)
    if args.seeds is None:
        args.seeds = 1 if args.quick else 3
    if args.quick:
        args.output, args.fresh = args.output / "quick", True
    return args


def command_line(args):
    """Return the command that repeats a run, without the paths of this machine."""
    words = ["python -m benchmarks.mixed_tables --data FOLDER"]
    words += [f"--tables {' '.join(args.tables)}"] if args.tables != TABLES else []
    words += [f"--full {' '.join(args.full)}"] if args.full else []
    words += [f"--methods {' '.join(args.methods)}"] if len(args.methods) < len(METHODS) else []
    words += [f"--seeds {args.seeds}"]
    words += ["--quick"] if args.quick else []
    return " ".join(words)


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    if not args.summary_only:
        run(args)
    report = write_report(args.output, command=command_line(args), order=METHODS)
    print(f"Report in {report}.")


if __name__ == "__main__":
    main()
