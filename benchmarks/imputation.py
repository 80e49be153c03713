"""Missing cells of tables, given back: errors, intervals and CPU seconds.

    python -m benchmarks.imputation --data FOLDER

Features and target of a table, as one frame, lose cells in several patterns. Each method completes
the very table that it was fitted on, and is judged on the removed cells: error of one completed
table, and coverage, width and CRPS of 20 drawn ones. Rows of results are appended to
``imputation.csv`` as they come, so that a run can be stopped and resumed; ``imputation.md`` is
written from it at the end.
"""

import argparse
import time
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from benchmarks._data import data_folder, table_names
from benchmarks._imputation_data import (
    DEVELOPMENT,
    MAX_ROWS,
    PATTERNS,
    Removed,
    load_frame,
    missing_cells,
)
from benchmarks._imputation_report import write_report
from benchmarks._imputation_rivals import METHODS, mice, miss_forest, ours
from benchmarks._results import append_results, forget, read_results

KEY = ["table", "pattern", "seed", "method"]
N_DRAWS = 20

# Little work each: --quick asks whether the benchmark runs, not how good anything is.
QUICK_METHODS = METHODS | {
    "mice": partial(mice, n_chains=5),
    "missforest": partial(miss_forest, n_trees=10, max_iter=2),
    "ours": partial(ours, max_epochs=2),
}
QUICK_TABLES = ["iris", "diabetes_sk"]
QUICK_DRAWS = 5


def evaluate(name, frame, pattern, method, seed, *, methods=METHODS, n_draws=N_DRAWS):
    """Remove cells of a table, have them given back and judge them.

    Parameters
    ----------
    name : str
        Name of the table.
    frame : DataFrame
        The complete table, categories with a dtype of categories.
    pattern : str
        A name in `benchmarks._imputation_data.PATTERNS`.
    method : str or callable
        A name in `methods`, or a function like those in `benchmarks._imputation_rivals`.
    seed : int
        Seed of the pattern and of the method.
    methods : dict
        The registry to look names up in.
    n_draws : int
        Number of completed tables that are drawn.

    Returns
    -------
    dict
        Table, pattern, seed, method, errors, figures of the draws (NaN without any), and CPU
        seconds on one thread: of the fit with the first completed table, and of the draws.
    """
    label = method if isinstance(method, str) else getattr(method, "__name__", "custom")
    impute = methods[method] if isinstance(method, str) else method
    removed = Removed(frame, missing_cells(frame, pattern, seed))
    nan = float("nan")
    figures = {"coverage": nan, "width": nan, "crps": nan}
    with _one_thread():
        start = time.process_time()
        point, draw = impute(removed.incomplete, seed)
        middle = time.process_time()
        frames = draw(n_draws) if draw is not None else None
        end = time.process_time()
    if frames is not None:
        figures = removed.judge_draws(frames)
    cell = dict(zip(KEY, (name, pattern, seed, label), strict=True))
    size = {"n_rows": len(frame), "n_columns": frame.shape[1]}
    seconds = {"point_s": middle - start, "draws_s": end - middle if frames else nan}
    return cell | size | removed.judge_point(point) | figures | seconds


@contextmanager
def _one_thread():
    """Limit torch and the libraries of linear algebra to one thread, and silence warnings."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(n_threads)


def run(args):
    """Measure all cells that the CSV file lacks."""
    folder = data_folder(args.data)
    names = args.tables or _default_tables(folder, args.quick)
    registry = QUICK_METHODS if args.quick else METHODS
    frames = dict(load_frame(name, folder=folder, max_rows=args.max_rows) for name in names)
    path = args.output / "imputation.csv"
    methods = _available(args.methods)
    cells = [
        (name, pattern, seed, method)
        for seed in range(args.seeds)
        for name in frames
        for pattern in args.patterns
        for method in methods
    ]
    if args.fresh:
        forget(path, KEY, {(n, p, str(s), m) for n, p, s, m in cells})
    done = {tuple(row[k] for k in KEY) for row in read_results(path)}
    cells = [(n, p, s, m) for n, p, s, m in cells if (n, p, str(s), m) not in done]
    work = partial(evaluate, methods=registry, n_draws=QUICK_DRAWS if args.quick else N_DRAWS)
    rows = Parallel(n_jobs=args.jobs, return_as="generator_unordered")(
        delayed(work)(n, frames[n], p, m, s) for n, p, s, m in cells
    )
    for i, row in enumerate(rows, start=1):
        append_results(path, [row])
        print(
            f"[{i}/{len(cells)}] {row['table']} {row['pattern']} seed {row['seed']} "
            f"{row['method']}: error {row['mean_error']:.3f}, coverage {row['coverage']:.3f}, "
            f"CRPS {row['crps']:.3f}, {row['point_s']:.1f} + {row['draws_s']:.1f} CPU-s",
            flush=True,
        )
    return path


def _default_tables(folder, quick):
    if quick or folder is None:
        return QUICK_TABLES
    return [name for name in DEVELOPMENT if name in table_names(folder)]


def _available(methods):
    """Leave out, with a line, our own imputer where the package has none."""
    import skdiffusion

    if "ours" in methods and not hasattr(skdiffusion, "DiffusionImputer"):
        print("ours: skipped, skdiffusion has no DiffusionImputer.")
        return [m for m in methods if m != "ours"]
    return methods


def parse(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imputation", description=__doc__)
    parser.add_argument("--data", help="folder of .npz tables (default: $SKDIFFUSION_DATA)")
    parser.add_argument("--tables", nargs="+", help="default: eight development tables")
    parser.add_argument("--patterns", nargs="+", choices=[*PATTERNS], default=[*PATTERNS])
    parser.add_argument("--methods", nargs="+", choices=[*METHODS], default=[*METHODS])
    parser.add_argument("--seeds", type=int, help="number of seeds (default 3)")
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
        # one pattern shows whether it runs
        args.patterns = args.patterns[:1]
    return args


def command_line(args):
    """Return the command that repeats a run, without the paths of this machine."""
    words = ["python -m benchmarks.imputation --data FOLDER"]
    words += [f"--tables {' '.join(args.tables)}"] if args.tables else []
    words += [f"--patterns {' '.join(args.patterns)}"] if len(args.patterns) < len(PATTERNS) else []
    words += [f"--methods {' '.join(args.methods)}"] if len(args.methods) < len(METHODS) else []
    words += [f"--seeds {args.seeds}"]
    words += ["--quick"] if args.quick else []
    return " ".join(words)


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    path = args.output / "imputation.csv" if args.summary_only else run(args)
    report = write_report(path, command=command_line(args))
    print(f"Results in {path}, report in {report}.")


if __name__ == "__main__":
    main()
