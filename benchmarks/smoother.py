"""The Riemannian kernel smoother against other closed-form density estimates.

    python -m benchmarks.smoother

Held-out log-likelihood, the quality of draws, scores against exact mixtures, imputation and
seconds, in sections that can be run one by one. Results are appended to ``smoother.csv`` as they
come, so that a run can be stopped and resumed; ``smoother.md`` is written from it at the end, with
what was promised of each figure.
"""

import argparse
import csv
from pathlib import Path

import torch
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from benchmarks._density import SplineFlow
from benchmarks._smoother_report import write_report
from benchmarks._smoother_sections import SECTIONS

FIELDS = ["section", "case", "n", "seed", "method", "metric", "value"]


def measure(section, case, n, seed, *, quick=False):
    """Run one cell of a section on one thread.

    Returns
    -------
    list of dict
        A row of results for each method and metric.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            values = list(SECTIONS[section].measure(case, n, seed, quick))
    finally:
        torch.set_num_threads(n_threads)
    cell = (section, case, n, seed)
    return [dict(zip(FIELDS, (*cell, *value), strict=True)) for value in values]


def wanted_cells(args):
    """Section, case, number of rows and seed of all cells that the command line asks for."""
    for name in args.sections:
        section = SECTIONS[name]
        n_seeds = args.seeds or (1 if args.quick else section.n_seeds)
        for seed in range(n_seeds):
            for case, n in section.quick_cells if args.quick else section.cells:
                yield name, case, n, seed


def forget(path, sections):
    """Drop the rows of some sections from the CSV file."""
    if path.exists():
        header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in rows if row.split(",", 1)[0] not in sections]
        path.write_text("".join([header, *kept]), encoding="utf-8")


def run(args):
    """Measure all cells that the CSV file lacks."""
    path = args.output / "smoother.csv"
    if args.fresh:
        forget(path, args.sections)
    done = read_cells(path)
    cells = [cell for cell in wanted_cells(args) if cell not in done]
    # seconds are taken alone, when the other processes have ended
    clocked = [cell for cell in cells if cell[0] == "time"]
    others = [cell for cell in cells if cell[0] != "time"]
    n_done = 0
    for group, n_jobs in ((others, args.jobs), (clocked, 1)):
        batches = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
            delayed(measure)(*cell, quick=args.quick) for cell in group
        )
        for rows in batches:
            append_rows(path, rows)
            n_done += 1
            print(f"[{n_done}/{len(cells)}] {describe(rows)}", flush=True)
    return path


def describe(rows):
    """One line on a cell: the first metric of each method."""
    first = {}
    for row in rows:
        first.setdefault(row["method"], f"{row['method']} {row['metric']} {row['value']:.3f}")
    cell = rows[0]
    return f"{cell['section']} {cell['case']} {cell['n']} seed {cell['seed']}: " + ", ".join(
        first.values()
    )


def read_cells(path):
    """Return the cells of a results file, none if there is no file yet."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {
            (r["section"], r["case"], int(r["n"]), int(r["seed"])) for r in csv.DictReader(file)
        }


def append_rows(path, rows):
    """Append the results of a cell, under a header if the file is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=FIELDS)
        if is_new:
            writer.writeheader()
        writer.writerows(row | {"value": f"{row['value']:.6g}"} for row in rows)


def parse(argv=None):
    """Read the command line."""
    default = [name for name in SECTIONS if name != "flow"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.smoother", description=__doc__)
    parser.add_argument("--sections", nargs="+", choices=[*SECTIONS], default=default)
    parser.add_argument("--seeds", type=int, help="default: between 1 and 5, by section")
    parser.add_argument("--flow", action="store_true", help="add a neural spline flow to the toys")
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--fresh", action="store_true", help="measure the sections anew")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="small sets, one seed: does it run?")
    args = parser.parse_args(argv)
    if args.seeds is not None and args.seeds < 1:
        parser.error("--seeds must be at least 1")
    if args.flow and "flow" not in args.sections:
        args.sections = [*args.sections, "flow"]
    if "flow" in args.sections and not (args.summary_only or SplineFlow.is_available()):
        print("The flow is left out: it needs the package zuko.")
        args.sections = [name for name in args.sections if name != "flow"]
    if args.quick:
        args.output = args.output / "quick"
        args.fresh = True
    return args


def command_line(args):
    """Return the command that repeats a run, without the paths of this machine."""
    words = ["python -m benchmarks.smoother"]
    words += [f"--sections {' '.join(args.sections)}"]
    words += [f"--seeds {args.seeds}"] if args.seeds else []
    words += ["--quick"] if args.quick else []
    return " ".join(words)


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    path = args.output / "smoother.csv" if args.summary_only else run(args)
    report = write_report(path, command=command_line(args))
    print(f"Results in {path}, report in {report}.")


if __name__ == "__main__":
    main()
