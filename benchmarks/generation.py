"""Generated tables against real ones: fidelity, privacy and CPU seconds.

    python -m benchmarks.generation --data FOLDER

Each table is split 80 : 20 (stratified by class) with seeds 0, 1, ...; a method is fitted on the
training rows, features and target together, generates as many rows, and is judged by
`skdiffusion.metrics.fidelity_report`. Rows of results are appended to ``generation.csv`` as they
come, so that a run can be stopped and resumed; ``generation.md`` is written from it at the end.
"""

import argparse
import csv
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from benchmarks import _baselines, _diffusion
from benchmarks._data import data_folder, load_table, table_names
from benchmarks._report import write_report
from skdiffusion.metrics import fidelity_report


def ours(train, seed, **net_params):
    """DiffusionManifoldSampler with its defaults, unless its net is given other parameters."""
    from skdiffusion import DenoiserNet, DiffusionManifoldSampler, TableEncoder

    categorical = sorted({*train.categorical, *train.binary})
    model = DiffusionManifoldSampler(
        denoiser=DenoiserNet(**net_params),
        random_state=seed,
        encoder=TableEncoder(categorical_features=categorical or None),
    )
    model.fit(train.X, train.y.astype(int) if train.is_classification else train.y)

    def sample(n):
        X, y = model.sample(n, return_y=True, random_state=seed)
        return np.column_stack([X, y])

    return sample


METHODS = {
    "copy": _baselines.copy_train,
    "smote": _baselines.smote,
    "kde": _baselines.kde,
    "gmm": _baselines.gmm,
    "edm_mlp": _diffusion.edm_mlp,
    "tabddpm": _diffusion.tabddpm,
    "tabddpm_unclipped": partial(_diffusion.tabddpm, clip=None),
    "ours": ours,
}
DEFAULT_METHODS = ["copy", "smote", "kde", "gmm", "edm_mlp", "tabddpm", "ours"]

# Shortened trainings: --quick asks whether the benchmark runs, not how good anything is.
QUICK_METHODS = METHODS | {
    "ours": partial(ours, max_epochs=2),
    "edm_mlp": partial(_diffusion.edm_mlp, n_steps=100),
    "tabddpm": partial(_diffusion.tabddpm, n_steps=100, n_timesteps=100),
    "tabddpm_unclipped": partial(_diffusion.tabddpm, clip=None, n_steps=100, n_timesteps=100),
}
QUICK_TABLES = ["iris", "diabetes_sk"]

ALWAYS_SUBSET = ("magic",)


def evaluate(table, method, seed, *, methods=METHODS):
    """Fit one method on one split of a table and judge the rows it generates.

    Parameters
    ----------
    table : Table
        From `benchmarks._data.load_table`.
    method : str or callable
        A name in `methods`, or a function ``fit(train, seed) -> sample`` with ``sample(n) -> Z``.
    seed : int
        Seed of the split, the method and the metrics.
    methods : dict
        The registry to look names up in.

    Returns
    -------
    dict
        Table, rows, seed, method, CPU seconds of fit and of sampling on one thread, and all values
        of `fidelity_report`.
    """
    name = method if isinstance(method, str) else getattr(method, "__name__", "custom")
    fit = methods[method] if isinstance(method, str) else method
    train, test = table.split(seed)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            start = time.process_time()
            sample = fit(train, seed)
            fitted = time.process_time()
            fake = sample(len(train.Z))
            sampled = time.process_time()
            fake = train.restore_types(fake)
            report = fidelity_report(
                train.Z, test.Z, fake, categorical=table.Z_categorical, random_state=seed
            )
    finally:
        torch.set_num_threads(n_threads)
    return {
        "table": table.name,
        "n_rows": len(table.X),
        "seed": seed,
        "method": name,
        "fit_s": fitted - start,
        "sample_s": sampled - fitted,
        **report,
    }


def default_tables(folder, max_rows):
    """Tables of up to `max_rows` rows, and a subset of a large one."""
    names = table_names(folder)
    if not max_rows:
        return names
    small = [n for n in names if len(load_table(n, folder=folder).X) <= max_rows]
    return sorted({*small, *(n for n in ALWAYS_SUBSET if n in names)})


def run(args):
    """Evaluate all cells that the CSV file lacks."""
    folder = data_folder(args.data)
    path = args.output / "generation.csv"
    if args.fresh:
        path.unlink(missing_ok=True)
    done = {(r["table"], int(r["seed"]), r["method"]) for r in read_results(path)}
    registry = QUICK_METHODS if args.quick else METHODS
    names = args.tables or (QUICK_TABLES if args.quick else default_tables(folder, args.max_rows))
    tables = [load_table(name, folder=folder, max_rows=args.max_rows) for name in names]
    cells = [
        (table, method, seed)
        for table in tables
        for seed in range(args.seeds)
        for method in args.methods
        if (table.name, seed, method) not in done
    ]
    rows = Parallel(n_jobs=args.jobs, return_as="generator_unordered")(
        delayed(evaluate)(*cell, methods=registry) for cell in cells
    )
    for i, row in enumerate(rows, start=1):
        append_result(path, row)
        seconds = row["fit_s"] + row["sample_s"]
        print(
            f"[{i}/{len(cells)}] {row['table']} seed {row['seed']} {row['method']}: "
            f"W1 {row['w1_test']:.3f}, C2ST {row['c2st_boosting']:.2f}, "
            f"DCR ratio {row['dcr_ratio']:.2f}, {seconds:.1f} CPU-s",
            flush=True,
        )
    return path


def read_results(path):
    """Return the rows of a results file, none if there is no file yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append_result(path, row):
    """Append one row of results, under a header if the file is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=row)
        if is_new:
            writer.writeheader()
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def parse(argv=None):
    """Read the command line."""
    names = partial(str.split, sep=",")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generation", description=__doc__)
    parser.add_argument("--data", help="folder of .npz tables (default: $SKDIFFUSION_DATA)")
    parser.add_argument("--tables", type=names, help="comma-separated; default: all small ones")
    parser.add_argument("--methods", type=names, default=DEFAULT_METHODS, help=",".join(METHODS))
    parser.add_argument("--seeds", type=int, help="number of splits (default 3)")
    parser.add_argument(
        "--max-rows",
        type=int,
        default=2000,
        help="larger tables become a subset of so many rows, by default only magic; 0: no limit",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="two tables, one seed, short training")
    args = parser.parse_args(argv)
    unknown = sorted({*args.methods} - {*METHODS})
    if unknown:
        parser.error(f"unknown methods {', '.join(unknown)}; known are {', '.join(METHODS)}")
    if args.seeds is None:
        args.seeds = 1 if args.quick else 3
    if args.quick:
        args.output = args.output / "quick"
        args.fresh = True
    return args


def command_line(args):
    """Return the command that repeats a run, without the paths of this machine."""
    words = ["python -m benchmarks.generation --data FOLDER"]
    words += [f"--tables {','.join(args.tables)}"] if args.tables else []
    words += [f"--methods {','.join(args.methods)} --seeds {args.seeds} --max-rows {args.max_rows}"]
    words += ["--quick"] if args.quick else []
    return " ".join(words)


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    path = args.output / "generation.csv" if args.summary_only else run(args)
    report = write_report(path, command=command_line(args), order=METHODS)
    print(f"Results in {path}, report in {report}.")


if __name__ == "__main__":
    main()
