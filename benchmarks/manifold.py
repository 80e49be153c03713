"""Couplings of the sampler to a manifold, where the manifold is known.

    python -m benchmarks.manifold

Rows. 2,000 training rows on each of the sets of `_manifold_sets`, fresh for each seed. A method is
fitted on them, draws 2,000 rows (10,000 where a mode is rare), and is judged by the distance from
the manifold, by sliced Wasserstein distance to 20,000 real rows, by precision, recall, density and
coverage, by its distance to the training rows over that of fresh rows, by its embedding, and by the
tangent spaces of its denoiser. Whatever trains a network has the same CPU seconds for it, but for
`auto`: that is the sampler as it comes.

Promises. What a manifold is said to be good for, with and without it: coverage of modes, diversity,
local geometry, robustness, exploration. What fails is reported as failing.

Results are appended to ``manifold.csv`` and ``manifold_promises.csv`` as they come, so that a run
can be stopped and resumed; ``manifold.md`` is written from them.
"""

import argparse
import time
import traceback
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks._manifold_methods import METHODS
from benchmarks._manifold_metrics import judge_embedding, judge_rows, real_sliced, tangent_angle
from benchmarks._manifold_promises import SECTIONS
from benchmarks._manifold_report import write_report
from benchmarks._manifold_sets import N_DRAWN, N_RARE, N_TRAIN, draw, known_sets
from benchmarks._results import append_results, read_results

BLANK = {
    **dict.fromkeys(["fit_s", "train_s", "sample_s"], np.nan),
    **dict.fromkeys(["coupling", "dimension"], ""),
    **dict.fromkeys(["finite", "distance", "distance_95", "sliced"], np.nan),
    **dict.fromkeys(["precision", "recall", "density", "coverage"], np.nan),
    **dict.fromkeys(["dcr_ratio", "rare_ratio"], np.nan),
    **dict.fromkeys(["trustworthiness", "geodesic_rank", "geodesic_error"], np.nan),
    "tangent_angle": np.nan,
    "failure": "",
}
QUICK = {"sets": ["swiss3", "rare10"], "methods": ["real", "plain", "none", "auto", "mixture"]}
QUICK_ROWS = 400


def evaluate(known, method, seed, *, seconds=10.0, n_rows=N_TRAIN, max_epochs=None):
    """Fit one method on one draw of a set and judge what it draws.

    Parameters
    ----------
    known : KnownSet
        From `benchmarks._manifold_sets.known_sets`.
    method : str
        A name in `METHODS`.
    seed : int
        Of the rows and of the method.
    seconds : float, default=10.0
        CPU seconds of training; 0 leaves it to the sampler.
    n_rows : int, default=2000
        Training rows.
    max_epochs : int or None, default=None
        Epochs of training instead.

    Returns
    -------
    dict
        All values; blanks, and what happened, where the method fails.
    """
    rows = draw(known, seed, n_rows=n_rows)
    key = {"set": known.name, "seed": seed, "method": method, "seconds": seconds, "n": n_rows}
    values = dict(BLANK)
    options = {"seconds": seconds, "max_epochs": max_epochs, "dimension": known.manifold.dimension}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.process_time()
            model = METHODS[method](rows, seed, **options)
            values["fit_s"] = time.process_time() - start
            start = time.process_time()
            drawn = np.asarray(model.sample(N_RARE if known.is_rare else N_DRAWN, seed))
            values["sample_s"] = time.process_time() - start
        values |= {"coupling": model.coupling, "dimension": model.dimension}
        values["train_s"] = model.train_s
        values |= judge_rows(known, rows, drawn, seed)
        if method == "real":
            values["sliced"] = real_sliced(known, rows, seed)
        values |= judge_embedding(known, rows.train, model.embedded, seed)
        values["tangent_angle"] = tangent_angle(known, rows.train, model.distribution, seed)
    except Exception as error:
        traceback.print_exc()
        values["failure"] = f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
    return key | values


def run_main(args):
    """Evaluate all cells that the CSV file lacks; what failed before is tried again."""
    path = args.output / "manifold.csv"
    if args.fresh:
        path.unlink(missing_ok=True)
    done = {(r["set"], int(r["seed"]), r["method"]) for r in read_results(path) if not r["failure"]}
    sets = known_sets()
    for seed in args.seeds:
        for name in args.sets:
            for method in args.methods:
                if (name, seed, method) in done:
                    continue
                row = evaluate(
                    sets[name],
                    method,
                    seed,
                    seconds=args.seconds,
                    n_rows=args.rows,
                    max_epochs=1 if args.quick else None,
                )
                append_results(path, [row])
                print(_line(row), flush=True)


def _line(row):
    head = f"{row['set']} seed {row['seed']} {row['method']} {row['coupling']}: "
    if row["failure"]:
        return f"{head}FAILED, {row['failure']}"
    return (
        f"{head}distance {row['distance']:.4f}, sliced {row['sliced']:.4f}, coverage "
        f"{row['coverage']:.3f}, recall {row['recall']:.3f}, DCR {row['dcr_ratio']:.2f}, rare "
        f"{row['rare_ratio']:.2f}, angle {row['tangent_angle']:.1f}, fit {row['fit_s']:.1f} s, "
        f"sample {row['sample_s']:.1f} s"
    )


def run_promises(args):
    """Run the sections of promises that the CSV file lacks."""
    path = args.output / "manifold_promises.csv"
    if args.fresh:
        path.unlink(missing_ok=True)
    done = {(r["section"], r["set"], int(r["seed"])) for r in read_results(path)}
    sets = known_sets()
    for seed in args.seeds:
        for section in args.promises:
            function, names = SECTIONS[section]
            for name in [n for n in names if not args.quick or n == "sphere20"]:
                if (section, name, seed) in done or name not in args.promise_sets:
                    continue
                start = time.process_time()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = list(function(sets[name], seed, quick=args.quick, n_rows=args.rows))
                for measure, method, value in found:
                    key = {"section": section, "set": name, "seed": seed}
                    found_here = {"measure": measure, "method": method, "value": value}
                    append_results(path, [key | found_here])
                    print(f"{section} {name} seed {seed} {measure}, {method}: {value:.4g}")
                print(f"    {time.process_time() - start:.1f} CPU-s", flush=True)


def parse(argv=None):
    """Read the command line."""
    names, sets = partial(str.split, sep=","), list(known_sets())
    parser = argparse.ArgumentParser(prog="python -m benchmarks.manifold", description=__doc__)
    parser.add_argument("--sets", type=names, help=",".join(sets))
    parser.add_argument("--methods", type=names, help=",".join(METHODS))
    parser.add_argument("--promises", type=names, default=list(SECTIONS), help=",".join(SECTIONS))
    parser.add_argument("--sections", type=names, default=["main", "promises"])
    parser.add_argument("--seeds", type=int, help="number of draws of each set (default 3)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="CPU seconds of training (0: the sampler's)"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="few rows, one epoch: does it run?")
    args = parser.parse_args(argv)
    for what, given, known in (
        ("methods", args.methods, METHODS),
        ("sets", args.sets, sets),
        ("promises", args.promises, SECTIONS),
        ("sections", args.sections, ("main", "promises")),
    ):
        unknown = sorted({*(given or [])} - {*known})
        if unknown:
            parser.error(f"unknown {what} {', '.join(unknown)}; known are {', '.join(known)}")
    args.promise_sets = args.sets or sets
    args.sets = args.sets or (QUICK["sets"] if args.quick else sets)
    args.methods = args.methods or (QUICK["methods"] if args.quick else list(METHODS))
    n_seeds = args.seeds or (1 if args.quick else 3)
    args.seeds = range(args.first_seed, args.first_seed + n_seeds)
    args.rows = QUICK_ROWS if args.quick else N_TRAIN
    if args.quick:
        args.output, args.fresh, args.seconds = args.output / "quick", True, 0.0
    return args


def command_line(args):
    """Return the command that repeats a run, without the paths of this machine."""
    words = f"python -m benchmarks.manifold --seeds {len(args.seeds)} --seconds {args.seconds:g}"
    return words + (" --quick" if args.quick else "")


def main(argv=None):
    """Run the benchmark and write its report."""
    args = parse(argv)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            if not args.summary_only and "main" in args.sections:
                run_main(args)
            if not args.summary_only and "promises" in args.sections:
                run_promises(args)
    finally:
        torch.set_num_threads(n_threads)
    if not (args.output / "manifold.csv").exists():
        print("No report: it needs results of the main section.")
        return
    report = write_report(args.output, command=command_line(args), rows=args.rows)
    print(f"Report in {report}.")


if __name__ == "__main__":
    main()
