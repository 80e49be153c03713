"""Generated tables against real ones: the public scoreboard of ForestDiffusion, and more.

    python -m benchmarks.scoreboard --data FOLDER --published FOLDER

Each table is split 80 : 20 (stratified by class) with seeds 0, 1, 2. A method is fitted on the
training rows, features and target together, and draws tables of as many rows, which
`benchmarks._fd27.judge` judges. Rows of results are appended to ``scoreboard.csv`` as they come, so
that a run can be stopped and resumed; ``scoreboard.md`` is written from it at the end, with the
published figures of other systems over the same tables where ``--published`` names their folder.
"""

from functools import partial

from benchmarks._command import command_line, generator_parser, read_arguments
from benchmarks._data import data_folder, load_table, table_names
from benchmarks._fd27 import TABLES, judge
from benchmarks._generators import METHODS, QUICK_METHODS, available, draw_tables
from benchmarks._report import write_report
from benchmarks._results import measure_missing

KEY = ["table", "seed", "method"]
DEFAULT_METHODS = [m for m in METHODS if m != "tabddpm_unclipped"]
QUICK_TABLES = ["iris", "diabetes_sk"]


def evaluate(table, method, seed, *, n_tables=5, n_repetitions=5, methods=METHODS):
    """Fit one method on one split of a table and judge the tables that it draws.

    Parameters
    ----------
    table : Table
        From `benchmarks._data.load_table`.
    method : str or callable
        A name in `methods`, or a function ``fit(train, seed) -> sample`` with
        ``sample(n, seed) -> Z``.
    seed : int
        Seed of the split, the method and the learners.
    n_tables, n_repetitions : int
        Tables drawn, and trainings of each learner; the protocol has five of both.
    methods : dict
        The registry to look names up in.

    Returns
    -------
    dict
        Table, rows, seed, method, CPU seconds of fit and of drawing a table on one thread, and all
        values of `judge`.
    """
    fit = methods[method] if isinstance(method, str) else method
    name = method if isinstance(method, str) else getattr(method, "__name__", "custom")
    train, test = table.split(seed)
    fakes, seconds = draw_tables(fit, train, seed, n_tables)
    cell = {"table": table.name, "n_rows": len(table.X), "seed": seed, "method": name}
    figures = judge(train, test, fakes, n_repetitions=n_repetitions, seed=seed)
    return cell | {"n_tables": n_tables, "n_repetitions": n_repetitions} | seconds | figures


def run(args):
    """Evaluate all cells that the CSV file lacks."""
    folder = data_folder(args.data)
    path = args.output / "scoreboard.csv"
    names = args.tables or [n for n in TABLES if n in table_names(folder)]
    tables = [load_table(name, folder=folder, max_rows=args.max_rows) for name in names]
    methods = available(args.methods)
    seeds = range(args.seeds)
    cells = {(t.name, str(s), m): (t, m, s) for t in tables for s in seeds for m in methods}
    measure = partial(
        evaluate,
        n_tables=args.n_tables,
        n_repetitions=args.n_repetitions,
        methods=QUICK_METHODS if args.quick else METHODS,
    )
    options = {"fresh": args.fresh, "jobs": args.jobs}
    for count, row in measure_missing(path, KEY, cells, measure, **options):
        print(
            f"{count} {row['table']} seed {row['seed']} {row['method']}: "
            f"W1 {row['w1_test']:.3f}, coverage {row['coverage_test']:.2f}, "
            f"DCR ratio {row['dcr_ratio']:.2f}, {row['fit_s'] + row['sample_s']:.1f} CPU-s",
            flush=True,
        )
    return path


def parse(argv=None):
    """Read the command line."""
    parser = generator_parser(
        "scoreboard", __doc__, methods=DEFAULT_METHODS, tables="the scoreboard's"
    )
    parser.add_argument("--n-tables", type=int, help="tables drawn from each fit (default 5)")
    parser.add_argument("--n-repetitions", type=int, help="trainings of a learner (default 5)")
    parser.add_argument("--fast", action="store_true", help="two tables, one training of a learner")
    parser.add_argument("--max-rows", type=int, default=0, help="rows of a table; 0: all")
    args = read_arguments(parser, argv)
    if args.quick:
        args.tables = args.tables or QUICK_TABLES
    args.n_tables = args.n_tables or (1 if args.quick else 2 if args.fast else 5)
    args.n_repetitions = args.n_repetitions or (1 if args.quick or args.fast else 5)
    return args


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    path = args.output / "scoreboard.csv" if args.summary_only else run(args)
    options = f"--n-tables {args.n_tables}", f"--n-repetitions {args.n_repetitions}"
    command = command_line("scoreboard", args, *options)
    report = write_report(path, command=command, order=METHODS, published=args.published)
    print(f"Results in {path}, report in {report}.")


if __name__ == "__main__":
    main()
