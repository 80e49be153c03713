"""Anomaly detection on tables: the default detector against its rivals.

    python -m benchmarks.anomaly --data FOLDER

Area under the ROC curve, average precision and CPU seconds of each detector under several protocols
(section ``scores``), and what else the detector promises: p-values, false-discovery rate,
explanations and time. Results are appended to ``anomaly.csv`` and ``anomaly_checks.csv`` as they
come, so that a run can be stopped and resumed; ``anomaly.md`` is written from them at the end.
"""

import argparse
import time
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks._anomaly_data import (
    EXPLANATIONS,
    PANEL,
    PROTOCOLS,
    SETS,
    CorrelatedMixture,
    anomaly_folder,
    correlated_pairs,
    load_set,
    plant_cells,
    set_names,
    sibling,
)
from benchmarks._anomaly_report import LEVELS, ONLINE_SHARES, write_report
from benchmarks._anomaly_rivals import DETECTORS, marginal_kernels, warm_up
from benchmarks._results import append_results, forget, read_results
from skdiffusion.detection import benjamini_hochberg_online

SCORE_KEY = ["protocol", "set", "seed", "detector"]
CHECK_KEY = ["section", "set", "seed", "detector"]

# Neighbourhoods of 50 are for training rows with anomalies among them.
CONTAMINATED_ONLY = ("knn50mean",)
QUICK_METHODS = ["ours", "knn1", "iforest"]


# --- scores under a protocol ---------------------------------------------------------------------


def evaluate(data, protocol, detector, seed):
    """Fit one detector on one split of a set and judge its scores.

    Parameters
    ----------
    data : AnomalySet
        From `benchmarks._anomaly_data.load_set`.
    protocol : str
        A name in `benchmarks._anomaly_data.PROTOCOLS`.
    detector : str or callable
        A name in `benchmarks._anomaly_rivals.DETECTORS`, or a function ``make(seed, contaminated)``
        that returns a detector as described there.
    seed : int
        Seed of the split and of the detector.

    Returns
    -------
    dict
        Protocol, set, half of the panel, seed, detector, numbers of rows and columns, AUROC and
        average precision in per cent, CPU seconds of fit and of scoring the test rows, on one
        thread.
    """
    name = detector if isinstance(detector, str) else getattr(detector, "__name__", "custom")
    make = DETECTORS[detector] if isinstance(detector, str) else detector
    contaminated = PROTOCOLS[protocol].contaminated
    split = PROTOCOLS[protocol].split(data, seed)
    with _one_thread():
        warm_up(make)
        model = make(seed, contaminated)
        start = time.process_time()
        model.fit(split.train)
        fitted = time.process_time()
        scores = model.training_score() if contaminated else model.score(split.test)
        scored = time.process_time()
    scores = np.nan_to_num(scores, nan=np.nan)  # infinite scores are as large as can be
    return {
        "protocol": protocol,
        "set": data.name,
        "half": data.half,
        "seed": seed,
        "detector": name,
        "n_train": len(split.train),
        "n_test": len(split.test),
        "n_columns": split.train.shape[1],
        "anomalies": int(split.anomaly.sum()),
        "auroc": 100 * roc_auc_score(split.anomaly, scores),
        "auprc": 100 * average_precision_score(split.anomaly, scores),
        "fit_s": fitted - start,
        "score_s": scored - fitted,
    }


def score(protocol, data, seed, detector):
    """Return the row of results of one detector on one split, in a list."""
    return [evaluate(data, protocol, detector, seed)]


@contextmanager
def _one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)


# --- what else is promised -----------------------------------------------------------------------


def pvalues(data, seed, model):
    """Yield the share of held-out normal rows with a p-value of at most each level."""
    split = PROTOCOLS["clean"].split(data, seed)
    normal = split.test[~split.anomaly]
    found = model.fit(split.train).model.predict_pvalue(normal)
    for level in LEVELS:
        yield f"share_{level}", np.mean(found <= level)
    yield "n_train", len(split.train)
    yield "n_held_out", len(normal)


def fdr(case, seed, model):
    """Yield false-discovery proportion and power on a mixture, of a batch and of streams."""
    rng = np.random.RandomState(seed)
    distribution = CorrelatedMixture(6, rng.randint(2**31))
    detector = model.fit(distribution.draw(1000, rng)).model
    rows, anomaly = distribution.planted(500, rng)
    found = {"batch": (detector.select(rows, fdr=0.1), anomaly)}
    for share in ONLINE_SHARES:
        rows, anomaly = distribution.planted(2000, rng, share)
        picked = benjamini_hochberg_online(detector.predict_pvalue(rows), fdr=0.1)
        found[f"online_{share}"] = picked, anomaly
    for how, (picked, anomaly) in found.items():
        yield f"fdp_{how}", np.sum(picked & ~anomaly) / max(1, picked.sum())
        yield f"power_{how}", np.mean(picked[anomaly])


def explain(data, seed, model):
    """Yield the share of rows in which a foreign cell ranks first, or two in the first three."""
    split = PROTOCOLS["clean"].split(data, seed)
    model.fit(split.train)
    normal, d = split.test[~split.anomaly], split.test.shape[1]
    plant = partial(plant_cells, normal, N_PLANTED, seed)
    pairs = correlated_pairs(split.train)
    for metric, n_first, options in (
        ("first", 1, {}),
        ("first_any", 1, {"least": 0.0}),
        ("pair_one", 3, {"choices": pairs}),
        ("pair_two", 3, {"choices": pairs, "n_donors": 2}),
    ):
        rows, columns = plant(**options)
        if len(rows):
            parts = model.contributions(rows)
            # ties are broken at random
            luck = np.random.RandomState(seed).uniform(size=parts.shape)
            first = np.lexsort((luck, -parts))[:, :n_first]
            yield metric, np.mean([set(c) <= set(f) for c, f in zip(columns, first, strict=True)])
    yield "chance_first", 1 / d
    yield "chance_pair", 6 / (d * (d - 1))


def annotated(data, seed, model):
    """Yield how well each way of explaining rows finds the cells that annotators name."""
    X = StandardScaler().fit(data.X[~data.y]).transform(data.X)
    explanation = model.fit(X[~data.y]).model.explain(X)
    ways = {
        "marginal": explanation.marginal,
        "contributions": explanation.contributions,
        "kde": marginal_kernels(X[~data.y], X),
        "absolute z": np.abs(X),
        "random": np.random.RandomState(seed).uniform(size=X.shape),
    }
    for way, parts in ways.items():
        for figure, judge in (("auroc", roc_auc_score), ("auprc", average_precision_score)):
            yield (
                f"{way}_{figure}",
                np.mean(
                    [
                        np.mean([judge(c, p) for c, p in zip(cells, parts[rows], strict=True)])
                        for rows, cells in data.cells.values()
                    ]
                ),
            )


def seconds(case, seed, model):
    """Yield seconds of a fit, of scoring a row in batches, and of one row, on a mixture."""
    n, d = TIME_CASES[case]
    rng = np.random.RandomState(seed)
    distribution = CorrelatedMixture(d, seed)
    train, test = distribution.draw(n, rng), distribution.draw(5000, rng)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    start = time.process_time()
    model.fit(train)
    fitted = time.process_time()
    for batch in np.split(test, 5):
        model.score(batch)
    scored = time.process_time()
    singles = []
    for i in range(100):
        begin = time.perf_counter()
        model.score(test[i : i + 1])
        singles.append(time.perf_counter() - begin)
    yield "fit_s", fitted - start
    yield "score_s_per_row", (scored - fitted) / len(test)
    # the median, as other processes may run beside
    yield "single_ms", 1000 * np.median(singles)


CHECKS = {c.__name__: c for c in (pvalues, fdr, explain, annotated)} | {"time": seconds}
CHECK_DETECTORS = {"explain": QUICK_METHODS, "time": QUICK_METHODS}  # elsewhere ours alone
N_MIXTURES, N_PLANTED = 100, 50
TIME_CASES = {"n=1000, d=20": (1000, 20), "n=5000, d=30": (5000, 30), "n=100000, d=20": (10**5, 20)}


def check(section, data, seed, detector):
    """Run one check and return a row of results for each of its figures."""
    with _one_thread():
        warm_up(DETECTORS[detector])
        found = list(CHECKS[section](data, seed, DETECTORS[detector](seed, False)))
    name = getattr(data, "name", data)
    cell = dict(zip(CHECK_KEY, (section, name, seed, detector), strict=True))
    return [cell | {"metric": metric, "value": value} for metric, value in found]


# --- the run -------------------------------------------------------------------------------------


def load_sources(args):
    """Return the sets of each source that is at hand."""
    folder = anomaly_folder(args.data)
    folders = {
        SETS: folder,
        PANEL: args.panel or sibling(folder, PANEL),
        EXPLANATIONS: sibling(folder, EXPLANATIONS),
    }
    smallest = 3 if args.quick and not args.sets else None
    sources = {
        source: [load_set(n, folder=at) for n in set_names(at, smallest=smallest, like=args.sets)]
        for source, at in folders.items()
        if at or source == SETS
    }
    if not any(sources.values()):
        raise ValueError(f"No set is named {' or '.join(args.sets)}.")
    return sources


def score_cells(args, sources):
    """Protocol, set, seed and detector of all cells that the command line asks for."""
    for protocol in args.protocols:
        source, contaminated, _ = PROTOCOLS[protocol]
        for data in sources.get(source, []):
            # elsewhere the rows to train on are the same for all seeds
            for seed in range(args.seeds if protocol == "clean" else 1):
                for name in args.methods:
                    if contaminated or name not in CONTAMINATED_ONLY:
                        yield protocol, data, seed, name


def check_cells(args, sources, section):
    """Section, set or case, seed and detector of all cells of a check."""
    cases, n_seeds = {
        "pvalues": (sources.get(PANEL) or sources[SETS], 1),
        "fdr": (["mixture"], 3 if args.quick else N_MIXTURES),
        "explain": (sources[SETS], args.seeds),
        "annotated": (sources.get(EXPLANATIONS, []), 1),
        "time": ([*TIME_CASES][: 2 if args.quick else None], 1),
    }[section]
    for name in CHECK_DETECTORS.get(section, ["ours"]):
        if name in args.methods:
            yield from ((section, case, seed, name) for case in cases for seed in range(n_seeds))


def key_of(cell):
    """Return a cell as it is looked up in a results file."""
    first, data, seed, name = cell
    return first, getattr(data, "name", data), str(seed), name


def run(args):
    """Measure all cells that the CSV files lack, and return those that failed."""
    sources = load_sources(args)
    scores, checks = args.output / "anomaly.csv", args.output / "anomaly_checks.csv"
    failed = []
    if args.quick:
        scores.unlink(missing_ok=True)
        checks.unlink(missing_ok=True)
    if "scores" in args.sections:
        cells = score_cells(args, sources)
        failed += measure(args, cells, scores, SCORE_KEY, score, args.jobs)
    for section in CHECKS:
        if section in args.sections:
            # seconds are taken alone
            n_jobs = 1 if section == "time" else args.jobs
            cells = check_cells(args, sources, section)
            failed += measure(args, cells, checks, CHECK_KEY, check, n_jobs)
    return failed


def measure(args, cells, path, key, work, n_jobs):
    """Append the results of cells that a CSV file lacks, and return the cells that failed."""
    cells = list(cells)
    if args.fresh:
        forget(path, key, {key_of(cell) for cell in cells})
    done = {tuple(row[k] for k in key) for row in read_results(path)}
    cells = [cell for cell in cells if key_of(cell) not in done]
    batches = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(_guarded)(work, cell) for cell in cells
    )
    failed = []
    for i, (cell, rows, problem) in enumerate(batches, start=1):
        if problem:
            failed.append(cell)
        else:
            append_results(path, rows)
        print(f"[{i}/{len(cells)}] {' '.join(cell)}: {problem or describe(rows)}", flush=True)
    return failed


def _guarded(work, cell):
    """Run a cell; a detector that fails on a set must not end a run of hours."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return key_of(cell), work(*cell), None
    except Exception as error:
        return key_of(cell), None, f"FAILED, {type(error).__name__}: {error}"


def describe(rows):
    """One line on the rows of a cell."""
    row = rows[0]
    if "auroc" not in row:
        return ", ".join(f"{r['metric']} {r['value']:.3g}" for r in rows[:5])
    return (
        f"AUROC {row['auroc']:.1f}, AUPRC {row['auprc']:.1f}, fit {row['fit_s']:.1f} and score "
        f"{row['score_s']:.2f} CPU-s"
    )


def parse(argv=None):
    """Read the command line."""
    sections = ["scores", *CHECKS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anomaly", description=__doc__)
    parser.add_argument("--data", help="folder of .npz sets (default: $SKDIFFUSION_ANOMALY_DATA)")
    parser.add_argument("--panel", help=f"folder of .npz problems (default: {PANEL} beside --data)")
    parser.add_argument("--sections", nargs="+", choices=sections, default=sections)
    parser.add_argument("--protocols", nargs="+", choices=[*PROTOCOLS], default=[*PROTOCOLS])
    parser.add_argument("--methods", nargs="+", choices=[*DETECTORS], metavar="NAME")
    parser.add_argument("--sets", nargs="+", help="such as 44_Wilt or wilt; default: all")
    parser.add_argument(
        "--seeds", type=int, help="number of splits of the ADBench sets (default 3)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--fresh", action="store_true", help="measure anew what is asked for")
    parser.add_argument("--summary-only", action="store_true", help="only rewrite the report")
    parser.add_argument("--quick", action="store_true", help="three small sets: does it run?")
    args = parser.parse_args(argv)
    if args.seeds is not None and args.seeds < 1:
        parser.error("--seeds must be at least 1")
    args.seeds = args.seeds or (1 if args.quick else 3)
    args.methods = args.methods or (QUICK_METHODS if args.quick else [*DETECTORS])
    if args.quick:
        args.output = args.output / "quick"
    return args


def main(argv=None):
    """Run the benchmark, write its report and print what holds of the promises."""
    args = parse(argv)
    failed = [] if args.summary_only else run(args)
    report, verdicts = write_report(args.output)
    print("", *verdicts, "", sep="\n")
    for cell in failed:
        print("failed:", *cell)
    print(f"Report in {report}.")


if __name__ == "__main__":
    main()
