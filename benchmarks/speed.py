"""How good are draws after how many CPU seconds?

    python -m benchmarks.speed --data FOLDER

Generators that train are given more and more of it; others are one point each. Seconds are those of
the fit and of drawing as many rows as were trained on, on one thread. Rows of results are appended
to ``speed.csv`` as they come, so that a run can be stopped and resumed; ``speed.md`` and, where
matplotlib is installed, the curves in ``speed.png`` are written from it at the end.
"""

import argparse
from functools import partial
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks._data import data_folder, load_table, table_names
from benchmarks._diffusion import edm_mlp
from benchmarks._generators import METHODS, available, draw_tables, ours
from benchmarks._report import format_value, markdown_table, versions
from benchmarks._results import measure_missing
from skdiffusion.metrics import fidelity_report

KEY = ["table", "seed", "method", "training"]
TABLES = ["glass", "parkinsons", "concrete_compression", "churn", "abalone", "magic", "shoppers"]
QUICK_TABLES = ["iris"]
# What --quick runs of each curve.
QUICK_POINTS = 2
CURVES = {
    "edm_mlp": {f"{n} steps": partial(edm_mlp, n_steps=n) for n in (125, 500, 2000, 8000)},
    "ours": {
        f"{n} epochs": partial(ours, max_epochs=n, patience=None) for n in (2, 5, 10, 20, 50, 100)
    },
}
POINTS = ["copy", "kde", "gmm", "cart", "ours"]
MEASURES = ["w1_test", "c2st_boosting", "dcr_ratio", "shape_error", "trend_error"]
PACKAGES = ["numpy", "scikit-learn", "torch", "synthpop-py"]


@threadpool_limits.wrap(limits=1)
def evaluate(table, seed, method, training, fit):
    """Fit a generator on one split of a table; return its cell, CPU seconds and figures."""
    train, test = table.split(seed)
    (fake,), seconds = draw_tables(fit, train, seed)
    report = fidelity_report(
        train.Z,
        test.Z,
        train.restore_types(fake),
        categorical=train.Z_categorical,
        random_state=seed,
    )
    cell = {"table": table.name, "seed": seed, "method": method, "training": training}
    figures = {name: report[name] for name in MEASURES}
    return cell | {"seconds": sum(seconds.values())} | figures


def cells(args):
    """All generators to run: name, amount of training, function."""
    for method in available(POINTS):
        yield method, "default", METHODS[method]
    for method, trainings in CURVES.items():
        chosen = list(trainings.items())[: QUICK_POINTS if args.quick else None]
        for training, fit in chosen:
            yield method, training, fit


def run(args, path):
    """Measure all cells that the CSV file lacks."""
    folder = data_folder(args.data)
    default = QUICK_TABLES if args.quick else [n for n in TABLES if n in table_names(folder)]
    tables = [load_table(n, folder=folder, max_rows=args.max_rows) for n in args.tables or default]
    wanted = {
        (table.name, str(seed), method, training): (table, seed, method, training, fit)
        for table in tables
        for seed in range(args.seeds)
        for method, training, fit in cells(args)
    }
    for count, row in measure_missing(path, KEY, wanted, evaluate, fresh=args.fresh):
        print(
            f"{count} {row['table']} seed {row['seed']} {row['method']}, {row['training']}: "
            f"{row['seconds']:.1f} CPU-s, W1 {row['w1_test']:.3f}, C2ST {row['c2st_boosting']:.3f}",
            flush=True,
        )


def summary(path):
    """Means over tables and splits: one row for each generator and amount of training."""
    rows = pd.read_csv(path).drop_duplicates(KEY, keep="last")
    copied = rows[rows["method"] == "copy"].set_index(["table", "seed"])["w1_test"]
    own = copied.reindex(pd.MultiIndex.from_frame(rows[["table", "seed"]])).to_numpy()
    rows["W1 / copy"] = rows["w1_test"] / own
    means = rows.groupby(["method", "training"], sort=False).agg(
        {"seconds": "mean", "W1 / copy": "mean", "c2st_boosting": "mean", "dcr_ratio": "median"}
        | {"shape_error": "mean", "trend_error": "mean", "table": "nunique"}
    )
    # A curve over fewer tables than the others compares with nothing.
    return means[means["table"] == rows["table"].nunique()].drop(columns="table"), rows


def write_report(path, command):
    """Write the table and the curves beside a CSV file of results; return the report's path."""
    means, rows = summary(path)
    specs = [".2f", ".3f", ".3f", ".2f", ".1f", ".1f"]
    body = [
        [*name, *map(format_value, line, specs)]
        for name, line in zip(means.index, means.to_numpy(), strict=True)
    ]
    header = ["method", "training", "CPU-s", "W1 / copy", "C2ST", "DCR ratio"]
    header += ["shape error, %", "trend error, %"]
    lines = [
        "# Quality against CPU seconds",
        "",
        f"Means over {', '.join(dict.fromkeys(rows['table']))} (the DCR ratio is a median), splits",
        f"80 : 20 with seeds {', '.join(map(str, sorted(rows['seed'].unique())))}; W1 to held-out",
        "rows in units of that of copied training rows. Command of the last run:",
        "",
        f"    {command}",
        "",
        f"Versions: {versions(PACKAGES)}.",
        "",
        *markdown_table(header, body),
        "",
    ]
    if draw_curves(means, path.with_suffix(".png")):
        lines += [f"![Curves of W1 and C2ST against CPU seconds]({path.stem}.png)", ""]
    report = path.with_suffix(".md")
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def draw_curves(means, path):
    """Draw W1 and C2ST over seconds; return whether matplotlib was there to do it."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ["W1 / copy", "c2st_boosting"], strict=True):
        for i, (method, points) in enumerate(means.groupby("method", sort=False)):
            is_default = points.index.get_level_values("training") == "default"
            for chosen, style in ((~is_default, ".-"), (is_default, "o")):
                x, y = points.loc[chosen, "seconds"], points.loc[chosen, measure]
                axes.plot(x, y, style, color=f"C{i}", label=method if len(x) else None)
        axes.set(xscale="log", xlabel="CPU seconds, fit and draws", ylabel=measure)
    handles = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(handles.values(), handles, loc="outside right", fontsize="small")
    figure.savefig(path, dpi=80)
    return True


def parse(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--data", help="folder of .npz tables (default: $SKDIFFUSION_DATA)")
    parser.add_argument("--tables", nargs="+", help=f"default: {' '.join(TABLES)}")
    parser.add_argument("--seeds", type=int, help="number of splits (default 3)")
    parser.add_argument("--max-rows", type=int, default=2000, help="rows of a table; 0: all")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--fresh", action="store_true", help="measure anew what is asked for")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="one small table: does it run?")
    args = parser.parse_args(argv)
    args.seeds = args.seeds or (1 if args.quick else 3)
    if args.quick:
        args.output, args.fresh = args.output / "quick", True
    return args


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    path = args.output / "speed.csv"
    if not args.summary_only:
        run(args, path)
    command = f"python -m benchmarks.speed --data FOLDER --seeds {args.seeds}"
    command += f" --max-rows {args.max_rows}" + " --quick" * args.quick
    print(f"Report in {write_report(path, command)}.")


if __name__ == "__main__":
    main()
