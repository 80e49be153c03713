"""Large tables of numbers and categories, generated in full.

    python -m benchmarks.mixed_tables --data FOLDER --published FOLDER

Each table is split 80 : 20 (stratified by class). Generators are fitted on the training rows,
features and target together, and draw as many. Shape and trend error are against the training rows,
as papers have it; C2ST, in single precision, and copies are compared with the held-out rows. Rows
of results are appended to ``mixed_tables.csv`` as they come, so that a run can be stopped and
resumed; ``mixed_tables.md`` is written from it at the end, with the published figures of TabPC's
authors where ``--published`` names their folder.
"""

from functools import partial

import numpy as np
from sklearn.datasets import load_iris, load_wine
from threadpoolctl import threadpool_limits

from benchmarks._command import command_line, generator_parser, read_arguments
from benchmarks._data import Table, data_folder, load_table, table_names
from benchmarks._generators import METHODS, QUICK_METHODS, available, draw_tables
from benchmarks._mixed_report import write_report
from benchmarks._results import measure_missing
from skdiffusion.metrics import (
    GowerScaler,
    c2st,
    dcr_ratio,
    exact_copies,
    shape_error,
    trend_error,
)
from skdiffusion.metrics.alignment import single_precision

KEY = ["table", "seed", "method"]
TABLES = [
    "shoppers",
    "magic",
    "churn",
    "abalone",
    "insurance",
    "concrete_compression",
    "airfoil_self_noise",
]
DEFAULT_METHODS = ["copy", "gmm", "cart", "vine", "ours"]


def evaluate(table, method, seed, *, methods=METHODS):
    """Fit one method on 80 % of the rows of a table and judge as many generated rows.

    Parameters
    ----------
    table : Table
        From `benchmarks._data.load_table`.
    method : str
        A name in `methods`.
    seed : int
        Seed of the split, the method and C2ST.
    methods : dict
        The registry to look names up in.

    Returns
    -------
    dict
        Shape and trend error, in per cent, against the training rows; C2ST against held-out rows;
        DCR ratio; shares of generated and of held-out rows that equal a training row; CPU seconds
        on one thread.
    """
    train, test = table.split(seed)
    (fake,), seconds = draw_tables(methods[method], train, seed)
    cell = {"table": table.name, "seed": seed, "method": method}
    size = {"n_train": len(train.Z), "n_test": len(test.Z)}
    return cell | size | seconds | judge(train, test, fake, seed)


@threadpool_limits.wrap(limits=1)
def judge(train, test, fake, seed=0):
    """Judge one generated table like ``train.Z``; see `evaluate`."""
    rows = [single_precision(r) for r in (train.Z, test.Z, train.restore_types(fake))]
    columns = {"categorical": train.Z_categorical}
    scaler = GowerScaler(**columns).fit(rows[0])
    points = [scaler.transform(r) for r in rows]
    return {
        "shape_error": shape_error(rows[0], rows[2], **columns),
        "trend_error": trend_error(rows[0], rows[2], **columns),
        "c2st_boosting": c2st(*points[1:], random_state=seed),
        "dcr_ratio": dcr_ratio(*points),
        "copies": exact_copies(rows[0], rows[2]),
        "copies_test": exact_copies(rows[0], rows[1]),
    }


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
    folder, path = data_folder(args.data), args.output / "mixed_tables.csv"
    known = table_names(folder)
    names = args.tables or [name for name in TABLES if name in known]
    tables = quick_tables() if args.quick else [load_table(n, folder=folder) for n in names]
    methods = available(args.methods)
    seeds = range(args.seeds)
    cells = {(t.name, str(s), m): (t, m, s) for t in tables for s in seeds for m in methods}
    measure = partial(evaluate, methods=QUICK_METHODS if args.quick else METHODS)
    options = {"fresh": args.fresh, "jobs": args.jobs}
    for count, row in measure_missing(path, KEY, cells, measure, **options):
        print(
            f"{count} {row['table']} seed {row['seed']} {row['method']}: "
            f"shape {row['shape_error']:.2f} %, trend {row['trend_error']:.2f} %, "
            f"C2ST {row['c2st_boosting']:.3f}, copies {row['copies']:.2%}, "
            f"{row['fit_s'] + row['sample_s']:.1f} CPU-s",
            flush=True,
        )


def parse(argv=None):
    """Read the command line."""
    parser = generator_parser(
        "mixed_tables", __doc__, methods=DEFAULT_METHODS, tables="seven tables"
    )
    return read_arguments(parser, argv)


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    if not args.summary_only:
        run(args)
    path = args.output / "mixed_tables.csv"
    command = command_line("mixed_tables", args)
    report = write_report(path, command=command, order=METHODS, published=args.published)
    print(f"Report in {report}.")


if __name__ == "__main__":
    main()
